"""Timing files over many runs, here and on a board."""

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fixtures.boards import BOARD, Answering, fail_in, quick_kit
from fixtures.loopback import HOST, Loopback, loopback
from onnx import TensorProto, helper, numpy_helper

import edgenas
from edgenas.board import bursts
from edgenas.cli.main import run
from edgenas.device import find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits.kit_archive import make_timing_kit
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.shared_weights import share_weights
from edgenas.precision.conversion import convert
from edgenas.precision.scheme import SCHEMES
from edgenas.progress import silent
from edgenas.space.nasbench_macro import MacroLayout, NASBenchMacroSpace
from edgenas.space.onnx_graph import INPUT, onnx_from_blocks, random_weights, with_fixed_batch
from edgenas.storage.search_result import Model

__all__ = ["loopback", "quick_kit"]

SPACE = NASBenchMacroSpace(MacroLayout(resolution=16, classes=2))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "PACE_S", 0.001)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return _save(tmp_path / "small.onnx", onnx_from_blocks(SPACE.blocks(SPACE.smallest), random_weights(0)))


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return _save(tmp_path / "large.onnx", onnx_from_blocks(SPACE.blocks(SPACE.largest), random_weights(0)))


def _save(path: Path, model: onnx.ModelProto) -> Path:
    onnx.save(model, path)
    return path


def test_the_distribution_of_a_file(small: Path) -> None:
    found = edgenas.bench(small, "cpu", runs=120)
    times = found.latency_ms
    assert 0 < times.min <= times.p50 <= times.p90 <= times.p95 <= times.p99
    assert found.runs == 120 and found.precision == "fp32" and found.against is None
    assert found.images_per_s == pytest.approx(1e3 / times.p50)
    assert None not in (found.paced_ms, found.load_ms, found.first_ms) and found.predicted_ms is None


