"""The space of NAS-Bench-Macro: 6,561 MobileNetV2-like networks for CIFAR-10, of which 3,969 are distinct.

Three stages of 2, 3 and 3 layers; each layer is an identity, an MBConv with kernel 3 and expansion 3, or one with
kernel 5 and expansion 6. The first layer of a stage is strided, so its identity is a projection. Parameter counts match
the published table, and its `flops` are our MACs. (Su et al., "Prioritized Architecture Sampling with Monto-Carlo
Tree Search", CVPR 2021.)
"""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.formats import Document, validate
from edgenas.space.architecture import Architecture
from edgenas.space.block import Block, Head, MBConv, Projection, Stem
from edgenas.space.layers import make_divisible, strided
from edgenas.space.space import SearchSpace

IDENTITY = "identity"
CHOICES = (IDENTITY, "k3e3", "k5e6")
"""In the order of the benchmark's digits 0, 1, 2."""

STEM_CHANNELS, HEAD_CHANNELS = 32, 1280
STAGES = ((64, 2), (128, 3), (256, 3))
"""(channels, layers) of each stage."""

LAYERS = sum(depth for _, depth in STAGES)
_STRIDE = 2
_RGB = 3
_RESOLUTIONS, _CLASSES, _WIDTHS = (8, 1024), (2, 100_000), (0.1, 4.0)


class MacroLayout(Document):
    """The parameters of a `nasbench-macro` space; the defaults are the benchmark's."""

    name: Literal["nasbench-macro"] = "nasbench-macro"
    resolution: int = Field(default=32, ge=_RESOLUTIONS[0], le=_RESOLUTIONS[1])
    classes: int = Field(default=10, ge=_CLASSES[0], le=_CLASSES[1])
    width: float = Field(default=1.0, ge=_WIDTHS[0], le=_WIDTHS[1], description="multiplies all channels")
    in_channels: int = Field(default=_RGB, ge=1, le=64)


