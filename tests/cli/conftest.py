"""Running a command in this process and reading what it prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Answer:
    """Run a command with --json and return its object."""

    def call(arguments: list[str]) -> dict[str, Any]:
        assert run([*arguments, "--json"]) == 0
        value = json.loads(capsys.readouterr().out)
        assert isinstance(value, dict)
        return value

    return call


@pytest.fixture
def text(capsys: pytest.CaptureFixture[str]) -> Text:
    """Run a command and return what it prints on stdout."""

    def call(arguments: list[str]) -> str:
        assert run(arguments) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def command_lines(in_finished_run: Path, image_folder: Path, quick_timing: None) -> dict[str, list[str]]:
    """A line of arguments for each command, which succeeds in the working folder; in this order."""
    (in_finished_run / "latency_models").mkdir()
    model = json.loads((in_finished_run / "runs/done/front.json").read_text())["front"][-1]
    Path("architecture.json").write_text(json.dumps(model["architecture"]))
    rows = [f"{a}{b}000000,{50 + 5 * a + b},{1 + a + b}" for a in range(3) for b in range(3)]
    Path("networks.csv").write_text("\n".join(["arch,accuracy_percent,latency_ms", *rows]))
    here = ["--device", "cpu", "--resolution", "16"]
    search = ["search", "--device", "pi5", "--max-latency", "20ms", "--evaluations", "8", "--finalists", "2"]
    benchmark = ["benchmark", "search", "--table", "networks.csv"]
    return {
        "search": [*search, "--run", "done", "--data", str(image_folder)],
        "profile": ["profile", *here, "--networks", "3"],
        "validate": ["validate", *here, "--networks", "2"],
        "bench": ["bench", model["onnx"], "--device", "cpu", "--runs", "100"],
        "predict": ["predict", "architecture.json", "--device", "pi5"],
        "devices": ["devices"],
        "devices add": ["devices", "add", "board"],
        "export": ["export", "done", "--model", model["id"], "--precision", "int8"],
        "run": ["run", model["onnx"], str(image_folder / "test" / "red")],
        "report": ["report", "done"],
        "kit": ["kit", "--device", "pi5", *here[2:], "--networks", "3", "--out", "kit.zip"],
        "benchmark search": [*benchmark, "--space", "nasbench-macro", "--evaluations", "4"],
    }