def test_against_a_larger_one(small: Path, large: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", str(large), "--device", "cpu", "--against", str(small), "--runs", "100"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["comparison"]["low"] > 1  # many times the work
    assert found["against"]["latency_ms"]["p50"] < found["latency_ms"]["p50"]
    assert set(found["latency_ms"]) >= {"min", "p50", "p90", "p95", "p99"}
    assert run(asked) == 0
    shown = capsys.readouterr().out
    assert re.search(
        r"large.onnx takes [\d.]+ times as long as small.onnx \(95 %: [\d.]+ to [\d.]+\)$", shown, re.M
    )
    assert "milliseconds of 100 runs on cpu" in shown and "peak memory, MiB" in shown


def test_a_file_against_itself(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", str(small), "--device", "cpu", "--against", str(small), "--runs", "100"]) == 0
    assert capsys.readouterr().out.count(f"{small}:") >= 2  # paths, as the names are the same


def test_of_a_disturbed_timing_the_ratio_holds(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = edgenas.bench(small, device="cpu", against=small, runs=100).model_copy(update={"stable": False})
    alone = found.model_copy(update={"against": None, "comparison": None})
    doubt = r"^the machine was busy, or its clock changed \(.+\): do not rely on these milliseconds"
    ratio = rf", only on the ratio within rounds: {re.escape(str(small))} takes [\d.]+ times as long as "
    for result, told in ((found, doubt + ratio), (alone, f"{doubt}$")):
        monkeypatch.setattr("edgenas.api.bench.bench", lambda result=result, **_: result)
        assert run(["bench", str(small), "--device", "cpu"]) == 0
        assert len(re.findall(told, capsys.readouterr().out, re.M)) == 1


def test_a_file_runs_as_it_is(small: Path, tmp_path: Path) -> None:
    image = {INPUT: np.zeros((1, 3, 16, 16), np.float32)}
    int8 = tmp_path / "int8.onnx"
    int8.write_bytes(convert(small.read_bytes(), "int8", image, SCHEMES["arm64"]))
    found = edgenas.bench(int8, "cpu", runs=100)
    assert found.precision == "int8" and "int8" in found.conditions


def test_weights_in_another_file_come_along(large: Path, tmp_path: Path) -> None:
    model = onnx.load(large)
    (tmp_path / "apart").mkdir()
    path = tmp_path / "apart" / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert edgenas.bench(path, "cpu", runs=100).runs == 100
    (tmp_path / "apart" / "weights.bin").unlink()
    with pytest.raises(
        InputError, match=r"model.onnx: weights: cannot be read .+ copy all files of the model"
    ):
        edgenas.bench(path, "cpu", runs=100)


def test_weights_elsewhere_are_not_read(small: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(1 << 20))
    (tmp_path / "inside").mkdir()
    model = onnx.load(small)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret"
    path = tmp_path / "inside" / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"is not in the model's folder, but in '../secret'"):
        edgenas.bench(path, "cpu", runs=100)


def test_the_card_beside_a_file_tells_the_prediction(in_finished_run: None) -> None:
    path = Path(str(edgenas.load_run("done").front[0].onnx))
    with pytest.raises(
        DeviceError, match=r"raspberry-pi-5 cannot be reached from here .+; name its board: --ssh"
    ):
        edgenas.bench(path, "raspberry-pi-5")
    assert edgenas.bench(path, "cpu", runs=100).predicted_ms is None  # it is for another device
    card_path = path.with_suffix(".json")
    card = json.loads(card_path.read_text())
    card |= {"device": "cpu", "target": find_device("cpu").conditions}
    card_path.write_text(json.dumps(card))
    found = edgenas.bench(path, "cpu", runs=100)
    assert found.predicted_ms == Model.model_validate(card["model"]).latency_ms
    assert set(json.loads(found.model_dump_json())["predicted_ms"]) == {"predicted", "low", "high"}
    card_path.write_text(json.dumps(card | {"sha256": "0" * 64}))
    assert edgenas.bench(path, "cpu", runs=100).predicted_ms is None  # it is of another file
    card_path.write_text("[]")
    assert edgenas.bench(path, "cpu", runs=100).predicted_ms is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": "nothing.onnx"}, r"nothing.onnx: cannot be read \(No such file"),
        ({"runs": 99}, r"--runs 99 is too small; give at least 100"),
        ({"device": "nosuch"}, r"unknown device 'nosuch'"),
        ({"ssh": "pi@board"}, r"device cpu is this machine, and pi@board is another one"),
        ({"against": "nothing.onnx"}, r"nothing.onnx: cannot be read"),
    ],
)
def test_bad_arguments_are_refused(given: dict[str, Any], message: str, small: Path) -> None:
    with pytest.raises(InputError, match=message):
        edgenas.bench(**{"model": small, "device": "cpu", **given})


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """Takes pictures of any size as a camera makes them, and whether to mirror them."""
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, ("N", "height", "width", 3)),
        helper.make_tensor_value_info("sizes", TensorProto.INT64, ("N", 2)),
        helper.make_tensor_value_info("half", TensorProto.FLOAT16, ("pairs", 2)),
        helper.make_tensor_value_info("mirror", TensorProto.BOOL, ()),
    ]
    outputs = [helper.make_tensor_value_info("mean", TensorProto.FLOAT, ("N", 1, 1, 3))]
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2]),
    ]
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return _save(tmp_path / "camera.onnx", made)


SHAPES = {"image": (2, 48, 64, 3), "half": (5, 2)}


