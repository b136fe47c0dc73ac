"""What a profile times at one image size: blocks, and whole networks to calibrate their sum."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.latency.calibration import ENOUGH, MIN_NETWORKS
from edgenas.latency.calibration_networks import informative_networks, random_networks
from edgenas.latency.table import Entry
from edgenas.space import Architecture, Block, SearchSpace

NETWORKS = 80
"""Whole networks for a calibration."""

OVERHEAD = "overhead"
"""Key of the empty model, whose time is the overhead of a call."""

RANDOM_SHARE = 0.3
"""Share of the whole networks that are drawn at random, for the interval; the others are chosen for the fit."""


@dataclass(frozen=True, slots=True)
class ProfilePlan:
    """The models of a profile.

    Attributes:
        space: of one image size.
        blocks: to be timed; the others are known.
        networks: whole networks, chosen ones first.
        random: how many of them, the last ones, are drawn at random.
    """

    space: SearchSpace
    blocks: tuple[Block, ...]
    networks: tuple[Architecture, ...]
    random: int

    @property
    def models(self) -> dict[str, tuple[Block, ...]]:
        """Blocks of each model to time, by its key."""
        single = {block.key: (block,) for block in self.blocks}
        return single | {self.network_key(each): self.space.blocks(each) for each in self.networks}

    def network_key(self, architecture: Architecture) -> str:
        """Key of a whole network."""
        return f"network/{self.space.input_shape[1]}/{architecture.id}"


def plan_profile(
    space: SearchSpace, device: Device, known: Mapping[str, Entry], networks: int, seed: int
) -> ProfilePlan:
    """Choose the models of a profile.

    Args:
        space: whose blocks are timed, for grey and for RGB images.
        device: whose datasheet says which networks are informative.
        known: entries of an earlier table; only unstable ones are timed again.
        networks: whole networks for the calibration, at least 3.
        seed: draws the networks.

    Raises:
        DeviceError: fewer than three networks to calibrate on.
    """
    random_count = int(RANDOM_SHARE * networks)
    random_count = random_count if random_count >= ENOUGH else 0
    chosen = informative_networks(space, device, networks - random_count, seed)
    random = random_networks(space, random_count, seed, chosen)
    if len(chosen) + len(random) < MIN_NETWORKS:
        raise DeviceError(
            f"{len(chosen) + len(random)} networks cannot calibrate a table", "use --networks 3 or more"
        )
    missing = tuple(block for block in space.blocks_of_any_channels if _is_due(block.key, known))
    return ProfilePlan(space, missing, (*chosen, *random), len(random))


def _is_due(key: str, entries: Mapping[str, Entry]) -> bool:
    return key not in entries or entries[key].unstable
