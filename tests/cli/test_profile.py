"""`edgenas profile`, and what a table does to the commands after it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


def test_profile_writes_a_table_that_predict_and_search_use(
    answer: Answer, text: Text, tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latency_models").mkdir()
    profile = ["profile", "--device", "cpu", "--resolution", "16", "--classes", "3", "--samples", "4"]
    found = answer(profile)
    assert {"table", "entries", "seconds", "unstable_entries", "calibration"} <= set(found)
    assert Path(found["table"]).is_file()
    assert found["measured"] == found["entries"] > 0
    assert answer(profile)["measured"] == 0
    assert answer(["devices", "cpu"])["devices"][0]["provenance"] == "measured"
    command = ["search", "--device", "cpu", "--max-latency", "50ms", "--data", str(image_folder)]
    result = answer([*command, "--evaluations", "4", "--finalists", "1", "--run", "m"])
    model = result["front"][0]
    assert model["provenance"] == "measured"
    assert model["latency_ms"]["measured"] > 0
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert "slope" in text(profile)


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
