"""The `mbconv` space: MobileNetV2 / ProxylessNAS / MobileNetV3-like networks of inverted residuals.

A layout is a stem, an optional first block without expansion, stages of MBConv layers and a head. In each
layer the search chooses kernel and expansion, or to skip the layer where its shapes allow (every layer of a
stage but the first). MobileNetV2 (Sandler et al. 2018), ProxylessNAS (Cai et al. 2019) and relatives of
MobileNetV3 (Howard et al. 2019) are points of some layout.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.space.architecture import Architecture
from edgenas.space.block import Block, Head, MBConv, Stem
from edgenas.space.layers import Activation, make_divisible, strided
from edgenas.space.space import SearchSpace

SKIP = "skip"

Kernel = Literal[3, 5, 7]


class _Part(Document):
    """Writes its `rare` fields only where they are set, so that a layout without them keeps its signature."""

    rare: ClassVar[frozenset[str]] = frozenset()

    @property
    def unset(self) -> set[str]:
        """The rare fields that are as in every layout."""
        fields = type(self).model_fields
        return {name for name in self.rare if getattr(self, name) == fields[name].default}

    @model_serializer(mode="wrap")
    def _without_unset(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in write(self).items() if name not in self.unset}


class Stage(_Part):
    """Layers of one width; the first may stride, the others may be skipped."""

    channels: int = Field(gt=0, le=4096)
    depth: int = Field(gt=0, le=32)
    stride: Literal[1, 2]
    squeeze_excite: int = Field(default=0, ge=0, le=64, description="reduction; 0 for none")
    activation: Activation = "relu6"
    kernels: tuple[Kernel, ...] = Field(default=(), description="instead of the layout's")
    expansions: tuple[int, ...] = Field(default=(), description="instead of the layout's; each at least 2")

    rare: ClassVar[frozenset[str]] = frozenset({"kernels", "expansions"})

    @model_validator(mode="after")
    def _choices_are_distinct(self) -> "Stage":
        _check_choices(self.kernels, self.expansions)
        return self


class Layout(_Part):
    """Everything an `mbconv` space is made from. Channel counts are final: width is already applied."""

    name: Literal["mbconv"] = "mbconv"
    resolution: int = Field(ge=8, le=1024)
    classes: int = Field(ge=2, le=100_000)
    in_channels: int = Field(default=3, ge=1, le=64)
    stem_channels: int = Field(gt=0, le=4096)
    stem_stride: Literal[1, 2]
    stem_activation: Activation = "relu6"
    first_channels: int = Field(default=0, ge=0, le=4096, description="block without expansion; 0 for none")
    first_stride: Literal[1, 2] = 1
    first_squeeze_excite: int = Field(default=0, ge=0, le=64, description="reduction; 0 for none")
    first_activation: Activation | None = Field(default=None, description="instead of the stem's")
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=16)
    head_channels: int = Field(gt=0, le=16384)
    head_activation: Activation = "relu6"
    kernels: tuple[Kernel, ...] = Field(default=(3, 5, 7), min_length=1)
    expansions: tuple[int, ...] = Field(default=(3, 6), min_length=1, description="each at least 2")

    rare: ClassVar[frozenset[str]] = frozenset({"first_stride", "first_squeeze_excite", "first_activation"})

    @model_validator(mode="after")
    def _choices_are_distinct(self) -> "Layout":
        _check_choices(self.kernels, self.expansions)
        return self

    @model_validator(mode="after")
    def _first_block_exists(self) -> "Layout":
        if not self.first_channels and (wrong := sorted(self.rare - self.unset)):
            raise ValueError(f"{wrong[0]} needs first_channels: there is no first block")
        return self


def _check_choices(kernels: Sequence[int], expansions: Sequence[int]) -> None:
    for field, values, least in (("kernels", kernels, 3), ("expansions", expansions, 2)):
        if len(set(values)) != len(values) or min(values, default=least) < least:
            raise ValueError(f"{field} must be distinct and at least {least}")


class MBConvSpace(SearchSpace):
    """Networks of one layout; see the module's docstring and `SearchSpace`."""

    name = "mbconv"

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @property
    @override
    def input_shape(self) -> tuple[int, int, int]:
        return (self.layout.in_channels, self.layout.resolution, self.layout.resolution)

    @property
    @override
    def classes(self) -> int:
        return self.layout.classes

    @cached_property
    @override
    def variables(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(names) for names, _ in self._layers)

    @cached_property
    @override
    def candidates(self) -> tuple[tuple[Block | None, ...], ...]:
        return tuple(tuple(blocks) for _, blocks in self._layers)

    @cached_property
    @override
    def fixed_blocks(self) -> tuple[Block, ...]:
        return (*self._opening, self._head)

    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Skips go to the end of their stage: where in a stage a layer was skipped makes no difference."""
        result: list[str] = []
        for start, depth in self._stage_spans:
            stage = choices[start : start + depth]
            kept = [choice for choice in stage if choice != SKIP]
            result += kept + [SKIP] * (depth - len(kept))
        return tuple(result)

    @override
    def canonical_vectors(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        found = vectors.copy()
        for start, depth in self._stage_spans:
            stage = vectors[:, start : start + depth]
            skips = stage == len(
                self.variables[start]
            )  # the first layer has all choices but the last, to skip
            order = np.argsort(skips, axis=1, kind="stable")
            found[:, start : start + depth] = np.take_along_axis(stage, order, axis=1)
        return found

    @cached_property
    @override
    def places(self) -> tuple[tuple[Block, ...], ...]:
        layers = (tuple(block for block in options if block is not None) for options in self.candidates)
        return (*((block,) for block in self._opening), *layers, (self._head,))

    @override
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        opening = len(self._opening)
        path: list[tuple[int, Block]] = list(enumerate(self._opening))
        rows = zip(architecture.choices, self.variables, self.candidates, strict=True)
        for place, (choice, names, blocks) in enumerate(rows, start=opening):
            block = blocks[names.index(choice)]
            if block is not None:
                path.append((place, block))
        return (*path, (opening + len(self.variables), self._head))

    @override
    def standing_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        result: list[tuple[int, ...]] = []
        for start, depth in self._stage_spans:
            place = len(self._opening) + start
            for variable in range(start, start + depth):
                options = self.candidates[variable]
                result.append(tuple(-1 if block is None else place for block in options))
                place += options[vector[variable]] is not None
        return tuple(result)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Depth of each stage uniform, then kernel and expansion of each layer uniform."""
        choices: list[str] = []
        for start, depth in self._stage_spans:
            kept = int(rng.integers(1, depth + 1))
            for names in self.variables[start : start + kept]:
                layers = [name for name in names if name != SKIP]
                choices.append(layers[rng.integers(len(layers))])
            choices += [SKIP] * (depth - kept)
        return self.architecture(choices)

    @override
    def config(self) -> dict[str, Any]:
        return self.layout.model_dump(mode="json")

    @cached_property
    def _stage_spans(self) -> tuple[tuple[int, int], ...]:
        """(first variable, depth) of each stage."""
        depths = [stage.depth for stage in self.layout.stages]
        return tuple((sum(depths[:i]), depth) for i, depth in enumerate(depths))

    @cached_property
    def _opening(self) -> tuple[Block, ...]:
        layout = self.layout
        size = layout.resolution
        stem = Stem(3, layout.stem_stride, layout.stem_activation, layout.in_channels, layout.stem_channels,
                    size, size)  # fmt: skip
        if not layout.first_channels:
            return (stem,)
        size = strided(size, layout.stem_stride)
        first = MBConv(3, 1, layout.first_stride, layout.first_squeeze_excite,
                       layout.first_activation or layout.stem_activation,
                       layout.stem_channels, layout.first_channels, size, size)  # fmt: skip
        return (stem, first)

    @property
    def _opened_size(self) -> int:
        """Rows, and columns, that the stages get."""
        return strided(strided(self.layout.resolution, self.layout.stem_stride), self.layout.first_stride)

    @cached_property
    def _layers(self) -> list[tuple[list[str], list[Block | None]]]:
        """For each layer the names of its choices and their blocks."""
        layout = self.layout
        size = self._opened_size
        channels = layout.first_channels or layout.stem_channels
        layers: list[tuple[list[str], list[Block | None]]] = []
        for stage in layout.stages:
            for depth in range(stage.depth):
                stride = stage.stride if depth == 0 else 1
                names: list[str] = []
                blocks: list[Block | None] = []
                for kernel in stage.kernels or layout.kernels:
                    for expansion in stage.expansions or layout.expansions:
                        names.append(f"k{kernel}e{expansion}")
                        blocks.append(MBConv(kernel, expansion, stride, stage.squeeze_excite,
                                             stage.activation, channels, stage.channels, size, size))  # fmt: skip
                if depth > 0:
                    names.append(SKIP)
                    blocks.append(None)
                layers.append((names, blocks))
                size, channels = strided(size, stride), stage.channels
        return layers

    @cached_property
    def _head(self) -> Head:
        size = self._opened_size
        for stage in self.layout.stages:
            size = strided(size, stage.stride)
        last = self.layout.stages[-1].channels
        return Head(
            self.layout.head_activation, last, self.layout.head_channels, self.layout.classes, size, size
        )


