"""The `mbconv` space: MobileNetV2 / ProxylessNAS / MobileNetV3-like networks of inverted residuals.

A network is a stem, an optional first block without expansion, stages of MBConv layers and a head. For each layer
the search chooses kernel and expansion, or to skip it where shapes allow (every layer of a stage but the first).
MobileNetV2 (Sandler et al. 2018), ProxylessNAS (Cai et al. 2019) and relatives of MobileNetV3 (Howard et al. 2019)
are architectures of some layout.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.formats import validate
from edgenas.space.architecture import Architecture
from edgenas.space.block import Block, Head, MBConv, Stem
from edgenas.space.layers import Activation, make_divisible, strided
from edgenas.space.mbconv_layout import Kernel, Layout, Stage
from edgenas.space.space import SearchSpace

SKIP = "skip"


class MBConvSpace(SearchSpace):
    """The networks of one layout; see the module's docstring and `SearchSpace`."""

    name = "mbconv"

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    @classmethod
    @override
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(validate(config, Layout, Path("space")))

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
        return (*self._leading_blocks, self._head)

    def canonical(self, choices: Sequence[str]) -> tuple[str, ...]:
        """Move skips to the end of their stage: which of its layers is skipped makes no difference."""
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
            skip = len(self.variables[start])  # index of `skip`, which the first layer lacks
            skips = stage == skip
            order = np.argsort(skips, axis=1, kind="stable")
            found[:, start : start + depth] = np.take_along_axis(stage, order, axis=1)
        return found

    @cached_property
    @override
    def places(self) -> tuple[tuple[Block, ...], ...]:
        layers = (tuple(block for block in options if block is not None) for options in self.candidates)
        return (*((block,) for block in self._leading_blocks), *layers, (self._head,))

    @override
    def path(self, architecture: Architecture) -> tuple[tuple[int, Block], ...]:
        leading = len(self._leading_blocks)
        path: list[tuple[int, Block]] = list(enumerate(self._leading_blocks))
        rows = zip(architecture.choices, self.variables, self.candidates, strict=True)
        for place, (choice, names, blocks) in enumerate(rows, start=leading):
            block = blocks[names.index(choice)]
            if block is not None:
                path.append((place, block))
        return (*path, (leading + len(self.variables), self._head))

    @override
    def choice_places(self, vector: Sequence[int] | NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
        result: list[tuple[int, ...]] = []
        for start, depth in self._stage_spans:
            place = len(self._leading_blocks) + start
            for variable in range(start, start + depth):
                options = self.candidates[variable]
                result.append(tuple(-1 if block is None else place for block in options))
                place += options[vector[variable]] is not None
        return tuple(result)

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw the depth of each stage uniformly, then each layer's kernel and expansion uniformly."""
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
    def _leading_blocks(self) -> tuple[Block, ...]:
        layout = self.layout
        size = layout.resolution
        stem = Stem(3, layout.stem_stride, layout.stem_activation, layout.in_channels, layout.stem_channels,
                    size, size, layout.conventions)  # fmt: skip
        if not layout.first_channels:
            return (stem,)
        size = strided(size, layout.stem_stride)
        first = MBConv(3, 1, layout.first_stride, layout.first_squeeze_excite,
                       layout.first_activation or layout.stem_activation,
                       layout.stem_channels, layout.first_channels, size, size, layout.conventions)  # fmt: skip
        return (stem, first)

    @property
    def _stage_input_size(self) -> int:
        """Rows and columns of the first stage's input."""
        return strided(strided(self.layout.resolution, self.layout.stem_stride), self.layout.first_stride)

    @cached_property
    def _layers(self) -> list[tuple[list[str], list[Block | None]]]:
        """For each layer, the names of its choices and their blocks."""
        layout = self.layout
        size = self._stage_input_size
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
                                             stage.activation, channels, stage.channels, size, size,
                                             layout.conventions, stage.pointwise))  # fmt: skip
                if depth > 0:
                    names.append(SKIP)
                    blocks.append(None)
                layers.append((names, blocks))
                size, channels = strided(size, stride), stage.channels
        return layers

    @cached_property
    def _head(self) -> Head:
        size = self._stage_input_size
        for stage in self.layout.stages:
            size = strided(size, stage.stride)
        last = self.layout.stages[-1].channels
        layout = self.layout
        return Head(
            layout.head_activation, last, layout.head_channels, layout.classes, size, size, layout.conventions
        )


class _Preset(NamedTuple):
    """A layout without width, options and resolution; stages are (channels, depth, stride)."""

    stem: int
    first: int
    stages: tuple[tuple[int, int, Literal[1, 2]], ...]
    head: int
    expansions: tuple[int, ...] = (3, 6)
    kernels: tuple[Kernel, ...] = (3, 5, 7)


# Tiny and small images: three halvings after the stem; at most about 1 MMAC at 16 px and 20 MMACs at 32 px, which a
# CPU trains in minutes. The tiny layout is narrow so that accuracies differ: 80 % to 99 % on digits, whereas wider
# networks are all alike. Large images: the layout of ProxylessNAS.
_TINY = _Preset(8, 0, ((8, 3, 2), (8, 3, 2), (16, 3, 2)), 32, (2, 6), (3, 5))
_SMALL = _Preset(16, 0, ((24, 3, 2), (40, 3, 2), (80, 3, 2)), 256)
_LARGE = _Preset(32, 16, ((24, 4, 2), (40, 4, 2), (80, 4, 2), (96, 4, 1), (192, 4, 2), (320, 1, 1)), 1280)


def check_supported(resolution: int, classes: int, width: float) -> None:
    """Check that a preset supports the arguments.

    Raises:
        InputError: an unsupported resolution or width, or fewer than two classes.
    """
    if not (16 <= resolution <= 64 or 96 <= resolution <= 224):
        raise InputError(f"--resolution {resolution} is not supported", "use 16 to 64 or 96 to 224")
    if not 0.1 <= width <= 4:
        raise InputError(f"--width {width:g} is out of range", "use 0.1 to 4")
    if not 2 <= classes <= 100_000:
        raise InputError(f"--classes {classes} is out of range", "use 2 to 100000")


def stem_stride(resolution: int) -> Literal[1, 2]:
    """Stride of the first convolution: 1 for images too small to be halved at once."""
    return 1 if resolution < 48 else 2


def mbconv(
    resolution: int,
    classes: int,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: Activation = "relu6",
) -> MBConvSpace:
    """Make the `mbconv` space with the preset layout for a resolution.

    Args:
        resolution: rows and columns of the images; 16 to 64 takes a small layout, 96 to 224 the large one.
        classes: number of classes.
        width: multiplier of all channel counts, rounded to multiples of 8.
        squeeze_excite: channel attention (reduction 4) in every layer.
        activation: the activation of every layer.

    Raises:
        InputError: an unsupported resolution or width, fewer than two classes, or an unknown activation.
    """
    check_supported(resolution, classes, width)
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
