"""What really runs for a kernel where channels lie in blocks of 16."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.onnx_latency.blocked_layout import Piece, piece_from_text, pieces_of
from edgenas.onnx_latency.kernels import Kernel

from .conftest import node

Kernels = Callable[..., list[Kernel]]
SHAPE = ("batch", 32, 6, 6)


def _families(kernels: list[Kernel], block: int = 16) -> list[list[str]]:
    return [[piece.family for piece in pieces] for pieces in pieces_of(kernels, block)]


def _conv(channels: int, out: int, groups: int = 1, **options: Any) -> dict[str, Any]:
    weights = {"w": (out, channels // groups, 1, 1)}
    return {"nodes": [node("Conv", "x w", "y", group=groups)], "weights": weights, **options}


def test_images_are_put_in_blocks_once_and_back_for_the_caller(kernels_of: Kernels) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("Conv", "x w", "b"),
        node("Conv", "a w", "c"),
        node("Add", "b c", "y"),
    ]
    kernels = kernels_of(nodes, SHAPE, {"w": (32, 32, 1, 1)})
    conv = "pointwise/Conv/blocked"
    assert _families(kernels) == [["copy/Reorder", conv], [conv], [conv, "copy/Reorder"]]
    assert _families(kernels, 1) == [["pointwise/Conv"]] * 3


def test_what_has_no_blocked_form_takes_plain_order(kernels_of: Kernels) -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("GlobalAveragePool", "a", "g"),
        node("Sigmoid", "g", "s"),
        node("Mul", "a s", "m"),
        node("Conv", "m w", "y"),
    ]
    families = _families(kernels_of(nodes, SHAPE, {"w": (32, 32, 1, 1)}))
    assert families == [
        ["copy/Reorder", "pointwise/Conv/blocked"],
        ["global-pooling/GlobalAveragePool/blocked"],
        ["elementwise/Sigmoid/blocked"],
        ["copy/Reorder", "copy/Reorder", "elementwise/Mul"],
        ["copy/Reorder", "pointwise/Conv/blocked", "copy/Reorder"],
    ]


@pytest.mark.parametrize(
    ("channels", "out", "groups", "family"),
    [
        (32, 32, 1, "pointwise/Conv/blocked"),
        (36, 58, 1, "pointwise/Conv/blocked"),
        (58, 32, 1, "pointwise/Conv"),
        (3, 32, 1, "pointwise/Conv/few"),
        (32, 32, 32, "depthwise/Conv/blocked"),
        (58, 58, 58, "depthwise/Conv"),
        (32, 32, 2, "grouped/Conv/blocked"),
        (32, 32, 4, "grouped/Conv"),
    ],
)
def test_which_convolutions_take_blocks(
    kernels_of: Kernels, channels: int, out: int, groups: int, family: str
) -> None:
    kernels = kernels_of(**_conv(channels, out, groups, shape=("batch", channels, 6, 6)))
    assert family in _families(kernels)[0]


def test_channels_are_filled_up_to_whole_blocks(kernels_of: Kernels) -> None:
    kernels = kernels_of(**_conv(24, 40, shape=("batch", 24, 6, 6)))
    reorder, conv, back = pieces_of(kernels, 16)[0]
    assert reorder == Piece("copy/Reorder", 0, 24 * 36, 24 * 36, 0)
    assert conv == Piece("pointwise/Conv/blocked", 32 * 48 * 36, 32 * 36, 48 * 36, 32 * 48, 48)
    assert back == Piece("copy/Reorder", 0, 40 * 36, 40 * 36, 0)
    assert pieces_of(kernels, 1)[0] == [Piece("pointwise/Conv", 24 * 40 * 36, 24 * 36, 40 * 36, 24 * 40, 40)]


def test_an_activation_is_a_pass_of_its_own_unless_it_is_a_rectifier(kernels_of: Kernels) -> None:
    weights = {"w": (32, 32, 1, 1)}
    for activation, expected in (("Relu", []), ("HardSwish", ["elementwise/HardSwish"])):
        nodes = [node("Conv", "x w", "a"), node(activation, "a", "y")]
        families = _families(kernels_of(nodes, SHAPE, weights))
        assert families == [["copy/Reorder", "pointwise/Conv/blocked", *expected, "copy/Reorder"]]


def test_pooling_counts_what_it_looks_at(kernels_of: Kernels) -> None:
    nodes = [node("MaxPool", "x", "y", kernel_shape=[3, 3])]
    assert pieces_of(kernels_of(nodes, SHAPE), 16)[0] == [
        Piece("pooling/MaxPool", 9 * 32 * 16, 32 * 36, 32 * 16, 0)
    ]


def test_a_piece_survives_its_text() -> None:
    piece = Piece("grouped/Conv/blocked", 1, 2, 3, 4, 5)
    assert piece.text == "grouped/Conv/blocked 1 2 3 4 5"
    assert piece_from_text(piece.text) == piece
    assert piece.kind == "grouped"