class NASBenchMacroSpace(SearchSpace):
    """Networks of NAS-Bench-Macro; see the module's docstring and `SearchSpace`.

    A strided layer has two places, one for its projection and one for its MBConvs: they share no weights.
    """

    name = "nasbench-macro"

    def __init__(self, layout: MacroLayout) -> None:
        self.layout = layout

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(validate(config, MacroLayout, Path("space")))

    @property
    @override
    def input_shape(self) -> tuple[int, int, int]:
        return (self.layout.in_channels, self.layout.resolution, self.layout.resolution)

    @property
    @override
    def classes(self) -> int:
        return self.layout.classes

    @property
    @override
    def variables(self) -> tuple[tuple[str, ...], ...]:
        return (CHOICES,) * LAYERS

    @cached_property
    @override
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        return tuple(self._layers())

    @cached_property
    @override
    def fixed_blocks(self) -> tuple[Block, ...]:
        size = self.layout.resolution
        stem = Stem(3, 1, "relu", self.layout.in_channels, self._scaled(STEM_CHANNELS), size, size)
        for _ in STAGES:
            size = strided(size, _STRIDE)
        last, hidden = self._scaled(STAGES[-1][0]), self._scaled(HEAD_CHANNELS)
        return (stem, Head("relu", last, hidden, self.layout.classes, size, size))

    @cached_property
    @override
    def places(self) -> tuple[tuple[Block, ...], ...]:
        stem, head = self.fixed_blocks
        places: list[tuple[Block, ...]] = [(stem,)]
        for identity, *others in self.candidates:
            if identity is not None:
                places.append((identity,))
            places.append(tuple(block for block in others if block is not None))
        return (*places, (head,))

    @override
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        stem, head = self.fixed_blocks
        path: list[tuple[int, Block]] = [(0, stem)]
        place = 1
        for choice, options in zip(architecture.choices, self.candidates, strict=True):
            projects = options[0] is not None
            block = options[CHOICES.index(choice)]
            if block is not None:
                path.append((place + (projects and choice != IDENTITY), block))
            place += 1 + projects
        return (*path, (place, head))

    @override
    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        result: list[tuple[int, ...]] = []
        start = 1
        for _, depth in STAGES:
            result.append((start, start + 1, start + 1))
            place = start + 2
            for _ in range(1, depth):
                chosen = int(vector[len(result)])
                result.append((-1, place, place))
                place += CHOICES[chosen] != IDENTITY
            start += depth + 1
        return tuple(result)

    @override
    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Move identities to the end of their stage; not in its first layer, whose identity is a projection."""
        result: list[str] = []
        for _, depth in STAGES:
            first, *others = choices[len(result) : len(result) + depth]
            kept = [choice for choice in others if choice != IDENTITY]
            result += [first, *kept, *[IDENTITY] * (len(others) - len(kept))]
        return tuple(result)

    @override
    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        found = vectors.copy()
        end = 0
        for _, depth in STAGES:
            start, end = end + 1, end + depth
            stage = vectors[:, start:end]
            order = np.argsort(stage == CHOICES.index(IDENTITY), axis=1, kind="stable")
            found[:, start:end] = np.take_along_axis(stage, order, axis=1)
        return found

    @override
    def sample(self, rng: np.random.Generator) -> Architecture:
        """Each layer uniformly, as in the benchmark: half of the networks are in the upper half of the MACs."""
        return self.decode(rng.integers(len(CHOICES), size=LAYERS))

    @override
    def config(self) -> dict[str, Any]:
        # Without the channels of RGB, as earlier versions wrote it: runs and tables know a space by its configuration.
        rgb = self.layout.in_channels == _RGB
        return self.layout.model_dump(mode="json", exclude={"in_channels"} if rgb else None)

    @override
    def with_channels(self, channels: int) -> "NASBenchMacroSpace":
        if channels == self.channels:
            return self
        return type(self)(self.layout.model_copy(update={"in_channels": channels}))

    @override
    def text(self, architecture: Architecture) -> str:
        """The benchmark's eight digits, such as `01200210`."""
        return "".join(str(CHOICES.index(choice)) for choice in architecture.choices)

    @override
    def architecture_from_text(self, text: str) -> Architecture:
        """Read the benchmark's eight digits.

        Raises:
            InputError: anything else.
        """
        if not re.fullmatch(rf"[0-2]{{{LAYERS}}}", text):
            raise InputError(
                f"{text[:40]!r} is not an architecture of {self.name}",
                f"expected {LAYERS} digits from 0 to 2, such as 01200210",
            )
        return Architecture(self.name, self.canonical([CHOICES[int(digit)] for digit in text]))

    def _layers(self) -> Iterator[tuple[Block | None, ...]]:
        """The candidates of each layer, in the order of `CHOICES`."""
        size, channels = self.layout.resolution, self._scaled(STEM_CHANNELS)
        for out_channels, depth in STAGES:
            for layer in range(depth):
                stride, width = (_STRIDE if layer == 0 else 1), self._scaled(out_channels)
                shape = (channels, width, size, size)
                identity = Projection(stride, *shape) if layer == 0 else None
                small = MBConv(3, 3, stride, 0, "relu", *shape)
                large = MBConv(5, 6, stride, 0, "relu", *shape)
                yield (identity, small, large)
                size, channels = strided(size, stride), width

    def _scaled(self, channels: int) -> int:
        return make_divisible(channels * self.layout.width)


def nasbench_macro(resolution: int = 32, classes: int = 10, width: float = 1.0) -> NASBenchMacroSpace:
    """The `nasbench-macro` space; by default that of the published table.

    Args:
        resolution: rows and columns of the images, 8 to 1024.
        classes: number of classes.
        width: multiplier of all channel counts, rounded to multiples of 8.

    Raises:
        InputError: an argument out of range.
    """
    for option, value, (low, high) in (
        ("resolution", resolution, _RESOLUTIONS),
        ("classes", classes, _CLASSES),
        ("width", width, _WIDTHS),
    ):
        if not low <= value <= high:
            raise InputError(f"--{option} {value:g} is out of range", f"use {low:g} to {high:.6g}")
    return NASBenchMacroSpace(MacroLayout(resolution=resolution, classes=classes, width=width))
