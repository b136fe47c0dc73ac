"""Predicting one architecture, or an ONNX file, from Python."""

import json
from pathlib import Path
from typing import Any

import onnx
import pytest

from edgenas import SearchSpace, export, mbconv, predict, profile
from edgenas.board import host
from edgenas.errors import DeviceError, FileFormatError, IncompleteTableError, InputError
from edgenas.fragments import drawing
from edgenas.onnx_latency.costing import KernelLatency
from edgenas.space import nasbench_macro
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights, with_fixed_batch


def _write(folder: Path, space: SearchSpace, choice: int = 0) -> Path:
    path = folder / "architecture.json"
    path.write_text(json.dumps(space.document(space.decode([choice] * len(space.variables)))))
    return path


def test_an_architecture_file_is_predicted_block_by_block(tmp_path: Path) -> None:
    space = mbconv(224, 1000)
    architecture = space.decode([0] * len(space.variables))
    result = predict(_write(tmp_path, space), "jetson")
    assert result.device == "jetson-orin-nano"
    assert result.architecture == architecture.id
    assert [layer.block for layer in result.layers] == [block.key for block in space.blocks(architecture)]
    assert not any(layer.interpolated for layer in result.layers)
    assert result.latency_ms.provenance == "calibrated"
    assert result.macs == space.macs(architecture)
    assert result.params == space.parameters(architecture)
    total = result.constant_ms + sum(layer.latency_ms for layer in result.layers)
    assert total == pytest.approx(result.latency_ms.predicted)


def test_the_operating_point_matters(tmp_path: Path) -> None:
    path = _write(tmp_path, mbconv(224, 1000))
    points: list[dict[str, Any]] = [{}, {"precision": "int8"}, {"threads": 4}]
    one, int8, threads = (predict(path, "cpu", **point).latency_ms.predicted for point in points)
    batches = predict(path, "cpu", batch=4).latency_ms.predicted
    assert int8 < one
    assert threads < one < batches < 4 * one


def test_a_table_is_used_for_its_own_point_and_completed_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick_timing: None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    profile("cpu", resolution=16, classes=2, networks=3, precision="int8")
    path = _write(tmp_path, mbconv(16, 2))
    assert predict(path, "cpu", precision="int8").latency_ms.provenance == "measured"
    for point in (
        {"precision": "fp32"},
        {"precision": "int8", "batch": 2},
        {"precision": "int8", "threads": 2},
    ):
        assert predict(path, "cpu", **point).latency_ms.provenance == "estimated"  # type: ignore[arg-type]
    other = _write(tmp_path, mbconv(16, 5))
    with pytest.raises(
        IncompleteTableError,
        match=r"table of cpu \(onnxruntime-cpu-int8-t1-b1\) lacks 1 block, such as head/.* add them: "
        r"edgenas profile .*--classes 5 .*--precision int8 --batch 1; or use --missing interpolate$",
    ):
        predict(other, "cpu", precision="int8")
    result = predict(other, "cpu", precision="int8", missing="interpolate")
    assert result.latency_ms.provenance == "calibrated"
    assert [layer.interpolated for layer in result.layers] == [False] * (len(result.layers) - 1) + [True]
    assert 0 <= result.latency_ms.low < result.latency_ms.predicted < result.latency_ms.high


def test_the_card_of_a_model_is_predicted_as_its_run_did(in_finished_run: Path) -> None:
    front = json.loads(Path("runs/done/front.json").read_text())["front"]
    card = Path(front[0]["onnx"]).with_suffix(".json")
    assert predict(card, "pi5").latency_ms.predicted == pytest.approx(front[0]["latency_ms"]["predicted"])


# ONNX files.


def _write_onnx(folder: Path, space: SearchSpace, choice: int = 0) -> Path:
    blocks = space.blocks(space.decode([choice] * len(space.variables)))
    path = folder / "model.onnx"
    path.write_bytes(onnx_from_blocks(blocks, random_weights(0)).SerializeToString())
    return path


@pytest.mark.parametrize("device", ["jetson", "pi5", "pi4"])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(
    "space",
    [mbconv(32, 10), mbconv(64, 10, squeeze_excite=True, activation="hswish"), nasbench_macro()],
    ids=lambda space: space.signature,
)
def test_an_onnx_file_costs_what_its_architecture_does(
    tmp_path: Path, space: SearchSpace, device: str, batch: int
) -> None:
    for choice in (0, 1):
        expected = predict(_write(tmp_path, space, choice), device, batch=batch)
        found = predict(_write_onnx(tmp_path, space, choice), device, batch=batch)
        assert found.macs == expected.macs
        assert found.latency_ms.predicted == pytest.approx(expected.latency_ms.predicted, rel=0.02)
        assert found.latency_ms.provenance == ("calibrated" if batch == 1 else "estimated")
        # Of batch norm's scale and shift a bias is left.
        assert 0.9 * expected.params < found.params < expected.params


