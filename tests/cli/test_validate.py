"""`edgenas validate`, on ONNX Runtime with as few runs as can be."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.board import bursts
from edgenas.cli.main import run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]
SMALL = ["--device", "cpu", "--resolution", "16"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with tables of its own; measuring takes just enough to have figures."""
    for name, value in {"MIN_ROUNDS": 2, "MAX_ROUNDS": 2, "BURST_MS": 0.1, "RETAKES": 0}.items():
        monkeypatch.setattr(bursts, name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    return tmp_path


def test_the_json_object_holds_what_is_promised(answer: Answer) -> None:
    answer(["profile", *SMALL, "--networks", "4"])
    found = answer(["validate", *SMALL, "--networks", "3", "--seed", "5"])
    assert {
        "networks", "spearman", "kendall", "mape_percent", "within_5_percent", "within_10_percent",
        "interval_coverage", "pairs", "device", "provenance", "sentinel_ratio", "picture", "file", "retaken",
        "disturbed",
    } <= set(found)  # fmt: skip
    assert (found["device"], found["provenance"], found["networks"]) == ("cpu", "measured", 3)
    assert found["sentinel_ratio"] > 0 and found["seed"] == 5
    assert len(found["pairs"]) == 3
    for pair in found["pairs"]:
        assert {"architecture", "predicted_ms", "low_ms", "high_ms", "measured_ms"} <= set(pair)
        assert pair["low_ms"] <= pair["predicted_ms"] <= pair["high_ms"]
    kept = json.loads(Path(found["file"]).read_text())
    assert kept["pairs"] == found["pairs"] and kept["schema"] == "edgenas.validation/1"
    assert Path(found["picture"]).read_bytes().startswith(b"\x89PNG")


def test_networks_of_nasbench_macro_are_predicted_and_measured(answer: Answer) -> None:
    macro = [*SMALL, "--space", "nasbench-macro"]
    answer(["profile", *macro, "--networks", "4"])
    found = answer(["validate", *macro, "--networks", "2"])
    assert found["space"].startswith("nasbench-macro-16px") and found["provenance"] == "measured"
    assert all(len(pair["choices"]) == 8 for pair in found["pairs"])


def test_people_see_the_figures_the_worst_networks_and_the_picture(text: Text) -> None:
    shown = text(["validate", *SMALL, "--networks", "4"])
    kept = json.loads(next(Path("latency_models/cpu/validation").glob("*.json")).read_text())
    assert "predicted (datasheet estimate) and measured" in shown
    assert f"mean error {kept['mape_percent']:.3g}%" in shown
    assert f"Spearman {kept['spearman']:.4f}" in shown
    errors = {p["architecture"]: abs(p["predicted_ms"] / p["measured_ms"] - 1) for p in kept["pairs"]}
    order = sorted(errors, key=lambda architecture: -errors[architecture])
    assert [line.split(":")[0].strip() for line in shown.splitlines() if "predicted 0." in line] == order[:3]
    assert "picture: latency_models/cpu/validation/onnxruntime-cpu-fp32-t1-b1-mbconv-16px-" in shown


def test_a_table_that_lacks_the_space_is_refused_unless_interpolated(
    answer: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(["profile", *SMALL, "--networks", "4"])
    other = ["validate", *SMALL, "--classes", "3", "--networks", "2"]
    assert run(other) == 2
    error = capsys.readouterr().err
    assert "the latency table of cpu (onnxruntime-cpu-fp32-t1-b1) lacks 1 block, such as head/" in error
    assert "or use --missing interpolate" in error
    assert answer([*other, "--missing", "interpolate"])["provenance"] == "calibrated"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["--device", "pi5", "--networks", "3"],
            3,
            "raspberry-pi-5 cannot be reached from here (its file says reach = 'none'); "
            "name its board: --ssh USER@HOST",
        ),
        ([*SMALL, "--networks", "1"], 2, "--networks 1 is too small; give at least 2"),
        (["--device", "cp", "--networks", "3"], 2, "did you mean 'cpu'?"),
        ([*SMALL, "--networks", "x"], 2, "--networks"),
        ([*SMALL, "--missing", "guess"], 2, "--missing"),
        (
            [*SMALL, "--space", "nasbench-macro", "--activation", "relu"],
            2,
            "space nasbench-macro has no --activation; leave it out, or use --space mbconv",
        ),
    ],
)
def test_bad_input_is_one_line_on_stderr(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", *arguments]) == code
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1
    assert message in output.err


def test_a_power_mode_the_device_lacks_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", *SMALL, "--power-mode", "5W"]) == 2
    assert "unknown power mode '5W'; cpu has: 'as the operating system runs it'" in capsys.readouterr().err
