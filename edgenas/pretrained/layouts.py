"""The published networks as layouts of the `mbconv` space.

A stage has one kernel and one expansion; where a published stage changes them, it is split in two. Widths, depths,
padding and batch norm's epsilon are those of the code that publishes the weights.
"""

from typing import Literal, NamedTuple

from edgenas.space.layers import Activation, make_divisible
from edgenas.space.mbconv_layout import Kernel, Layout, Stage

IMAGENET_CLASSES = 1000


class _Stage(NamedTuple):
    """Layers of one width, kernel and expansion."""

    kernel: Kernel
    expansion: int
    channels: int
    depth: int
    stride: Literal[1, 2]


_EFFICIENTNET_LITE = (
    _Stage(3, 6, 24, 2, 2),
    _Stage(5, 6, 40, 2, 2),
    _Stage(3, 6, 80, 3, 2),
    _Stage(5, 6, 112, 3, 1),
    _Stage(5, 6, 192, 4, 2),
    _Stage(3, 6, 320, 1, 1),
)
_MOBILENET_V2 = (
    _Stage(3, 6, 24, 2, 2),
    _Stage(3, 6, 32, 3, 2),
    _Stage(3, 6, 64, 4, 2),
    _Stage(3, 6, 96, 3, 1),
    _Stage(3, 6, 160, 3, 2),
    _Stage(3, 6, 320, 1, 1),
)
_MNASNET_B1 = (
    _Stage(3, 3, 24, 3, 2),
    _Stage(5, 3, 40, 3, 2),
    _Stage(5, 6, 80, 3, 2),
    _Stage(3, 6, 96, 2, 1),
    _Stage(5, 6, 192, 4, 2),
    _Stage(3, 6, 320, 1, 1),
)
_SINGLE_PATH_NAS = (
    _Stage(3, 3, 24, 3, 2),
    _Stage(5, 6, 40, 1, 2),
    _Stage(3, 3, 40, 3, 1),
    _Stage(5, 6, 80, 1, 2),
    _Stage(3, 3, 80, 3, 1),
    _Stage(5, 6, 96, 1, 1),
    _Stage(5, 3, 96, 3, 1),
    _Stage(5, 6, 192, 4, 2),
    _Stage(3, 6, 320, 1, 1),
)
_FBNET_C = (
    _Stage(3, 1, 16, 1, 1),
    _Stage(3, 6, 24, 1, 2),
    _Stage(3, 1, 24, 2, 1),
    _Stage(5, 6, 32, 1, 2),
    _Stage(5, 3, 32, 1, 1),
    _Stage(5, 6, 32, 1, 1),
    _Stage(3, 6, 32, 1, 1),
    _Stage(5, 6, 64, 1, 2),
    _Stage(5, 3, 64, 1, 1),
    _Stage(5, 6, 64, 2, 1),
    _Stage(5, 6, 112, 3, 1),
    _Stage(5, 3, 112, 1, 1),
    _Stage(5, 6, 184, 4, 2),
    _Stage(3, 6, 352, 1, 1),
)


def efficientnet_lite(resolution: int, width: float = 1.0, deeper: int = 0) -> Layout:
    """EfficientNet-Lite (Liu 2020), from EfficientNet (Tan and Le 2019): stem, first and last layers keep their size.

    Args:
        resolution: rows and columns of the images in the pretraining.
        width: multiplier of the stages' widths.
        deeper: layers added to every stage but the last.
    """
    last = len(_EFFICIENTNET_LITE) - 1
    return Layout(
        resolution=resolution,
        classes=IMAGENET_CLASSES,
        stem_channels=32,
        stem_stride=2,
        first_channels=16,
        stages=tuple(
            _stage(stage._replace(channels=make_divisible(stage.channels * width),
                                  depth=stage.depth + (deeper if i < last else 0)), "relu6")
            for i, stage in enumerate(_EFFICIENTNET_LITE)
        ),
        head_channels=1280,
        padding="same",
        norm_epsilon=1e-3,
    )  # fmt: skip


def mobilenet_v2(width: float = 1.0) -> Layout:
    """MobileNetV2 (Sandler et al. 2018) as PyTorch's libraries have it: symmetric padding, epsilon 1e-5."""
    return Layout(
        resolution=224,
        classes=IMAGENET_CLASSES,
        stem_channels=make_divisible(32 * width),
        stem_stride=2,
        first_channels=make_divisible(16 * width),
        stages=tuple(
            _stage(stage._replace(channels=make_divisible(stage.channels * width)), "relu6")
            for stage in _MOBILENET_V2
        ),
        head_channels=1280,
    )


def mnasnet_b1() -> Layout:
    """MnasNet-B1 (Tan et al. 2019), without squeeze-excite, as PyTorch's libraries have it."""
    return _with_relu(_MNASNET_B1)


def single_path_nas() -> Layout:
    """The network that Single-Path NAS found (Stamoulis et al. 2019), as timm has it."""
    return _with_relu(_SINGLE_PATH_NAS)


def fbnet_c() -> Layout:
    """FBNet-C (Wu et al. 2019), as timm has it: expansion 1 has its pointwise convolution, from the first block on."""
    return _with_relu(_FBNET_C, stem=16, first=0, head=1984)


def _with_relu(stages: tuple[_Stage, ...], stem: int = 32, first: int = 16, head: int = 1280) -> Layout:
    return Layout(
        resolution=224,
        classes=IMAGENET_CLASSES,
        stem_channels=stem,
        stem_stride=2,
        stem_activation="relu",
        first_channels=first,
        stages=tuple(_stage(stage, "relu") for stage in stages),
        head_channels=head,
        head_activation="relu",
    )


def _stage(stage: _Stage, activation: Activation) -> Stage:
    return Stage(
        channels=stage.channels,
        depth=stage.depth,
        stride=stage.stride,
        activation=activation,
        kernels=(stage.kernel,),
        expansions=(stage.expansion,),
        pointwise=stage.expansion == 1,
    )