def test_an_onnx_file_is_predicted_kernel_by_kernel(tmp_path: Path) -> None:
    path = _write_onnx(tmp_path, mbconv(32, 10))
    found = predict(str(path), "jetson")
    assert (found.device, found.architecture) == ("jetson-orin-nano", "model.onnx")
    assert sum(layer.latency_ms for layer in found.layers) == pytest.approx(found.latency_ms.predicted)
    assert found.constant_ms == 0
    assert found.latency_ms.low < found.latency_ms.predicted < found.latency_ms.high
    assert found.unknown_operators == ()
    assert all(isinstance(layer, KernelLatency) for layer in found.layers)
    int8 = predict(path, "jetson", precision="int8")
    assert int8.latency_ms.predicted < found.latency_ms.predicted


def test_operators_nobody_knows_are_named_and_widen_the_interval(tmp_path: Path) -> None:
    path = _write_onnx(tmp_path, mbconv(32, 10))
    known = predict(path, "pi5").latency_ms
    proto = onnx.load(path)
    relu = next(node for node in proto.graph.node if node.op_type == "Clip")
    relu.op_type, relu.domain = "Odd", "made.up"
    path.write_bytes(proto.SerializeToString())
    found = predict(path, "pi5")
    assert found.unknown_operators == ("made.up.Odd",)
    assert found.latency_ms.predicted > known.predicted
    assert found.latency_ms.high / found.latency_ms.predicted > known.high / known.predicted
    assert found.latency_ms.low / found.latency_ms.predicted < known.low / known.predicted


def test_a_datasheet_that_is_not_this_machines_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _write_onnx(tmp_path, mbconv(16, 10))
    predict(path, "jetson")
    assert not caplog.messages
    predict(path, "cpu")
    assert caplog.messages == [
        "no kernels of ONNX files were timed on cpu, and its datasheet may not describe this machine: the "
        "prediction may be wrong by a large factor; time them with a full profile: "
        "edgenas profile --device cpu --threads 1 --precision fp32 --batch 1"
    ]
    caplog.clear()
    predict(path, "cpu", precision="int8")
    assert caplog.messages[0].endswith("wrong by a large factor; they can be timed at fp32 only")


def test_a_profile_is_what_onnx_files_are_predicted_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, quick_timing: None
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    monkeypatch.setattr(drawing, "COUNT", 24)
    monkeypatch.setattr(drawing, "FURTHER", 0)
    profile("cpu", resolution=16, classes=2, networks=3)
    caplog.clear()
    path = _write_onnx(tmp_path, mbconv(32, 10))
    found = predict(path, "cpu")
    assert not caplog.messages
    assert found.latency_ms.provenance == "calibrated"
    assert 0 < found.latency_ms.low < found.latency_ms.predicted < found.latency_ms.high
    added = sum(layer.latency_ms for layer in found.layers)
    assert found.constant_ms + added == pytest.approx(found.latency_ms.predicted)
    assert found.constant_ms > 0
    assert found.scaled_from is None
    assert predict(path, "cpu", batch=2).scaled_from == "batch 1"


