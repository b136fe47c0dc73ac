"""Blocks: the smallest pieces that are timed as a unit on a device, each with a canonical key.

A key contains everything that determines a block's cost, for example
`mbconv/k5/e6/s2/se0/relu6/24-40/112x112` (kernel, expansion, stride, squeeze-excite reduction with 0 for none,
activation, channels in-out, input rows x columns). `e1pw` is expansion 1 with its pointwise convolution. Conventions
cost nothing, so they are not in it.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edgenas.errors import InputError
from edgenas.space.layers import (
    PYTORCH,
    Activation,
    Add,
    Conv,
    Conventions,
    GlobalPool,
    Layer,
    Linear,
    SqueezeExcite,
    make_divisible,
    strided,
)


@dataclass(frozen=True, slots=True)
class Stem:
    """The first convolution: image to features."""

    kernel: int
    stride: int
    activation: Activation
    in_channels: int
    out_channels: int
    height: int
    width: int
    conventions: Conventions = PYTORCH

    @property
    def key(self) -> str:
        """Canonical key, such as `stem/k3/s2/relu6/3-32/224x224`."""
        channels = f"{self.in_channels}-{self.out_channels}"
        return f"stem/k{self.kernel}/s{self.stride}/{self.activation}/{channels}/{self.height}x{self.width}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """One convolution."""
        return (
            Conv(self.in_channels, self.out_channels, self.kernel, self.stride, 1, self.activation,
                 self.height, self.width, self.conventions),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MBConv:
    """Inverted residual of MobileNetV2: expand 1x1, depthwise, squeeze-excite, project 1x1, skip add.

    With expansion 1 there is nothing to expand, and the first convolution is left out; FBNet (Wu et al. 2019) keeps it,
    as do blocks that are `pointwise`, whose expansion is 1.
    """

    kernel: int
    expansion: int
    stride: int
    squeeze_excite: int
    activation: Activation
    in_channels: int
    out_channels: int
    height: int
    width: int
    conventions: Conventions = PYTORCH
    pointwise: bool = False

    @property
    def key(self) -> str:
        """Canonical key, such as `mbconv/k5/e6/s2/se0/relu6/24-40/112x112`."""
        expansion = f"{self.expansion}pw" if self.pointwise else self.expansion
        return (
            f"mbconv/k{self.kernel}/e{expansion}/s{self.stride}/se{self.squeeze_excite}/{self.activation}/"
            f"{self.in_channels}-{self.out_channels}/{self.height}x{self.width}"
        )

    @property
    def hidden_channels(self) -> int:
        """Channels between expansion and projection."""
        return self.in_channels * self.expansion

    @property
    def expands(self) -> bool:
        """Whether it begins with a 1x1 convolution."""
        return self.pointwise or self.expansion != 1

    @property
    def residual(self) -> bool:
        """Whether the input is added to the output."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What runs, in order."""
        hidden, own = self.hidden_channels, self.conventions
        out = (strided(self.height, self.stride), strided(self.width, self.stride))
        layers: list[Layer] = []
        if self.expands:
            layers.append(
                Conv(self.in_channels, hidden, 1, 1, 1, self.activation, self.height, self.width, own)
            )
        layers.append(
            Conv(
                hidden,
                hidden,
                self.kernel,
                self.stride,
                hidden,
                self.activation,
                self.height,
                self.width,
                own,
            )
        )
        if self.squeeze_excite:
            layers.append(SqueezeExcite(hidden, make_divisible(hidden / self.squeeze_excite), *out))
        layers.append(Conv(hidden, self.out_channels, 1, 1, 1, "none", *out, own))
        if self.residual:
            layers.append(Add(self.out_channels, *out))
        return tuple(layers)


