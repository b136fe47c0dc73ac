"""What a kit times, and for which device: written into the kit, and carried back with its results."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from edgenas.board.manifest import MAX_MODELS, MAX_RUNS
from edgenas.device import Device, find_device
from edgenas.device.device import MAX_BATCH, MAX_THREADS
from edgenas.errors import InputError
from edgenas.formats import Document, Line
from edgenas.fragments.drawing import COUNT, Fragment, fragments
from edgenas.profiling.profile_plan import ProfilePlan, plan_profile
from edgenas.profiling.resolution_profiling import timed_sizes
from edgenas.space import NetworkSpace, network_space_from_config
from edgenas.transfer.known_devices import MIN_SAMPLES, KnownDevices
from edgenas.vocabulary import DEVICE_NAME, Precision

FRAGMENT = "fragment/"
"""What keys of fragments begin with."""

Choices = Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(max_length=1000)]


class SizePlan(Document):
    """Whole networks of one image size; the last `random` ones are drawn at random, for the interval."""

    networks: tuple[Choices, ...] = Field(max_length=1000)
    random: int = Field(ge=0)

    @model_validator(mode="after")
    def _random_ones_are_among_them(self) -> Self:
        if self.random > len(self.networks):
            raise ValueError("random must not exceed the number of networks")
        return self


class FragmentPlan(Document):
    """The first `count` fragments, whose models have this digest."""

    count: int = Field(ge=1, le=COUNT)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class BoardPlan(Document):
    """What a kit is for: a device at an operating point.

    Attributes:
        edgenas: the version that made it.
    """

    edgenas: Line
    device: str = Field(pattern=DEVICE_NAME, max_length=100)
    runtime: Line
    provider: Line
    precision: Precision
    threads: int = Field(ge=1, le=MAX_THREADS)
    batch: int = Field(ge=1, le=MAX_BATCH)
    power_mode: Line


class TimingPlan(BoardPlan):
    """Models to time for their own sake.

    Attributes:
        models: the keys under which their times come back.
        runs: of each, for a distribution; 0 for bursts and rounds.
    """

    models: tuple[Line, ...] = Field(min_length=1, max_length=MAX_MODELS)
    runs: int = Field(default=0, ge=0, le=MAX_RUNS)


class KitPlan(BoardPlan):
    """What to time for a table; its fields identify the table, a space, and the networks of the calibration.

    Attributes:
        sizes: by image size; of several, those that are timed.
        blocks: whether all blocks are timed; if not, they are inferred from the networks.
        any_channels: whether blocks for grey images are timed too, or for RGB ones; kits of earlier versions do not.
        fragments: for predicting ONNX files; None for none.
    """

    space: dict[str, Any]
    sizes: dict[int, SizePlan] = Field(min_length=1, max_length=64)
    blocks: bool
    any_channels: bool = False
    fragments: FragmentPlan | None = None

    @model_validator(mode="after")
    def _blocks_are_inferred_at_one_size(self) -> Self:
        if not self.blocks and len(self.sizes) > 1:
            raise ValueError("without blocks there must be one image size")
        return self

    def for_device(self, device: str | Device | None) -> Device:
        """The device at the operating point of the plan.

        Args:
            device: whose table is asked for; None for the one that the kit was made for.

        Raises:
            InputError: it is not known here, or its file has changed since.
        """
        asked = self.device if device is None else device
        found = find_device(asked, precision=self.precision, batch=self.batch)
        if found.threads != self.threads:
            found = find_device(found, threads=self.threads)
        if found.power_modes:
            found = find_device(found, power_mode=self.power_mode)
        for name in ("runtime", "provider", "power_mode"):
            if (now := getattr(found, name)) != (then := getattr(self, name)):
                raise InputError(
                    f"the results are for {name.replace('_', ' ')} {then!r}, but {found.name} has {now!r}",
                    "make a new kit, or give the --device that they are for",
                )
        return found

    @cached_property
    def network_space(self) -> NetworkSpace:
        """The space.

        Raises:
            InputError: it is unknown here.
        """
        return network_space_from_config(self.space)

    def profile_plans(self) -> dict[int, ProfilePlan]:
        """The models to time at each image size.

        Raises:
            InputError: the space lacks a size or a network.
        """
        return {size: self._profile_plan(size, plan) for size, plan in self.sizes.items()}

    def _profile_plan(self, size: int, plan: SizePlan) -> ProfilePlan:
        if size not in self.network_space.resolutions:
            raise InputError(f"the kit's space has no images of {size} px", "make the kit again")
        space = self.network_space.at(size)
        blocks = space.blocks_of_any_channels if self.any_channels else space.distinct_blocks
        networks = tuple(space.architecture(choices) for choices in plan.networks)
        return ProfilePlan(space, blocks if self.blocks else (), networks, plan.random)


def plan_kit(space: NetworkSpace, device: Device, networks: int, samples: int | None, seed: int) -> KitPlan:
    """Choose what a kit times, but for fragments.

    Args:
        space: to profile; of several image sizes, some are timed.
        device: whose table is to be made.
        networks: whole networks for the calibration of each size, at least 3.
        samples: if given, only as many networks, from which the blocks are inferred; for spaces of one size.
        seed: draws the networks.

    Raises:
        DeviceError: fewer than three networks for the calibration.
        InputError: the space has fewer than three networks.
    """
    if samples is None:
        plans = {
            size: plan_profile(space.at(size), device, {}, networks, seed)
            for size in timed_sizes(space.resolutions)
        }
        sizes = {size: _size_plan(plan) for size, plan in plans.items()}
    else:
        size = space.resolutions[-1]
        chosen = KnownDevices(space.at(size), device).informative_networks(samples, [], seed)
        if len(chosen) < MIN_SAMPLES:
            raise InputError(f"{space.name} has only {len(chosen)} networks", "time every block of it")
        sizes = {size: SizePlan(networks=tuple(each.choices for each in chosen), random=0)}
    return KitPlan(
        **_operating_point(device),
        space=space.config(),
        sizes=sizes,
        blocks=samples is None,
        any_channels=True,
    )


def plan_timing(device: Device, models: Sequence[str], runs: int) -> TimingPlan:
    """The plan to time models, given by their keys."""
    return TimingPlan(**_operating_point(device), models=tuple(models), runs=runs)


def _operating_point(device: Device) -> dict[str, Any]:
    fields = BoardPlan.model_fields.keys() - {"edgenas", "device"}
    point = {name: getattr(device, name) for name in fields}
    return {"edgenas": version("edgenas"), "device": device.name, **point}


def _size_plan(plan: ProfilePlan) -> SizePlan:
    return SizePlan(networks=tuple(each.choices for each in plan.networks), random=plan.random)


def planned_fragments(plan: FragmentPlan, batch: int) -> dict[str, Fragment] | None:
    """The fragments of a plan by their key; None if this version draws others."""
    drawn = list(fragments(batch, plan.count))
    if joint_digest([fragment_digest(each) for each in drawn]) != plan.sha256:
        return None
    return {fragment_key(each): each for each in drawn}


def fragment_key(fragment: Fragment) -> str:
    """The key of a fragment among the models."""
    return f"{FRAGMENT}{fragment.name}"


def fragment_digest(fragment: Fragment) -> str:
    """Checksum of a fragment's model."""
    return hashlib.sha256(fragment.model.SerializeToString(deterministic=True)).hexdigest()


def joint_digest(digests: Sequence[str]) -> str:
    """Checksum of several."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()
