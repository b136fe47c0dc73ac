"""A search space: a chain of five inverted residuals, each with its own kernel and expansion."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.space.block import Head, MBConv, Stem
from edgenas.space.layers import strided

CHOICES = {"k3e2": (3, 2), "k3e4": (3, 4), "k5e2": (5, 2), "k5e4": (5, 4)}
"""Kernel and expansion of a layer."""

STEM_CHANNELS, HEAD_CHANNELS = 16, 128
LAYERS = ((16, 1), (24, 2), (24, 1), (40, 2), (40, 1))
"""Channels and stride of each layer."""

SMALLEST, LARGE = 8, 64
"""Smallest supported resolution, and the largest that the stem leaves as it is; above, it halves it. Pixels."""


class ChainSpace(SearchSpace):
    """1024 networks. No layer can be skipped, so each variable always has the same place."""

    name = "chain"

    def __init__(self, resolution: int, classes: int) -> None:
        if resolution < SMALLEST or classes < 2:
            raise InputError(
                f"no {self.name} space tells {classes} classes of images of {resolution} px apart",
                f"give at least 2 classes and {SMALLEST} px",
            )
        self._resolution, self._classes = resolution, classes

    @classmethod
    def for_images(cls, resolution: int, classes: int) -> Self:
        """See `SearchSpace`."""
        return cls(resolution, classes)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """See `SearchSpace`."""
        match config:
            case {"name": cls.name, "resolution": int(resolution), "classes": int(classes)}:
                return cls(resolution, classes)
        raise InputError(f"{config} describes no {cls.name} space", "give its name, resolution and classes")

    def config(self) -> dict[str, Any]:
        """See `ArchitectureSpace`."""
        return {"name": self.name, "resolution": self._resolution, "classes": self._classes}

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Colour images."""
        return (3, self._resolution, self._resolution)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._classes

    @property
    def variables(self) -> tuple[tuple[str, ...], ...]:
        """One for each layer."""
        return (tuple(CHOICES),) * len(LAYERS)

    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Different choices are different networks."""
        return tuple(choices)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Every network is equally likely."""
        return self.decode(rng.integers(len(CHOICES), size=len(LAYERS)))

    @cached_property
    def places(self) -> tuple[tuple[Block, ...], ...]:
        """Stem, layers, head."""
        size, channels = self._resolution, STEM_CHANNELS
        stem = Stem(3, 2 if size > LARGE else 1, "relu6", 3, channels, size, size)
        size = strided(size, stem.stride)
        places: list[tuple[Block, ...]] = [(stem,)]
        for out_channels, stride in LAYERS:
            shape = (channels, out_channels, size, size)
            places.append(tuple(MBConv(k, e, stride, 0, "relu6", *shape) for k, e in CHOICES.values()))
            size, channels = strided(size, stride), out_channels
        return (*places, (Head("relu6", channels, HEAD_CHANNELS, self._classes, size, size),))

    @property
    def fixed_blocks(self) -> tuple[Block, ...]:
        """Stem and head."""
        return (*self.places[0], *self.places[-1])

    @property
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        """The blocks of each layer."""
        return self.places[1:-1]

    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        """Every place is used."""
        chosen = (0, *self.encode(architecture), 0)
        return tuple(
            (i, blocks[index]) for i, (blocks, index) in enumerate(zip(self.places, chosen, strict=True))
        )

    def standing_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        """Those of a layer, whatever the others choose."""
        return tuple((i,) * len(CHOICES) for i in range(1, len(vector) + 1))