@dataclass(frozen=True, slots=True)
class Projection:
    """The skip connection where the shape changes: a strided, linear 1x1 convolution (ResNet's option B)."""

    stride: int
    in_channels: int
    out_channels: int
    height: int
    width: int

    @property
    def key(self) -> str:
        """Canonical key, such as `projection/s2/32-64/32x32`."""
        return f"projection/s{self.stride}/{self.in_channels}-{self.out_channels}/{self.height}x{self.width}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """One convolution."""
        return (
            Conv(self.in_channels, self.out_channels, 1, self.stride, 1, "none", self.height, self.width),
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the network: 1x1 convolution, global pool, classifier."""

    activation: Activation
    in_channels: int
    hidden_channels: int
    classes: int
    height: int
    width: int
    conventions: Conventions = PYTORCH

    @property
    def key(self) -> str:
        """Canonical key, such as `head/relu6/320-1280-1000/7x7`."""
        channels = f"{self.in_channels}-{self.hidden_channels}-{self.classes}"
        return f"head/{self.activation}/{channels}/{self.height}x{self.width}"

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What runs, in order."""
        size = (self.height, self.width)
        return (
            Conv(self.in_channels, self.hidden_channels, 1, 1, 1, self.activation, *size, self.conventions),
            GlobalPool(self.hidden_channels, *size),
            Linear(self.hidden_channels, self.classes),
        )


Block = Stem | MBConv | Projection | Head

_ACTIVATION = r"(none|relu|relu6|hswish)"
# ASCII digits only, and few of them: `\d` and int() accept other scripts, but a key has a unique spelling.
_N = r"([1-9][0-9]{0,8})"
_ODD = r"((?:[1-9][0-9]{0,7})?[13579])"
_SIZE = rf"{_N}x{_N}"
_AFTER_EXPANSION = rf"s{_N}/se(0|[1-9][0-9]{{0,8}})/{_ACTIVATION}/{_N}-{_N}/{_SIZE}"
_GRAMMAR: tuple[tuple[Callable[..., Block], re.Pattern[str]], ...] = (
    (Stem, re.compile(rf"stem/k{_ODD}/s{_N}/{_ACTIVATION}/{_N}-{_N}/{_SIZE}")),
    (MBConv, re.compile(rf"mbconv/k{_ODD}/e{_N}/{_AFTER_EXPANSION}")),
    (partial(MBConv, pointwise=True), re.compile(rf"mbconv/k{_ODD}/e(1)pw/{_AFTER_EXPANSION}")),
    (Projection, re.compile(rf"projection/s{_N}/{_N}-{_N}/{_SIZE}")),
    (Head, re.compile(rf"head/{_ACTIVATION}/{_N}-{_N}-{_N}/{_SIZE}")),
)


def block_from_key(key: str) -> Block:
    """The block of a canonical key.

    Raises:
        InputError: not a block key.
    """
    for make, pattern in _GRAMMAR:
        if match := pattern.fullmatch(key):
            return make(*(int(text) if text.isdigit() else text for text in match.groups()))
    raise InputError(
        f"{key!r:.100} is not a block key", "use a form like mbconv/k5/e6/s2/se0/relu6/24-40/112x112"
    )


def block_macs(block: Block) -> int:
    """Multiply-accumulates of a block for one image."""
    return sum(layer.macs for layer in block.layers)


def block_parameters(block: Block) -> int:
    """Trainable parameters of a block."""
    return sum(layer.parameters for layer in block.layers)


def input_shape(block: Block) -> tuple[int, int, int]:
    """Input shape (C, H, W) for one image."""
    return (block.in_channels, block.height, block.width)


def output_shape(block: Block) -> tuple[int, ...]:
    """Output shape for one image: (C, H, W), or (classes,) for a head."""
    if isinstance(block, Head):
        return (block.classes,)
    return (block.out_channels, strided(block.height, block.stride), strided(block.width, block.stride))


def block_peak_elements(block: Block) -> int:
    """Peak number of live elements while the layers run one after another, without parameters."""
    layers = block.layers
    kept = math.prod(input_shape(block)) if isinstance(layers[-1], Add) else 0
    # The first layer's input is the kept tensor itself.
    return max(layer.elements_alive + (kept if index else 0) for index, layer in enumerate(layers))
