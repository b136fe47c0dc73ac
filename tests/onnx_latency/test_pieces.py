"""Kernels as pieces that are costed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.pieces import Piece, piece_from_text, pieces_of

CONV = Kernel(
    kind="dense",
    nodes=("conv",),
    operators=("com.microsoft.nchwc.Conv", "Relu"),
    macs=16 * 100 * 72,
    elements_read=800,
    elements_written=1600,
    input_shapes=((1, 8, 10, 10),),
    weight_shapes=((16, 8, 3, 3), (16,)),
    output_shapes=((1, 16, 10, 10),),
    reuse=16,
    element="float",
)
LSTM = Kernel(
    kind="recurrent",
    nodes=("lstm",),
    operators=("LSTM",),
    macs=50 * 2 * (4 * 32 * 16 + 4 * 32 * 32),
    elements_read=50 * 2 * 16,
    elements_written=50 * 2 * 32,
    input_shapes=((50, 2, 16),),
    weight_shapes=((1, 128, 16), (1, 128, 32)),
    output_shapes=((50, 1, 2, 32),),
    steps=50,
)


def test_a_convolution_is_one_piece_whose_relu_is_free() -> None:
    weights = 16 * 72 + 16
    assert pieces_of(CONV) == {Piece("dense/nchwc.Conv", CONV.macs, 800, 1600, weights, 16): 1}


def test_a_costly_activation_is_a_pass_of_its_own() -> None:
    found = pieces_of(replace(CONV, operators=("com.microsoft.FusedConv", "Add", "Sigmoid"), times=3))
    assert {piece.family: count for piece, count in found.items()} == {
        "dense/Conv": 3,
        "elementwise/Sigmoid": 3,
    }


@pytest.mark.parametrize(
    ("changes", "family"),
    [
        ({"element": "uint8", "operators": ("com.microsoft.QLinearConv",)}, "dense/QLinearConv.uint8"),
        (
            {"element": "uint8.int8", "operators": ("com.microsoft.QLinearConv",)},
            "dense/QLinearConv.uint8.int8",
        ),
        (
            {"element": "float.int8", "operators": ("com.microsoft.DynamicQuantizeLSTM",)},
            "dense/DynamicQuantizeLSTM.int8",
        ),
        (
            {"kind": "copy", "macs": 0, "operators": ("Transpose",), "moves_one_axis": False},
            "copy/Transpose.mixed",
        ),
        ({"weight_shapes": ((16, 3, 3, 3),)}, "dense/nchwc.Conv.few"),
        ({"kind": "trees", "operators": ("ai.onnx.ml.SVMRegressor",)}, "trees/SVMRegressor"),
        ({"kind": "linear", "operators": ("com.microsoft.FusedGemm",)}, "linear/Gemm"),
    ],
)
def test_code_that_differs_has_another_family(changes: dict[str, object], family: str) -> None:
    found = pieces_of(replace(CONV, **changes))  # type: ignore[arg-type]
    assert [piece.family for piece in found] == [family]


def test_a_convolution_in_rows_reads_its_weights_for_each_image() -> None:
    whole = replace(CONV, operators=("Conv",), output_shapes=((4, 16, 5, 5),))
    ((piece, count),) = pieces_of(whole).items()
    assert (count, 4 * piece.macs, 4 * piece.written) == (4, CONV.macs, CONV.elements_written)
    assert piece.weights == CONV.weights


def test_a_product_that_quantises_first_is_two_pieces() -> None:
    made = replace(
        CONV, kind="linear", operators=("com.microsoft.DynamicQuantizeMatMul",), element="float.int8"
    )
    first, second = pieces_of(made)
    assert (first.family, first.read, first.macs) == ("elementwise/DynamicQuantizeLinear", 800, 1)
    assert (second.family, second.macs) == ("linear/MatMulIntegerToFloat.uint8.int8", CONV.macs)


def test_a_view_moves_nothing() -> None:
    view = replace(CONV, kind="copy", operators=("Reshape",), macs=0, weight_shapes=())
    assert pieces_of(view) == {Piece("copy/Reshape", 0, 0, 0, 0, 16): 1}


def test_a_recurrent_layer_is_one_product_and_a_step_for_each_state() -> None:
    first, step = pieces_of(LSTM)
    assert (first.family, step.family) == ("recurrent/LSTM", "recurrent/LSTM.step")
    assert list(pieces_of(LSTM).values()) == [1, 50]
    assert first.macs + 50 * step.macs == LSTM.macs
    assert (step.weights, step.written) == (128 * 32, 2 * 32)


def test_a_recurrent_layer_whose_weights_are_computed_is_one_piece() -> None:
    (piece,) = pieces_of(replace(LSTM, weight_shapes=()))
    assert (piece.family, piece.macs) == ("recurrent/LSTM", LSTM.macs)


@given(st.lists(st.integers(0, 10**12), min_size=4, max_size=4), st.integers(1, 10**9))
def test_a_piece_is_read_as_it_is_written(counts: list[int], reuse: int) -> None:
    piece = Piece("dense/nchwc.Conv", *counts, reuse)
    assert piece_from_text(piece.text) == piece