def test_shapes_are_given_by_name(camera: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = edgenas.bench(camera, "cpu", runs=100, shape=SHAPES)
    assert "batch 2" in found.conditions
    assert found.images_per_s == pytest.approx(2e3 / found.latency_ms.p50)
    asked = ["bench", str(camera), "--device", "cpu", "--runs", "100", "--shape", "image=1x8x8x3"]
    assert run([*asked, "--shape", "half=1x2"]) == 0
    assert "batch 1" in capsys.readouterr().out
    assert run([*asked, "--shape", "half=1x2", "--batch", "4"]) == 2
    assert "image=1x8x8x3 is a batch of 1, not 4; use --batch 1, or leave it out" in capsys.readouterr().err


def test_sizes_that_nobody_gives_are_assumed_and_told(camera: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = edgenas.bench(camera, "cpu", runs=100)
    assert "batch 1" in found.conditions
    assert [message for message in caplog.messages if "assumed" in message] == [
        f"{camera}: input 'image' has open axes besides the batch (N x height x width x 3), "
        "assumed --shape image=1x480x640x3; give other sizes in the same way, or with --axis height=480"
    ]


def test_axes_are_given_by_name(camera: Path, small: Path, caplog: pytest.LogCaptureFixture) -> None:
    axes = {"height": 48, "width": 64, "N": 2}
    found = edgenas.bench(camera, "cpu", runs=100, axis=axes, against=small)
    assert "batch 2" in found.conditions and not [each for each in caplog.messages if "assumed" in each]
    with pytest.raises(
        InputError, match=r"unknown axis of .+camera.onnx: 'depth'; .*known: N, height, pairs, width"
    ):
        edgenas.bench(camera, "cpu", axis="depth=3")
    with pytest.raises(
        InputError, match=r"--axis N=2 is a batch of 2, not 4; use --batch 2, or leave it out"
    ):
        edgenas.bench(camera, "cpu", axis=axes, batch=4)


def test_shapes_are_for_both_files(camera: Path, small: Path) -> None:
    found = edgenas.bench(camera, "cpu", runs=100, shape=SHAPES, against=small)
    assert found.against is not None and found.against.peak_memory_bytes != found.peak_memory_bytes
    with pytest.raises(InputError, match=r"unknown input of .+camera.onnx and .+small.onnx: 'picture'"):
        edgenas.bench(camera, "cpu", shape={"picture": (1, 2)}, against=small)


def test_the_memory_is_that_of_each_file(small: Path, tmp_path: Path) -> None:
    weights = [numpy_helper.from_array(np.ones((2**12, 2**12), np.float32), "w")]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 2**12))
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2**12))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [image], [output], weights
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = edgenas.bench(_save(tmp_path / "heavy.onnx", made), "cpu", runs=100, against=small)
    heavy, light = found, found.against
    assert light is not None and heavy.peak_memory_bytes and light.peak_memory_bytes
    assert heavy.runtime_memory_bytes and light.runtime_memory_bytes and heavy.peak_memory_reason is None
    assert heavy.peak_memory_bytes - heavy.runtime_memory_bytes > 2**26  # its weights alone
    assert light.peak_memory_bytes - light.runtime_memory_bytes < 2**26


