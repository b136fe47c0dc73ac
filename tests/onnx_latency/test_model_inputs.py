"""Which inputs a call has, and of which shapes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, ValueInfoProto, helper

from edgenas.errors import InputError, UnknownNameError
from edgenas.onnx_latency.model_inputs import (
    Axes,
    Shapes,
    assumed,
    batch_of_inputs,
    check_named,
    decided_inputs,
    feeds_of,
)

PATH = Path("a folder/model.onnx")


def _value(
    name: str, shape: Sequence[int | str | None] | None, kind: int = TensorProto.FLOAT
) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


SIZES = st.lists(st.one_of(st.integers(1, 9), st.sampled_from(["N", "T", "batch", "?", None])), max_size=5)
KINDS = st.sampled_from([TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL])


@given(
    st.lists(st.one_of(st.integers(1, 9), st.none()), min_size=1, max_size=3),
    st.integers(1, 8),
    st.data(),
)
def test_open_axes_are_as_given_and_fixed_ones_as_in_the_file(
    sizes: list[int | None], batch: int, data: st.DataObject
) -> None:
    shape = tuple(size or data.draw(st.integers(1, 9)) for size in sizes)
    (found,) = decided_inputs(PATH, [_value("x", sizes)], None, {"x": shape})
    assert (found.name, found.shape) == ("x", shape)
    assert found.open_axes == tuple(i for i, size in enumerate(sizes) if size is None)
    assert not found.assumed_axes
    (alone,) = decided_inputs(PATH, [_value("x", ["N", *shape[1:]])], batch, {})
    assert alone.shape == (batch, *shape[1:])
    assert not alone.assumed_axes


@given(st.lists(st.tuples(SIZES, KINDS), min_size=1, max_size=4), st.integers(1, 4), st.data())
def test_every_size_is_decided_and_equal_names_have_equal_sizes(
    inputs: list[tuple[list[int | str | None], int]], batch: int, data: st.DataObject
) -> None:
    values = [_value(str(i), sizes, kind) for i, (sizes, kind) in enumerate(inputs)]
    axes: Axes = data.draw(st.dictionaries(st.just("T"), st.integers(1, 20)))
    try:
        found = decided_inputs(PATH, values, batch, {}, axes)
    except InputError as error:  # four axes, of another fixed batch; or pictures of pictures
        assert any(text in str(error) for text in ("has a fixed batch of", "is too large", "is a batch of"))
        return
    by_name: dict[str, set[int]] = {}
    for (sizes, _), each in zip(inputs, found, strict=True):
        assert len(each.shape) == len(sizes) and min(each.shape, default=1) >= 1
        for size, axis in zip(each.shape, sizes, strict=True):
            if isinstance(axis, int):
                assert size == axis
            elif axis not in (None, "?"):
                by_name.setdefault(axis, set()).add(size)
    assert all(len(each) == 1 for each in by_name.values())
    assert by_name.get("T") in (None, {axes.get("T")}) or "T" not in axes
    assert by_name.get("batch") in (None, {batch})


def test_a_fixed_first_axis_is_what_it_is() -> None:
    for sizes in ([480, 640, 3], [16_000], [100, 1, 64]):
        (found,) = decided_inputs(PATH, [_value("x", sizes)], 2, {})
        assert (found.shape, found.open_axes) == (tuple(sizes), ())


@pytest.mark.parametrize(
    ("sizes", "batch"),
    [
        ([4, 3, 8, 8], 4),
        (["N", 3, 8, 8], None),
        ([16_000], 1),
        ([100, 1, 64], 1),
        ([480, 640, 3], 1),
        (["height", "width", 3], 1),
        (["tokens", 64], 1),
        (["frames", "batch", 64], None),
        ([2, "N", 64], None),
        ([], 1),
        (None, None),
    ],
)
def test_which_axis_is_the_batch(sizes: Sequence[int | str | None] | None, batch: int | None) -> None:
    assert batch_of_inputs([_value("x", sizes)], {}, {}) == batch


def test_the_batch_follows_from_what_is_given() -> None:
    values = [_value("rate", [], TensorProto.INT64), _value("x", ["N", "T"])]
    assert batch_of_inputs(values, {"x": (3, 5)}, {}) == batch_of_inputs(values, {}, {"N": 3}) == 3
    found = decided_inputs(PATH, values, None, {}, {"N": 3, "T": 5})
    assert [each.shape for each in found] == [(), (3, 5)]


def test_a_sum_of_names_is_the_sum_of_their_sizes() -> None:
    values = [
        _value("mask", ["batch", "past + seq"], TensorProto.INT64),
        _value("ids", ["batch", "seq"], TensorProto.INT64),
        _value("past.0.key", ["batch", 4, "past", 16]),
        _value("place", ["seq+1"], TensorProto.INT64),
    ]
    axes = {"past": 30, "seq": 2}
    shapes = [each.shape for each in decided_inputs(PATH, values, 1, {}, axes)]
    assert shapes == [(1, 32), (1, 2), (1, 4, 30, 16), (3,)]
    assert decided_inputs(PATH, values, 1, {"mask": (1, 5)}, axes)[0].shape == (1, 5)


def test_names_have_the_size_of_a_given_shape() -> None:
    values = [_value("x", ["N", "T"]), _value("mask", ["N", "T"]), _value("y", ["N", "T"])]
    found = decided_inputs(PATH, values, 2, {"mask": (2, 9)})
    assert [each.shape for each in found] == [(2, 9)] * 3
    assert assumed(found, values) is None
    assert decided_inputs(PATH, values, 2, {"mask": (2, 9), "y": (2, 8)})[2].shape == (2, 8)  # as is said


def test_audio_has_a_sample_rate() -> None:
    values = [_value("x", [1, 4]), _value("sr", [], TensorProto.INT64), _value("n", [2], TensorProto.INT64)]
    feeds = feeds_of(decided_inputs(PATH, values, 1, {}))
    assert (feeds["x"].shape, feeds["sr"].item(), feeds["n"].tolist()) == ((1, 4), 16_000, [1, 1])


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
        (
            ("N", "H", "W", 3),
            "input 'x' has open axes besides the batch (N x H x W x 3), assumed --shape x=1x224x224x3; "
            "give other sizes in the same way, or with --axis H=224",
        ),
        (
            (2, 3, None, 96),
            "input 'x' has open axes besides the batch (2 x 3 x ? x 96), assumed --shape x=2x3x224x96; "
            "give other sizes in the same way",
        ),
        (None, "input 'x' has no shape, assumed --shape x=1x3x224x224; give other sizes in the same way"),
    ],
)
def test_what_is_assumed_is_told_with_the_option_to_give(
    sizes: Sequence[int | str | None] | None, message: str
) -> None:
    values = [_value("x", sizes)]
    found = assumed(decided_inputs(PATH, values, None, {}), values)
    assert found is not None and "; ".join(found) == message


@pytest.mark.parametrize(
    ("axes", "shown"),
    [
        (["a" * 30, 3], f"N x {'a' * 21}... x 3, not 1x2;"),
        ([f"axis {i}" for i in range(32)], "..., not 1x2;"),
    ],
)
def test_long_names_and_shapes_are_cut_in_messages(axes: list[str | int], shown: str) -> None:
    with pytest.raises(InputError) as caught:
        decided_inputs(PATH, [_value("x", ["N", *axes])], 1, {"x": (1, 2)})
    assert shown in str(caught.value) and len(str(caught.value)) < 300


def test_several_options_are_shown_as_a_shell_takes_them() -> None:
    values = [_value(f"an input:{number}", ["N", "a T"], TensorProto.INT64) for number in range(6)]
    found = assumed(decided_inputs(PATH, values, 1, {}), values)
    assert found is not None
    assert found[0].count("--shape") == 4
    assert found[0].endswith("--shape 'an input:3=1x128', and 2 more")
    assert found[1].endswith("--axis 'a T=128'")


FIXED = [_value("x", ["N", 3, 8, 8])]


@pytest.mark.parametrize(
    ("values", "batch", "shapes", "message"),
    [
        (FIXED, 1, {"x": (1, 4, 8, 8)}, r"input 'x' has the shape N x 3 x 8 x 8, not 1x4x8x8; change only the axes"),
        (FIXED, 1, {"x": (1, 3, 8)}, r"input 'x' has the shape N x 3 x 8 x 8, not 1x3x8;"),
        (
            [_value("n", [], TensorProto.INT64)], 1, {"n": (50,)},
            r"input 'n' is a single number, which has no shape; leave it out of --shape; values of inputs cannot",
        ),
        ([_value("x", [4, 3, 8, 8])], 1, {}, r"has a fixed batch of 4, not 1; use --batch 4, or export"),
        ([_value("x", ["N", "T"])], 4, {"x": (2, 9)}, r"--shape x=2x9 is a batch of 2, not 4; use --batch 2, or leave"),
        ([_value("x", ["N", "T"])], 1, {"x": (1, 2**28 + 1)}, r"'x' of 1x268435457 is too large; .+ 1024 MiB are"),
        ([_value("x", [1] * 33)], 1, {}, r"is too large; at most 32 axes"),
        ([_value("x", None)], 2, {"x": (2,) * 40}, r"is too large; at most 32 axes"),
        ([_value("x", ["N", 2**26], TensorProto.STRING)], 1, {}, r"'x' of 1x67108864 is too large; .+ 1024 MiB are"),
        ([ValueInfoProto(name="x")], 1, {}, r"input 'x' is no tensor; export the model with inputs of numbers or"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(
    values: Sequence[ValueInfoProto], batch: int, shapes: Shapes, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        decided_inputs(PATH, values, batch, shapes)
    assert str(caught.value).startswith("a folder/model.onnx: ")


def test_an_axis_and_a_shape_may_not_contradict_each_other() -> None:
    values = [_value("x", ["N", "T"])]
    with pytest.raises(InputError, match=r"--axis T=8 contradicts --shape x=1x9; give only one of them$"):
        decided_inputs(PATH, values, 1, {"x": (1, 9)}, {"T": 8})
    with pytest.raises(
        InputError, match=r"--axis N=8 is a batch of 8, not 2; use --batch 8, or leave it out$"
    ):
        decided_inputs(PATH, values, 2, {}, {"N": 8})


def test_what_is_given_must_be_of_some_input() -> None:
    inputs = {
        Path("a.onnx"): [_value("image", ["N", "height", 4])],
        Path("b.onnx"): [_value("pixels", ["N", "?"])],
    }
    check_named(inputs, {"image": (1,), "pixels": (1,)}, {"height": 3, "N": 2})
    with pytest.raises(
        UnknownNameError,
        match=r"unknown input of a.onnx and b.onnx: 'imagr'; did you mean 'image'\? known: image, pixels",
    ):
        check_named(inputs, {"imagr": (1,)}, {})
    with pytest.raises(
        UnknownNameError,
        match=r"unknown axis of a.onnx and b.onnx: 'heigth'; did you mean 'height'\? known: N, height",
    ):
        check_named(inputs, {}, {"heigth": 3})
    with pytest.raises(
        UnknownNameError, match=r"unknown axis of a.onnx: 'N'; no open axis has a name: use --shape$"
    ):
        check_named({Path("a.onnx"): [_value("x", [None, 3])]}, {}, {"N": 1})
    with pytest.raises(
        UnknownNameError, match=r"unknown axis of a.onnx: 'N'; all sizes are fixed: leave it out$"
    ):
        check_named({Path("a.onnx"): [_value("x", [1, 3])]}, {}, {"N": 1})
