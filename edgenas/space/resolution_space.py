"""Spaces in which the image size is searched: the same networks for images of several sizes."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.space.architecture import Architecture
from edgenas.space.block import Block
from edgenas.space.family_space import FamilySpace
from edgenas.space.network_space import NetworkSpace, Sized
from edgenas.space.space import SearchSpace


class ResolutionSpace(FamilySpace, NetworkSpace):
    """The networks of one space for images of several sizes.

    The first variable is the image size, with choices such as `r96`; the others are those of the space. A network of
    one size is no network of another: they share their weights, but neither latency nor accuracy. Latency is additive
    at each size alone.

    Args:
        space: for any of the sizes; it is resized to the others (see `SearchSpace.resized`).
        resolutions: at least two, ascending.

    Raises:
        InputError: the space cannot be resized, or has other choices at another size.
    """

    name = "resolutions"

    def __init__(self, space: SearchSpace, resolutions: Sequence[int]) -> None:
        self._spaces = {size: _resized(space, size) for size in resolutions}
        assert len(self._spaces) >= 2 and list(self._spaces) == sorted(self._spaces)

    @property
    @override
    def resolutions(self) -> tuple[int, ...]:
        return tuple(self._spaces)

    @override
    def at(self, resolution: int) -> SearchSpace:
        return self._spaces[resolution]

    @override
    def sized(self, architecture: Architecture) -> Sized:
        size, *choices = architecture.choices
        space = self.at(int(size.removeprefix("r")))
        return Sized(space, Architecture(space.name, tuple(choices)))

    @override
    def joined(self, resolution: int, architecture: Architecture) -> Architecture:
        return Architecture(self.name, (_choice(resolution), *architecture.choices))

    @override
    def with_channels(self, channels: int) -> "ResolutionSpace | None":
        if channels == self.channels:
            return self
        base = self.common.with_channels(channels)
        return None if base is None else ResolutionSpace(base, self.resolutions)

    @property
    @override
    def classes(self) -> int:
        return self.common.classes

    @override
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw the size uniformly, then an architecture as the space of that size does."""
        size = self.resolutions[rng.integers(len(self.resolutions))]
        return self.joined(size, self.at(size).sample(rng))

    @cached_property
    @override
    def places(self) -> tuple[tuple[Block, ...], ...]:
        stacked = zip(*(space.places for space in self._spaces.values()), strict=True)
        return tuple(
            tuple(dict.fromkeys(block for options in place for block in options)) for place in stacked
        )

    @override
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        space, inner = self.sized(architecture)
        return space.path(inner)

    @property
    @override
    def smallest(self) -> Architecture:
        return min((self.joined(size, self.at(size).smallest) for size in self.resolutions), key=self.macs)

    @property
    @override
    def largest(self) -> Architecture:
        return max((self.joined(size, self.at(size).largest) for size in self.resolutions), key=self.macs)

    @override
    def config(self) -> dict[str, Any]:
        """The sizes, and the configuration of the space for the largest, in which only `resolution` changes."""
        return {"name": self.name, "resolutions": list(self.resolutions), "space": self.common.config()}

    @cached_property
    @override
    def signature(self) -> str:
        """A short text that is equal for equal spaces, such as `mbconv-96-224px-1a2b3c4d`."""
        digest = hashlib.sha256(json.dumps(self.config(), sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.common.name}-{self.resolutions[0]}-{self.resolutions[-1]}px-{digest}"

    @property
    @override
    def members(self) -> tuple[str, ...]:
        return tuple(map(_choice, self.resolutions))

    @property
    @override
    def common(self) -> SearchSpace:
        """That of the largest size."""
        return self.at(self.resolutions[-1])


def _choice(resolution: int) -> str:
    return f"r{resolution}"


def _resized(space: SearchSpace, resolution: int) -> SearchSpace:
    if space.resolutions == (resolution,):
        return space
    resized = space.resized(resolution)
    if resized.resolutions != (resolution,) or resized.variables != space.variables:
        raise InputError(
            f"space {space.name} has other choices for images of {resolution} px than for "
            f"{space.resolutions[0]} px, so they cannot be searched together",
            "give a single --resolution",
        )
    return resized
