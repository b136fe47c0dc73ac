"""A Jetson's table by TensorRT: a few networks, timed by trtexec alone."""

import json
import zipfile
from pathlib import Path

import onnx
import pytest
from fixtures.boards import quick_runner, run_kit
from fixtures.fake_trtexec import FakeTrtexec, trtexec

from edgenas import kit, kit_import, predict, validate
from edgenas.device import find_device, runtime_for
from edgenas.errors import DeviceError
from edgenas.kits import kit_archive
from edgenas.latency.profile_command import profile_command
from edgenas.space import mbconv

__all__ = ["trtexec"]


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    monkeypatch.setattr(kit_archive, "runner_source", quick_runner)


def test_from_a_kit_to_predictions(trtexec: FakeTrtexec, tmp_path: Path) -> None:
    trtexec.be("100300")
    made = kit("jetson", quick=True, resolution=32, classes=3)
    assert made.estimated_s > 60  # engines are built
    with zipfile.ZipFile(made.kit) as archive:
        readme = archive.read(f"{made.folder}/README.txt").decode()
        manifest = json.loads(archive.read(f"{made.folder}/manifest.json"))
        models = [
            onnx.load_from_string(archive.read(name)) for name in archive.namelist() if name.endswith("onnx")
        ]
    assert "trtexec" in readme and "numpy" not in readme
    assert (manifest["runtime"], manifest["precision"]) == ("tensorrt", "fp16")
    for model in models:
        assert all(axis.dim_value for each in model.graph.input for axis in each.type.tensor_type.shape.dim)
    results = run_kit(made.kit, tmp_path / "board")
    imported = kit_import(results)
    assert (imported.provenance, imported.failed) == ("calibrated", {})
    assert imported.interval is not None
    assert all("--stronglyTyped" in words for words in trtexec.builds)

    space = mbconv(32, 3)
    architecture = tmp_path / "architecture.json"
    architecture.write_text(json.dumps(space.document(space.largest)), encoding="utf-8")
    assert predict(architecture, "jetson").latency_ms.provenance == "calibrated"


def test_every_block_would_take_hours() -> None:
    with pytest.raises(
        DeviceError, match=r"^TensorRT builds an engine for each model, .+; time a few whole net"
    ):
        kit("jetson", resolution=32, classes=3)
    with pytest.raises(
        DeviceError, match=r"time it there with a kit: edgenas kit --device jetson-orin-nano --quick"
    ):
        runtime_for(find_device("jetson"))
    with pytest.raises(DeviceError, match=r"name its board: --ssh USER@HOST"):  # a kit does not validate
        validate("jetson", 2, resolution=32, classes=3)
    command = profile_command(mbconv(32, 3), find_device("jetson"))
    assert command.startswith("edgenas kit --device jetson-orin-nano") and command.endswith("--samples 10")


@pytest.mark.parametrize(("device", "opset", "ir"), [("jetson-nano", 13, 7), ("jetson", 17, 8)])
def test_its_models_are_old_enough_for_the_board(device: str, opset: int, ir: int) -> None:
    made = kit(device, quick=True, resolution=32, classes=3, activation="hswish")
    with zipfile.ZipFile(made.kit) as archive:
        models = [
            onnx.load_from_string(archive.read(name)) for name in archive.namelist() if name.endswith("onnx")
        ]
    assert {(model.opset_import[0].version, model.ir_version) for model in models} == {(opset, ir)}
    assert any(node.op_type == "HardSwish" for each in models for node in each.graph.node) == (opset >= 14)