class _Preset(NamedTuple):
    """A layout before width, options and resolution are applied; stages are (channels, depth, stride)."""

    stem: int
    first: int
    stages: tuple[tuple[int, int, Literal[1, 2]], ...]
    head: int
    expansions: tuple[int, ...] = (3, 6)
    kernels: tuple[Kernel, ...] = (3, 5, 7)


# Tiny and small images: three halvings after the stem; at most about 1 MMAC at 16 px and 20 at 32 px, what
# a CPU trains in minutes. The tiny one is narrow: its networks reach from 80 % to 99 % on digits, where wider
# ones are all alike. Large images: the layout of ProxylessNAS.
_TINY = _Preset(8, 0, ((8, 3, 2), (8, 3, 2), (16, 3, 2)), 32, (2, 6), (3, 5))
_SMALL = _Preset(16, 0, ((24, 3, 2), (40, 3, 2), (80, 3, 2)), 256)
_LARGE = _Preset(32, 16, ((24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)), 1280)


def check_covered(resolution: int, classes: int, width: float) -> None:
    """Check that there are layouts for the arguments.

    Raises:
        InputError: a resolution or width that no preset covers, fewer than two classes.
    """
    if not (16 <= resolution <= 64 or 96 <= resolution <= 224):
        raise InputError(f"--resolution {resolution} has no layout", "use 16 to 64 or 96 to 224")
    if not 0.1 <= width <= 4:
        raise InputError(f"--width {width:g} is out of range", "use 0.1 to 4")
    if not 2 <= classes <= 100_000:
        raise InputError(f"--classes {classes} is out of range", "use 2 to 100000")


