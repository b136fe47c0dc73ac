"""Work: what blocks make of their layers."""

import pytest

from edgenas.device_models.work import Kind, Work, block_work, conv_kind
from edgenas.space import mbconv
from edgenas.space.block import Head, MBConv, Projection, Stem, block_macs, block_parameters
from edgenas.space.layers import Activation, SqueezeExcite


@pytest.mark.parametrize(
    ("groups", "channels", "window", "kind"),
    [
        (1, 3, 9, "dense"),
        (1, 1, 9, "dense"),
        (1, 8, 1, "pointwise"),
        (8, 8, 9, "depthwise"),
        (8, 8, 1, "depthwise"),
        (2, 8, 9, "grouped"),
    ],
)
def test_kinds_of_convolution(groups: int, channels: int, window: int, kind: Kind) -> None:
    assert conv_kind(groups, channels, window) == kind


@pytest.mark.parametrize(
    ("block", "kinds"),
    [
        (Stem(3, 2, "relu6", 3, 32, 32, 32), ["dense"]),
        (
            MBConv(5, 6, 1, 4, "hswish", 24, 24, 28, 28),
            [
                "pointwise",
                "depthwise",
                *("global-pooling", "pointwise", "pointwise", "elementwise"),
                "pointwise",
                "elementwise",
            ],
        ),
        (Projection(2, 32, 64, 32, 32), ["pointwise"]),
        (Head("relu6", 320, 1280, 1000, 7, 7), ["pointwise", "global-pooling", "linear"]),
    ],
)
def test_kinds_of_a_blocks_layers(block: Stem, kinds: list[Kind]) -> None:
    assert [work.kind for work in block_work(block, 1)] == kinds


def test_features_grow_with_the_batch_and_weights_do_not() -> None:
    for block in mbconv(32, 10, squeeze_excite=True).distinct_blocks:
        one, four = block_work(block, 1), block_work(block, 4)
        for a, b in zip(one, four, strict=True):
            assert (b.macs, b.features) == (4 * a.macs, 4 * a.features)
            assert (b.kind, b.weights, b.launches, b.reuse) == (a.kind, a.weights, a.launches, a.reuse)
        assert sum(work.macs for work in one) == block_macs(block)
        assert sum(work.weights for work in one) == block_parameters(block)


def test_reuse_is_the_output_channels_of_a_group() -> None:
    expand, depthwise, project = block_work(MBConv(3, 6, 2, 0, "relu6", 16, 24, 28, 28), 1)
    assert (expand.reuse, depthwise.reuse, project.reuse) == (96, 1, 24)
    assert Work("copy", 0, 10).launches == 1


def test_squeeze_excite_is_four_kernels_and_moves_what_its_layer_does() -> None:
    block = MBConv(3, 6, 1, 4, "relu6", 8, 8, 14, 14)
    (layer,) = (layer for layer in block.layers if isinstance(layer, SqueezeExcite))
    works = block_work(block, 1)[2:6]
    assert [work.launches for work in works] == [1] * layer.kernels
    assert sum(work.macs for work in works) == layer.macs
    assert sum(work.weights for work in works) == layer.parameters
    vectors = 4 * layer.channels + 2 * layer.squeezed  # read and written between the four
    assert sum(work.features for work in works) == layer.elements_moved - layer.parameters + vectors


def test_activations_dearer_than_a_rectifier_are_counted() -> None:
    def functions(activation: Activation) -> list[int]:
        return [work.functions for work in block_work(MBConv(3, 6, 1, 0, activation, 8, 8, 14, 14), 2)]

    assert functions("relu6") == [0, 0, 0, 0]
    assert functions("hswish") == [2 * 48 * 14 * 14, 2 * 48 * 14 * 14, 0, 0]


def test_a_skip_connection_runs_inside_another_kernel() -> None:
    assert [work.launches for work in block_work(MBConv(3, 6, 1, 0, "relu6", 8, 8, 14, 14), 1)] == [
        1,
        1,
        1,
        0,
    ]
