"""A search space: a chain of five inverted residuals, each with its own kernel and expansion."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.space.block import Head, MBConv, Stem
from edgenas.space.layers import strided

CHOICES = {"k3e2": (3, 2), "k3e4": (3, 4), "k5e2": (5, 2), "k5e4": (5, 4)}
"""Kernel and expansion of a layer."""

STEM_CHANNELS, HEAD_CHANNELS = 16, 128
LAYERS = ((16, 1), (24, 2), (24, 1), (40, 2), (40, 1))
"""Channels and stride of each layer."""

MIN_RESOLUTION, MAX_FULL_RESOLUTION = 8, 64
"""Smallest supported resolution; largest that the stem does not halve. Pixels."""


class ChainSpace(SearchSpace):
    """1024 networks. No layer can be skipped, so each variable always has the same place."""

    name = "chain"

    def __init__(self, resolution: int, classes: int) -> None:
        if resolution < MIN_RESOLUTION or classes < 2:
            raise InputError(
                f"no {self.name} space tells {classes} classes of images of {resolution} px apart",
                f"give at least 2 classes and {MIN_RESOLUTION} px",
            )
        self._resolution, self._classes = resolution, classes

    @classmethod
    @override
    def for_images(cls, resolution: int, classes: int) -> Self:
        return cls(resolution, classes)

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any]) -> Self:
        match config:
            case {"name": cls.name, "resolution": int(resolution), "classes": int(classes)}:
                return cls(resolution, classes)
        raise InputError(f"{config} describes no {cls.name} space", "give its name, resolution and classes")

    @override
    def config(self) -> dict[str, Any]:
        return {"name": self.name, "resolution": self._resolution, "classes": self._classes}

    @property
    @override
    def input_shape(self) -> tuple[int, int, int]:
        return (3, self._resolution, self._resolution)

    @property
    @override
    def classes(self) -> int:
        return self._classes

    @property
    @override
    def variables(self) -> tuple[tuple[str, ...], ...]:
        return (tuple(CHOICES),) * len(LAYERS)

    @override
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        return tuple(choices)

    @override
    def sample(self, rng: np.random.Generator) -> Architecture:
        return self.decode(rng.integers(len(CHOICES), size=len(LAYERS)))

    @cached_property
    @override
    def places(self) -> tuple[tuple[Block, ...], ...]:
        size, channels = self._resolution, STEM_CHANNELS
        stem = Stem(3, 2 if size > MAX_FULL_RESOLUTION else 1, "relu6", 3, channels, size, size)
        size = strided(size, stem.stride)
        places: list[tuple[Block, ...]] = [(stem,)]
        for out_channels, stride in LAYERS:
            shape = (channels, out_channels, size, size)
            places.append(tuple(MBConv(k, e, stride, 0, "relu6", *shape) for k, e in CHOICES.values()))
            size, channels = strided(size, stride), out_channels
        return (*places, (Head("relu6", channels, HEAD_CHANNELS, self._classes, size, size),))

    @property
    @override
    def fixed_blocks(self) -> tuple[Block, ...]:
        return (*self.places[0], *self.places[-1])

    @property
    @override
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        return self.places[1:-1]

    @override
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        chosen = (0, *self.encode(architecture), 0)
        return tuple(enumerate(blocks[i] for blocks, i in zip(self.places, chosen, strict=True)))

    @override
    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        return tuple((i,) * len(CHOICES) for i in range(1, len(vector) + 1))
