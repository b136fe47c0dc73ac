"""The door for ONNX files: what is refused, in one line each."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.onnx_latency import onnx_content
from edgenas.onnx_latency.onnx_reading import (
    Model,
    batch_of,
    label,
    live_nodes,
    operator,
    read_model,
    read_model_to_run,
    read_whole_model,
    shapes_of_call,
)
from edgenas.onnx_latency.shape_inference import shaped

from .conftest import Save, model, node

RELU = [node("Relu", "x", "y")]


@pytest.mark.parametrize("batch", [1, 4])
def test_an_open_batch_is_the_given_one(save: Save, batch: int) -> None:
    for first in ("batch", None, 0, batch):
        read = read_model(save(RELU, (first, 3, 8, 8)), batch)
        assert (read.input, read.shape) == ("x", (batch, 3, 8, 8))


def _two_inputs(save: Save, first: Sequence[int | str | None], second: Sequence[int | str | None]) -> Path:
    path = save([node("MatMul", "x more", "y"), node("Exp", "idle", "unused")], first)
    made = onnx.load(path)
    made.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, second))
    made.graph.input.append(helper.make_tensor_value_info("idle", TensorProto.INT64, [None, 7]))
    onnx.save(made, path)
    return path


def test_several_inputs(save: Save) -> None:
    path = _two_inputs(save, ["batch", 8, 6], ["batch", 6, 4])
    read = read_model(path, 2)
    assert {each.name: each.shape for each in read.inputs} == {"x": (2, 8, 6), "more": (2, 6, 4)}
    whole = read_whole_model(path, 2)  # a runtime wants all of them
    assert [(each.name, each.shape, each.dtype) for each in whole.inputs][2:] == [("idle", (2, 7), "int64")]
    assert shaped(read).shapes["y"] == (2, 8, 4)


def test_the_batch_is_as_asked_or_as_given_or_as_in_the_file(save: Save) -> None:
    path = _two_inputs(save, ["batch", "rows", 6], [1, 6, "columns"])
    given = {"x": (3, 5, 6), "more": (1, 6, 9)}
    assert batch_of([path], None, given) == batch_of([path], None, {}, {"batch": 3}) == 3
    assert shaped(read_model(path, 3, given)).shapes["y"] == (3, 5, 9)
    assert batch_of([path], None, {}) is None
    assert batch_of([path], 5, {}) == 5
    for sizes, batch in (((4, 3, 8, 8), 4), ((100, 1, 64), 1), ((16_000,), 1)):
        assert batch_of([save(RELU, sizes)], None, {}) == batch
    with pytest.raises(UnknownNameError, match=r"unknown input of .+ 'y'; .*known: x"):
        batch_of([save(RELU)], None, {"y": (1, 5, 6)})


def test_a_batch_that_no_input_has_is_refused(save: Save) -> None:
    path = save(RELU, (100, 1, 64))
    assert [batch_of([path], batch, {}) for batch in (1, 100)] == [1, 100]
    with pytest.raises(
        InputError, match=r"no axis of its inputs is a batch, so it cannot be 2; leave out --batch$"
    ):
        batch_of([path], 2, {})


def test_what_is_assumed_is_told_once(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    path = _two_inputs(save, ["batch", "rows", 6], ["batch", 6, "columns"])
    found = shapes_of_call(path, 2, {}, {"columns": 7})
    assert found == {"x": (2, 128, 6), "more": (2, 6, 7), "idle": (2, 7)}
    (message,) = caplog.messages
    assert message == (
        f"{path}: input 'x' has open axes besides the batch (batch x rows x 6), assumed --shape x=2x128x6; "
        "give other sizes in the same way, or with --axis rows=128"
    )
    caplog.clear()
    assert shapes_of_call(path, 2, found) == found
    assert read_model(path, 2, found).shape == (2, 128, 6)
    assert not caplog.messages


def test_metadata_tell_the_size_of_pictures(save: Save) -> None:
    path = save(RELU, ("batch", 3, "height", "width"))
    made = onnx.load(path)
    made.metadata_props.add(key="imgsz", value="[320, 416]")
    onnx.save(made, path)
    assert shapes_of_call(path, 1, {}) == {"x": (1, 3, 320, 416)}
    assert read_model(path, 1).shape == (1, 3, 320, 416)


def test_control_flow_is_read_with_what_it_takes_from_around_it(save: Save) -> None:
    branch = model([node("Relu", "inner", "z")], output="z").graph
    del branch.input[:]
    branches = {"then_branch": branch, "else_branch": branch}
    nodes = [node("Exp", "x", "inner"), node("Exp", "x", "idle"), node("If", "c", "y", **branches)]
    read = read_model(save(nodes, weights={"c": True}), 1)
    assert [n.op_type for n in read.nodes] == ["Exp", "If"]
    assert [each.name for each in read.inputs] == ["x"]
    with pytest.raises(
        InputError, match=r"y is control flow, so its cost depends on the data; export the model"
    ):
        shaped(read)


def test_a_model_of_other_domains_alone_needs_no_opset_of_onnx(tmp_path: Path) -> None:
    made = model([helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml")])
    del made.opset_import[:]
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    assert read_model(tmp_path / "m.onnx", 2).shape == (2, 8, 6, 6)


@pytest.mark.parametrize("read", [read_whole_model, read_model_to_run])
def test_a_size_of_nothing_is_open_for_a_runtime_too(save: Save, read: Callable[..., Model]) -> None:
    found = read(save(RELU, (0, 3, -1, 0)), 2)
    assert found.shape == (2, 3, 224, 224)
    dims = found.proto.graph.input[0].type.tensor_type.shape.dim
    assert [dim.HasField("dim_value") for dim in dims] == [False, True, False, False]


def test_weights_that_are_missing_are_filled_to_see_what_runs(tmp_path: Path, save: Save) -> None:
    path = save([node("Mul", "x w", "y")], weights={"w": np.ones(5000, np.float32)})
    made = onnx.load(path)
    onnx.save(made, path, save_as_external_data=True, location="weights", size_threshold=0)
    (tmp_path / "weights").unlink()
    with pytest.raises(FileFormatError, match=r"weights: cannot be read \(weights: No such file"):
        read_whole_model(path, 1)
    (weight,) = read_model_to_run(path, 1).proto.graph.initializer
    assert (numpy_helper.to_array(weight) == np.full(5000, 2**-7, np.float32)).all()


def test_a_number_alone_is_an_input_too(save: Save) -> None:
    read = read_model(save(RELU, ()), 1)
    assert (read.shape, read.is_open) == ((), False)
    assert shaped(read).shapes["y"] == ()


def test_only_nodes_that_reach_an_output_are_read(save: Save) -> None:
    nodes = [node("Loop", "", "a", body=model(RELU).graph), node("Relu", "x", "y"), node("Exp", "y", "z")]
    assert [n.op_type for n in read_model(save(nodes), 1).nodes] == ["Relu"]
    assert [n.op_type for n in live_nodes(nodes, {"z"})] == ["Relu", "Exp"]


def test_functions_of_the_file_are_inlined(tmp_path: Path) -> None:
    made = model([helper.make_node("Twice", ["x"], ["y"], domain="made.up")])
    body = [helper.make_node("Add", ["a", "a"], ["b"])]
    opsets = [helper.make_opsetid("", 17)]
    made.functions.append(helper.make_function("made.up", "Twice", ["a"], ["b"], body, opsets))
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    assert [n.op_type for n in read_model(path, 1).nodes] == ["Add"]


def test_names_for_people() -> None:
    assert label(node("Relu", "x", "y")) == "y"
    assert label(helper.make_node("Relu", ["x"], ["z"])) == "Relu:z"
    assert operator(helper.make_node("Grid", ["x"], ["z"], domain="com.microsoft")) == "com.microsoft.Grid"
    assert operator(helper.make_node("Relu", ["x"], ["z"], domain="ai.onnx")) == "Relu"


def _refused(path: Path, content: bytes | onnx.ModelProto, message: str) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
    with pytest.raises(InputError, match=message) as caught:
        shaped(read_model(path, 1))
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert caught.value.hint


def _without_opset() -> onnx.ModelProto:
    made = model(RELU)
    del made.opset_import[:]
    return made


def _negative_weight() -> onnx.ModelProto:
    made = model([node("Mul", "x w", "y")], weights={"w": (1, 8, 1, 1)})
    made.graph.initializer[0].dims[1] = -8
    return made


BAD: dict[str, tuple[Callable[[], bytes | onnx.ModelProto], str]] = {
    "not ONNX": (lambda: b"a text, not a network\n" * 9, "is not ONNX, or truncated; export the model"),
    "empty file": (lambda: b"", "is empty; export"),
    "empty graph": (lambda: model([]), "nothing produces its output 'y'; check the file"),
    "name": (
        lambda: model(RELU).SerializeToString().replace(b"Relu", b"\xca\xfeLu"),
        "graph: has a name that is not UTF-8",
    ),
    "opset too new": (
        lambda: model(RELU, opset=999),
        r"opset 999 is newer than \d+, the newest that onnx .* update onnx",
    ),
    "no opset": (_without_opset, "opset_import: names no ONNX opset"),
    "batch": (
        lambda: model(RELU, (8, 3, 4, 4)),
        "input 'x' has a fixed batch of 8, not 1; use --batch 8, or export with a dynamic batch axis$",
    ),
    "no input": (lambda: model([node("Relu", "w", "y")], weights={"w": (3,)}), "outputs depend on no input"),
    "constant": (
        lambda: model([node("Shape", "x", "y")], (1, 3)),
        "outputs depend on no input; export the model with its input$",
    ),
    "control flow": (
        lambda: model([node("If", "x", "y", then_branch=model(RELU).graph, else_branch=model(RELU).graph)]),
        "y is control flow, so its cost depends on the data; export the model without If, Loop, Scan$",
    ),
    "order": (
        lambda: model([node("Relu", "later", "y"), node("Relu", "x", "later"), node("Add", "x y", "z")], output="z"),
        "y reads 'later', which no earlier node produces; check the file with onnx.checker",
    ),
    "weight": (_negative_weight, r"weight 'w': has the sizes \[1, -8, 1, 1\]"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_one_line(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    _refused(tmp_path / "model.onnx", make(), message)


def test_missing_and_large_files(tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileFormatError, match=r"none.onnx: cannot be read \(No such file.*check the path"):
        read_model(tmp_path / "none.onnx", 1)
    with pytest.raises(FileFormatError, match=r"cannot be read \(it is a folder\); give an ONNX file"):
        read_model(tmp_path, 1)
    with pytest.raises(FileFormatError, match=r"is no path; check the path"):
        read_model(Path("a\0b.onnx"), 1)
    path = save(RELU)
    monkeypatch.setattr(onnx_content, "MAX_MODEL_BYTES", 10)
    with pytest.raises(
        FileFormatError,
        match="is larger than 0 KiB; give an ONNX file; weights of a large model belong beside it",
    ):
        read_model(path, 1)


MODEL = model([node("Conv", "x w", "a", pads=[1] * 4), node("Relu", "a", "y")], weights={"w": (4, 8, 3, 3)})
del MODEL.opset_import[1:]  # cut off before one that nothing needs, the model would still be whole
CONTENT = MODEL.SerializeToString()


@given(st.integers(0, len(CONTENT) - 1))
def test_a_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "model.onnx"
    path.write_bytes(CONTENT[:length])
    with pytest.raises(InputError):
        shaped(read_model(path, 1))


@given(st.data())
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(CONTENT)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("cut") / "model.onnx"
    path.write_bytes(bytes(content))
    try:
        shaped(read_model(path, 1))
    except InputError as error:
        assert "\n" not in str(error)