def test_onnx_files_that_cannot_be_predicted(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model at all")
    with pytest.raises(FileFormatError, match=r"model\.onnx: is not ONNX, or truncated; export"):
        predict(path, "cpu")
    value = onnx.helper.make_tensor_value_info("x", 1, [1, 3])
    flat = onnx.helper.make_tensor_value_info("y", 1, [3])
    nodes = [onnx.helper.make_node("Flatten", ["x"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "views", [value], [flat])
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(InputError, match="only reshapes its input; give a model that computes something"):
        predict(path, "cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "fp8"}, "^unknown --precision 'fp8'; did you mean 'fp32'\\? known: fp16, fp32, int8$"),
        ({"batch": 0}, "^--batch 0 is too small; give at least 1$"),
        ({"threads": 0}, "^--threads 0 is too small; give at least 1$"),
    ],
    ids=str,
)
def test_bad_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        predict(_write(tmp_path, mbconv(32, 10)), "cpu", **options)


def test_a_wrong_choice_is_named_with_the_file(tmp_path: Path) -> None:
    space = mbconv(32, 10)
    document = space.document(space.decode([0] * len(space.variables)))
    document["choices"][2] = "k9e6"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with pytest.raises(FileFormatError, match=r"a\.json.*choices\.2: unknown choice 'k9e6'"):
        predict(path, "cpu")


def test_shapes_of_inputs_are_given_by_name(tmp_path: Path) -> None:
    path = _write_onnx(tmp_path, mbconv(32, 10))
    fixed = predict(path, "pi5", batch=2)
    proto = onnx.load(path)
    name = proto.graph.input[0].name
    for axis in proto.graph.input[0].type.tensor_type.shape.dim:
        axis.dim_param = "open"
    path.write_bytes(proto.SerializeToString())
    found = predict(path, "pi5", shape={name: (2, 3, 32, 32)})
    assert (found.macs, found.conditions) == (fixed.macs, fixed.conditions)
    assert found.latency_ms.predicted == pytest.approx(fixed.latency_ms.predicted)
    with pytest.raises(
        InputError, match=r"--shape is for the inputs of ONNX files, and .+ is none; leave it out"
    ):
        predict(_write(tmp_path, mbconv(32, 10)), "pi5", shape="x=1x3x32x32")
    with pytest.raises(
        InputError, match=r"--axis is for the inputs of ONNX files, and .+ is none; leave it out"
    ):
        predict(_write(tmp_path, mbconv(32, 10)), "pi5", axis={"height": 32})


def test_sizes_that_nobody_gives_are_assumed_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _write_onnx(tmp_path, mbconv(32, 10)).rename(tmp_path / "A MODEL.ONNX")
    proto = onnx.load(path)
    name = proto.graph.input[0].name
    for axis, text in zip(
        proto.graph.input[0].type.tensor_type.shape.dim, ("N", "", "side", "side"), strict=True
    ):
        if text:
            axis.dim_param = text
    path.write_bytes(proto.SerializeToString())
    found = predict(path, "pi5")
    (message,) = caplog.messages
    assert message.endswith(
        f"(N x 3 x side x side), assumed --shape {name}=1x3x224x224; give other sizes in the same way, or with "
        "--axis side=224"
    )
    assert predict(path, "pi5", shape={name: (1, 3, 224, 224)}).latency_ms == found.latency_ms
    smaller = predict(path, "pi5", axis={"side": 32, "N": 2})
    assert smaller.macs < found.macs and "batch 2" in smaller.conditions
    assert len([each for each in caplog.messages if "assumed" in each]) == 1


@pytest.mark.parametrize("sizes", [(16_000,), (100, 1, 64), (480, 640, 3)])
def test_a_first_axis_that_is_no_batch(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    value = onnx.helper.make_tensor_value_info("x", 1, sizes)
    written = onnx.helper.make_tensor_value_info("y", 1, None)
    graph = onnx.helper.make_graph([onnx.helper.make_node("Exp", ["x"], ["y"])], "g", [value], [written])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    assert "batch 1" in predict(tmp_path / "m.onnx", "pi5").conditions
    with pytest.raises(
        InputError, match="no axis of its inputs is a batch, so it cannot be 2; leave out --batch"
    ):
        predict(tmp_path / "m.onnx", "pi5", batch=2)


def test_a_file_of_a_fixed_batch_is_predicted_for_it(tmp_path: Path) -> None:
    model = onnx_from_blocks(mbconv(32, 3).blocks(mbconv(32, 3).smallest), random_weights(0))
    (tmp_path / "open.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "fixed.onnx").write_bytes(with_fixed_batch(model.SerializeToString(), 4))
    of_four = predict(tmp_path / "open.onnx", "pi5", batch=4)
    assert predict(tmp_path / "fixed.onnx", "pi5").latency_ms == of_four.latency_ms
    with pytest.raises(InputError, match=r"has a fixed batch of 4, not 2; use --batch 4"):
        predict(tmp_path / "fixed.onnx", "pi5", batch=2)


def test_a_file_and_its_card_are_predicted_at_their_own_precision(in_finished_run: Path) -> None:
    (int8, *_) = export("done", precision="int8").models
    for path in (int8.onnx, int8.onnx.with_suffix(".json")):
        assert ", int8, " in predict(path, "pi5").conditions
        assert ", fp32, " in predict(path, "pi5", precision="fp32").conditions
    (fp32, *_) = export("done").models
    assert ", fp16, " in predict(fp32.onnx, "jetson").conditions  # which converts it


def test_more_threads_than_this_machine_has_cores_are_refused_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "cores", lambda: 2)
    space = mbconv(16, 2)
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_from_blocks(space.blocks(space.smallest), random_weights(0)).SerializeToString())
    with pytest.raises(DeviceError, match=r"^3 threads are more than the 2 cores here; use fewer --threads$"):
        predict(str(path), "cpu", threads=3)
    assert predict(str(path), "raspberry-pi-5", threads=3).latency_ms.predicted > 0