def stem_stride(resolution: int) -> Literal[1, 2]:
    """Stride of the first convolution: small images are too small to lose half of it at once."""
    return 1 if resolution < 48 else 2


def mbconv(
    resolution: int,
    classes: int,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: Activation = "relu6",
) -> MBConvSpace:
    """The `mbconv` space with the layout that fits a resolution.

    Args:
        resolution: rows and columns of the images; 16 to 64 takes a small layout, 96 to 224 the large one.
        classes: number of classes.
        width: multiplier of all channel counts, rounded to multiples of 8.
        squeeze_excite: channel attention (reduction 4) in every layer.
        activation: of every layer.

    Raises:
        InputError: a resolution or width that no preset covers, fewer than two classes, an unknown activation.
    """
    check_covered(resolution, classes, width)
    if activation not in get_args(Activation):
        raise InputError(
            f"unknown activation {activation!r}", f"use one of {', '.join(get_args(Activation))}"
        )
    preset = _TINY if resolution < 32 else _SMALL if resolution <= 64 else _LARGE
    reduction = 4 if squeeze_excite else 0

    def scaled(channels: int) -> int:
        return make_divisible(channels * width)

    return MBConvSpace(
        Layout(
            resolution=resolution,
            classes=classes,
            stem_channels=scaled(preset.stem),
            stem_stride=stem_stride(resolution),
            stem_activation=activation,
            first_channels=scaled(preset.first) if preset.first else 0,
            stages=tuple(
                Stage(
                    channels=scaled(channels),
                    depth=depth,
                    stride=stride,
                    squeeze_excite=reduction,
                    activation=activation,
                )
                for channels, depth, stride in preset.stages
            ),
            head_channels=max(preset.head, scaled(preset.head)),
            head_activation=activation,
            expansions=preset.expansions,
            kernels=preset.kernels,
        )
    )
