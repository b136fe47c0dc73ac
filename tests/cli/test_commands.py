"""Each command on a finished run or a quick job: its JSON has the fields of the contract, its text the figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run


def answer(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    """Run a command with --json and return its object."""
    assert run([*arguments, "--json"]) == code
    value = json.loads(capsys.readouterr().out)
    assert isinstance(value, dict)
    return value


def text(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command and return what it prints on stdout."""
    assert run(arguments) == 0
    return capsys.readouterr().out


SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--evaluations", "8", "--finalists", "2"]


def test_search(in_finished_run: Path, image_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*SEARCH, "--data", str(image_folder), "--run", "done"]
    found = answer(command, capsys)
    assert {"run", "device", "searcher", "evaluations", "constraint", "hypervolume", "front", "report"} <= set(found)
    assert found["constraint"]["max_latency_ms"] == 20.0
    assert 0 < found["hypervolume"] <= 1
    for model in found["front"]:
        assert {"id", "architecture", "accuracy", "latency_ms", "provenance", "params", "macs", "onnx"} <= set(model)
        assert set(model["latency_ms"]) == {"predicted", "low", "high", "measured"}
        assert set(model["accuracy"]) == {"value", "kind"}
        assert Path(model["onnx"]).is_file()
    shown = text(command, capsys)
    assert found["front"][0]["id"] in shown
    assert "estimated" in shown and "validation" in shown and "does not bind" in shown


def test_predict(in_finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    front = json.loads((in_finished_run / "runs/done/front.json").read_text())["front"]
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(front[0]["architecture"]))
    found = answer(["predict", str(path), "--device", "pi5"], capsys)
    assert found["latency_ms"]["predicted"] == pytest.approx(front[0]["latency_ms"]["predicted"])
    assert found["provenance"] == "estimated"
    total = sum(layer["latency_ms"] for layer in found["layers"]) + found["constant_ms"]
    assert total == pytest.approx(found["latency_ms"]["predicted"])
    shown = text(["predict", str(path), "--device", "pi5"], capsys)
    assert "estimated" in shown and "mbconv/" in shown


def test_devices(capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["devices"], capsys)
    by_name = {device["name"]: device for device in found["devices"]}
    assert {"cpu", "cuda", "jetson-orin-nano", "jetson-nano", "raspberry-pi-4", "raspberry-pi-5"} <= set(by_name)
    assert "jetson" in by_name["jetson-orin-nano"]["aliases"]
    assert by_name["jetson-nano"]["provenance"] == "estimated"
    assert by_name["jetson-nano"]["tables"] == []
    shown = text(["devices", "jetson"], capsys)
    assert "jetson-orin-nano" in shown and "source:" in shown


def test_report(in_finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["report", "done"], capsys)
    assert Path(found["report"]).is_file() and Path(found["picture"]).is_file()
    assert "report.html" in text(["report", "done"], capsys)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_export(precision: str, in_finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(["export", "done", "--precision", precision], capsys)
    assert found["models"]
    for model in found["models"]:
        assert {"id", "onnx", "size_bytes", "max_abs_error", "accuracy_before", "accuracy_after"} <= set(model)
        assert Path(model["onnx"]).stat().st_size == model["size_bytes"]
        assert abs(model["accuracy_after"] - model["accuracy_before"]) <= 0.1
        card = json.loads(Path(model["onnx"]).with_suffix(".json").read_text())
        assert card["precision"] == precision
    one = found["models"][0]["id"]
    assert one in text(["export", "done", "--model", one, "--precision", precision], capsys)


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["doctor", "--device", "cpu", "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert code == (0 if all(check["ok"] for check in checks) else 1)
    assert all({"name", "ok", "detail", "mend"} <= set(check) for check in checks)
    assert all(check["ok"] or check["mend"] for check in checks)
    run(["doctor"])
    assert "processor" in capsys.readouterr().out


def test_profile_writes_a_table_that_predict_and_search_use(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    profile = ["profile", "--device", "cpu", "--resolution", "16", "--classes", "3", "--samples", "4"]
    found = answer(profile, capsys)
    assert {"table", "entries", "seconds", "unstable_entries", "calibration"} <= set(found)
    assert Path(found["table"]).is_file()
    assert found["measured"] == found["entries"] > 0
    assert answer(profile, capsys)["measured"] == 0
    assert answer(["devices", "cpu"], capsys)["devices"][0]["provenance"] == "measured"
    command = ["search", "--device", "cpu", "--max-latency", "50ms", "--data", str(image_folder)]
    result = answer([*command, "--evaluations", "4", "--finalists", "1", "--run", "m"], capsys)
    model = result["front"][0]
    assert model["provenance"] == "measured"
    assert model["latency_ms"]["measured"] > 0
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "slope" in text(profile, capsys)


def test_a_table_that_lacks_the_space_names_the_command_that_adds_it(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    run(["profile", "--device", "cpu", "--resolution", "16", "--classes", "10", "--samples", "3"])
    capsys.readouterr()
    assert run(["search", "--device", "cpu", "--max-latency", "5ms", "--data", str(image_folder)]) == 2
    assert "edgenas profile --device cpu --resolution 16 --classes 3" in capsys.readouterr().err


def test_a_table_with_nan_is_refused_by_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    run(["profile", "--device", "cpu", "--resolution", "16", "--samples", "3"])
    path = next((tmp_path / "latency_models").rglob("*.json"))
    table = json.loads(path.read_text())
    key = next(iter(table["entries"]))
    table["entries"][key]["min_ms"] = float("nan")
    path.write_text(json.dumps(table))
    capsys.readouterr()
    assert run(["search", "--device", "cpu", "--max-latency", "5ms"]) == 2
    error = capsys.readouterr().err
    assert f"entries.{key}.min_ms" in error and "nan" in error and error.count("\n") == 1