def test_a_histogram_on_request(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["bench", str(small), "--device", "cpu", "--runs", "100", "--histogram"]
    assert run([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["histogram"]
    assert sum(found["counts"]) == 100 and len(found["edges_ms"]) == len(found["counts"]) + 1
    assert run(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    bars = [re.fullmatch(r" *[\d.e+-]+ to [\d.e+-]+ ms  (█*) (\d+)", line) for line in lines]
    assert sum(int(each[2]) for each in bars if each) == 100
    assert max(len(each[1]) for each in bars if each) == 40
    assert max(len(line) for line, each in zip(lines, bars, strict=True) if each) <= 80


def test_on_a_board(
    loopback: Loopback, quick_kit: Callable[[Path], None], tmp_path: Path, small: Path, large: Path
) -> None:
    quick_kit(tmp_path)
    found = edgenas.bench(large, BOARD, against=small, runs=100, ssh=HOST, ssh_python=loopback.python)
    assert found.runs == 100 and found.host == HOST and found.device == BOARD
    assert found.comparison is not None and found.comparison.low > 1
    assert found.load_ms is not None and found.paced_ms is not None
    assert found.against is not None and found.peak_memory_bytes and found.against.peak_memory_bytes


def test_shapes_on_a_board(
    loopback: Loopback, quick_kit: Callable[[Path], None], tmp_path: Path, camera: Path
) -> None:
    quick_kit(tmp_path)
    found = edgenas.bench(camera, BOARD, runs=100, ssh=HOST, ssh_python=loopback.python, shape=SHAPES)
    assert found.runs == 100 and "batch 2" in found.conditions
    assert found.peak_memory_bytes and found.runtime_memory_bytes and found.peak_memory_reason is None


BURSTS = [[1.0, 1.0, 1.0, 5, 0.1, 0.1, 0]] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda results: None, None),
        (lambda results: results.pop("runs"), "runs must be those of the models"),
        (lambda results: results["runs"].pop("small.onnx"), "runs must be those of the models"),
        (lambda results: results["runs"].update({"small.onnx": [[], []]}), "there must be a round"),
        (lambda results: results["runs"].update({"small.onnx": [[[]], []]}), "no round empty"),
        (lambda results: results["runs"].update({"small.onnx": [[[-1.0]], []]}), "times must be positive"),
        (lambda results: results["runs"].update({"small.onnx": [[[1e300]], []]}), "times must be positive"),
        (lambda results: results["runs"].update({"small.onnx": [[["x"]], []]}), "valid number"),
        (
            lambda results: results["runs"].update({"small.onnx": [[[1.0]], []]}),
            "in the same rounds, at least two",
        ),
        (lambda results: results["bursts"].update(overhead=BURSTS), "overhead is missing, or not among"),
        (lambda results: results.update(loading_ms={"small.onnx": [-1, 1]}), "greater than"),
        (lambda results: results.update(memory_bytes={"small.onnx": [2, 1]}), "memory must be positive"),
        (lambda results: results.update(memory_bytes={"small.onnx": [0, 1]}), "memory must be positive"),
        (lambda results: results.update(memory_bytes={"small.onnx": [1, 2**60]}), "memory must be positive"),
    ],
)
def test_what_a_board_sends_is_checked(
    change: Callable[[dict[str, Any]], Any],
    message: str | None,
    quick_kit: Callable[[Path], None],
    tmp_path: Path,
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick_kit(tmp_path)
    Answering.change = change
    monkeypatch.setattr("edgenas.inputs.targets.SshBoard", Answering)
    if message is None:
        found = edgenas.bench(small, BOARD, ssh="board")
        assert found.latency_ms.p50 == 1 and found.paced_ms == 2 and found.load_ms is None
        assert found.peak_memory_bytes is None and found.peak_memory_reason
        return
    with pytest.raises(DeviceError, match=message):
        edgenas.bench(small, BOARD, ssh="board")


def test_a_file_that_the_board_cannot_run_is_told(
    quick_kit: Callable[[Path], None],
    tmp_path: Path,
    small: Path,
    large: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    quick_kit(tmp_path)
    Answering.change = lambda results: fail_in(results, "small.onnx")
    monkeypatch.setattr("edgenas.inputs.targets.SshBoard", Answering)
    with pytest.raises(DeviceError, match=r"board cannot run .+small.onnx; install another version"):
        edgenas.bench(large, BOARD, ssh="board", against=small)
    assert "board could not time small.onnx (no such operator)" in caplog.messages


def test_tensorrt_builds_at_one_precision(
    quick_kit: Callable[[Path], None], tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_kit(tmp_path)
    int8 = tmp_path / "int8.onnx"
    image = {INPUT: np.zeros((1, 3, 16, 16), np.float32)}
    int8.write_bytes(convert(small.read_bytes(), "int8", image, SCHEMES["arm64"]))
    seen: list[dict[str, Any]] = []
    Answering.change = seen.append
    monkeypatch.setattr("edgenas.inputs.targets.SshBoard", Answering)
    with pytest.raises(InputError, match=r"at one precision, and these have fp32 and int8; time them one"):
        edgenas.bench(small, "jetson", ssh="board", against=int8)


def test_a_kit_of_runs_has_time_for_them_on_tensorrt_too(small: Path, tmp_path: Path) -> None:
    def models(maker: KitModels) -> Iterator[ModelOfKit]:
        yield maker.of_file_as_it_is("a", small, {})

    path = tmp_path / "kit.zip"
    make_timing_kit(path, find_device("jetson", precision="fp32"), models, 600.0, silent, runs=5000)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("kit-jetson-orin-nano/manifest.json"))
    assert (manifest["runs"], manifest["budget_s"]) == (5000, 600.0)
    assert {each["key"] for each in manifest["models"]} == {"sentinel", "a"}


def test_indices_keep_their_values_on_a_board(tmp_path: Path) -> None:
    """Other weights become random there."""
    table, indices = np.ones((600, 8), np.float32), np.arange(512, dtype=np.int32)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, 8))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, (512, 8))
    nodes = [
        helper.make_node("Gather", ["table", "indices"], ["rows"]),
        helper.make_node("Mul", ["rows", "image"], ["output"]),
    ]
    weights = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(indices, "indices")]
    graph = helper.make_graph(nodes, "g", [image], [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    assert share_weights(model).keys() == {"float32"}
    assert (numpy_helper.to_array(model.graph.initializer[1]) == indices).all()


def test_a_file_of_a_fixed_batch_is_timed_with_it(small: Path, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.onnx"
    fixed.write_bytes(with_fixed_batch(small.read_bytes(), 4))
    assert "batch 4" in edgenas.bench(fixed, "cpu", runs=100).conditions
