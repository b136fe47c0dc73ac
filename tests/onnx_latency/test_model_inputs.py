"""Which inputs a call has, and of which shapes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, ValueInfoProto, helper

from edgenas.errors import InputError, UnknownNameError
from edgenas.onnx_latency.model_inputs import Shapes, UndecidedShapeError, check_named, decided_inputs

PATH = Path("a folder/model.onnx")


def _value(
    name: str, shape: Sequence[int | str | None] | None, kind: int = TensorProto.FLOAT
) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


@given(
    st.lists(st.one_of(st.integers(1, 9), st.none()), min_size=1, max_size=6),
    st.integers(1, 8),
    st.data(),
)
def test_open_axes_are_as_given_and_fixed_ones_as_in_the_file(
    sizes: list[int | None], batch: int, data: st.DataObject
) -> None:
    shape = tuple(size or data.draw(st.integers(1, 9)) for size in sizes)
    (found,) = decided_inputs(PATH, [_value("x", sizes)], shape[0], {"x": shape})
    assert (found.name, found.shape) == ("x", shape)
    assert found.open_axes == tuple(i for i, size in enumerate(sizes) if size is None)
    (alone,) = decided_inputs(PATH, [_value("x", ["N", *shape[1:]])], batch, {})
    assert alone.shape == (batch, *shape[1:])


def test_a_single_picture_has_no_batch() -> None:
    (found,) = decided_inputs(PATH, [_value("x", [480, 640, 3])], 2, {})
    assert found.shape == (480, 640, 3)


def test_types_that_can_be_made() -> None:
    kinds = [
        TensorProto.UINT8,
        TensorProto.FLOAT16,
        TensorProto.BOOL,
        TensorProto.INT64,
        TensorProto.BFLOAT16,
    ]
    values = [_value(str(kind), [1], kind) for kind in kinds]
    found = [each.dtype for each in decided_inputs(PATH, values, 1, {})]
    assert found == ["uint8", "float16", "bool", "int64", ""]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (("N", "H", "W", 3), r"besides the batch \(N x H x W x 3\); say .+ --shape x=1x480x640x3$"),
        (("N", 3, "H", None), r"besides the batch \(N x 3 x H x \?\); say .+ --shape x=1x3x224x224$"),
        ((2, 3, "H", 96), r"besides the batch \(2 x 3 x H x 96\); say .+ --shape x=2x3x224x96$"),
        (("H", "W", 3), r"besides the batch \(H x W x 3\); say .+ --shape x=480x640x3$"),
        (("batch", "tokens"), r"besides the batch \(batch x tokens\); say .+ --shape x=1x128$"),
        (None, r"input 'x' has no shape; say how large, such as --shape x=1x3x224x224$"),
    ],
)
def test_the_option_to_give_is_shown(sizes: Sequence[int | str | None] | None, message: str) -> None:
    with pytest.raises(UndecidedShapeError, match=message):
        decided_inputs(PATH, [_value("x", sizes)], None, {})


def test_several_options_are_shown_as_a_shell_takes_them() -> None:
    values = [_value(f"an input:{number}", ["N", "T"]) for number in range(6)]
    with pytest.raises(UndecidedShapeError, match=r"--shape 'an input:3=1x128', and 2 more$") as caught:
        decided_inputs(PATH, values, 1, {})
    assert caught.value.hint.count("--shape") == 4


FIXED = [_value("x", ["N", 3, 8, 8])]


@pytest.mark.parametrize(
    ("values", "batch", "shapes", "message"),
    [
        (FIXED, 1, {"x": (1, 4, 8, 8)}, r"input 'x' has the shape N x 3 x 8 x 8, not 1x4x8x8; change only the axes"),
        (FIXED, 1, {"x": (1, 3, 8)}, r"input 'x' has the shape N x 3 x 8 x 8, not 1x3x8;"),
        ([_value("x", [4, 3])], 1, {}, r"has a fixed batch of 4, not 1; use --batch 4, or export"),
        ([_value("x", ["N", "T"])], 4, {"x": (2, 9)}, r"--shape x=2x9 is a batch of 2, not 4; use --batch 2, or leave"),
        ([_value("x", ["N", "T"])], 1, {"x": (1, 2**28 + 1)}, r"'x' of 1x268435457 is too large; .+ 1024 MiB are"),
        ([_value("x", [1] * 33)], 1, {}, r"is too large; at most 32 axes"),
        ([_value("x", None)], 2, {"x": (2,) * 40}, r"is too large; at most 32 axes"),
        ([_value("x", [1], TensorProto.STRING)], 1, {}, r"input 'x' takes texts; export the model with inputs of"),
        ([ValueInfoProto(name="x")], 1, {}, r"input 'x' is no tensor; export the model with inputs of numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    values: Sequence[ValueInfoProto], batch: int, shapes: Shapes, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        decided_inputs(PATH, values, batch, shapes)
    assert str(caught.value).startswith("a folder/model.onnx: ")


def test_a_shape_must_be_of_some_input() -> None:
    inputs = {Path("a.onnx"): ["image"], Path("b.onnx"): ["pixels"]}
    check_named(inputs, {"image": (1,), "pixels": (1,)})
    with pytest.raises(
        UnknownNameError,
        match=r"unknown input of a.onnx and b.onnx: 'imagr'; did you mean 'image'\? known: image, pixels",
    ):
        check_named(inputs, {"imagr": (1,)})
