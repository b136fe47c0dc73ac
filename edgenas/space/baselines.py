"""Hand-designed networks to compare searches with; each is the only architecture of its `mbconv` space.

Strides are the original ones (five halvings) from 96 px. For 16 to 64 px they follow the `mbconv` space's own small
layouts: the stem's stride, then only the last three strided layers keep theirs, the usual adaptation to CIFAR.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from edgenas.space.architecture import Architecture
from edgenas.space.layers import Activation, make_divisible
from edgenas.space.mbconv import MBConvSpace, check_supported, stem_stride
from edgenas.space.mbconv_layout import Kernel, Layout, Stage

Stride = Literal[1, 2]


class _Layer(NamedTuple):
    """One inverted residual before the width multiplier; stride for large images."""

    kernel: Kernel
    expansion: int
    channels: int
    stride: Stride
    squeeze_excite: int
    activation: Activation


def _v2_layers() -> tuple[_Layer, ...]:
    """Table 2 of the paper, after the block without expansion."""
    stages: tuple[tuple[int, int, Stride], ...] = (
        (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1),
    )  # fmt: skip
    return tuple(
        _Layer(3, 6, channels, stride if i == 0 else 1, 0, "relu6")
        for channels, depth, stride in stages
        for i in range(depth)
    )


# Table 2 of the paper. Its hidden channels 72, 88 and 96 of the first three rows are 4.5, 3.7 and 4 times the input.
_V3_SMALL: tuple[_Layer, ...] = (
    _Layer(3, 4, 24, 2, 0, "relu"),
    _Layer(3, 4, 24, 1, 0, "relu"),
    _Layer(5, 4, 40, 2, 4, "hswish"),
    _Layer(5, 6, 40, 1, 4, "hswish"),
    _Layer(5, 6, 40, 1, 4, "hswish"),
    _Layer(5, 3, 48, 1, 4, "hswish"),
    _Layer(5, 3, 48, 1, 4, "hswish"),
    _Layer(5, 6, 96, 2, 4, "hswish"),
    _Layer(5, 6, 96, 1, 4, "hswish"),
    _Layer(5, 6, 96, 1, 4, "hswish"),
)


def mobilenet_v2(resolution: int, classes: int, width: float) -> tuple[MBConvSpace, Architecture]:
    """MobileNetV2 (Sandler et al., "Inverted residuals and linear bottlenecks", CVPR 2018).

    At 224 px, width 1 and 1000 classes it equals torchvision's, weight for weight. Below width 1 the head is narrowed
    too, unlike in the paper, which makes the baseline faster.

    Args:
        resolution: rows and columns of the images, 16 to 64 or 96 to 224.
        classes: number of classes.
        width: multiplier of all channel counts, including the head's, rounded to multiples of 8.

    Returns:
        A space of one architecture, and that architecture.

    Raises:
        InputError: an unsupported resolution or width, or fewer than two classes.
    """
    return _baseline(resolution, classes, width, _v2_layers(), head=1280, stem_channels=32, first_channels=16)


def mobilenet_v3_small(resolution: int, classes: int, width: float) -> tuple[MBConvSpace, Architecture]:
    """An approximation of MobileNetV3-Small (Howard et al., "Searching for MobileNetV3", ICCV 2019).

    Expansions are integers: 4 where the paper has 4.5 and 3.7. The classifier lacks the hidden layer of 1024. At 224 px
    and width 1, everything before the classifier is within 1 % of torchvision's in MACs and parameters (within 11 % at
    widths 0.35 to 1.4); the whole network has 98 % of the MACs and, with 1000 classes, 59 % of the parameters.

    Arguments, result and errors as in `mobilenet_v2`.
    """
    return _baseline(
        resolution,
        classes,
        width,
        _V3_SMALL,
        head=576,
        stem_channels=16,
        stem_activation="hswish",
        first_channels=16,
        first_stride=2,
        first_squeeze_excite=4,
        first_activation="relu",
        head_activation="hswish",
    )


class Baseline(NamedTuple):
    """A network's title, and the function that makes it from resolution, classes and width."""

    title: str
    make: Callable[[int, int, float], tuple[MBConvSpace, Architecture]]


BASELINES: dict[str, Baseline] = {
    "mobilenet-v2": Baseline("MobileNetV2", mobilenet_v2),
    "mobilenet-v3-small": Baseline("MobileNetV3-Small", mobilenet_v3_small),
}
"""Baselines by their name on the command line."""


def _baseline(
    resolution: int, classes: int, width: float, layers: Sequence[_Layer], head: int, **opening: Any
) -> tuple[MBConvSpace, Architecture]:
    """The space of exactly these layers, each a stage of its own so that none can be skipped; and its architecture."""
    check_supported(resolution, classes, width)
    if resolution <= 64:
        layers = _keep_last_strides(layers, 3)
        opening.pop("first_stride", None)
    for field in ("stem_channels", "first_channels"):
        opening[field] = make_divisible(opening[field] * width)
    layout = Layout(
        resolution=resolution,
        classes=classes,
        stem_stride=stem_stride(resolution),
        stages=tuple(_stage(layer, width) for layer in layers),
        head_channels=make_divisible(head * width),
        **opening,
    )
    space = MBConvSpace(layout)
    return space, space.architecture([f"k{layer.kernel}e{layer.expansion}" for layer in layers])


def _keep_last_strides(layers: Sequence[_Layer], count: int) -> list[_Layer]:
    """The same layers, with only the last `count` strided ones keeping their stride."""
    strided = [i for i, layer in enumerate(layers) if layer.stride == 2]
    return [layer._replace(stride=2 if i in strided[-count:] else 1) for i, layer in enumerate(layers)]


def _stage(layer: _Layer, width: float) -> Stage:
    return Stage(
        channels=make_divisible(layer.channels * width),
        depth=1,
        stride=layer.stride,
        squeeze_excite=layer.squeeze_excite,
        activation=layer.activation,
        kernels=(layer.kernel,),
        expansions=(layer.expansion,),
    )
