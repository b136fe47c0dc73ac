"""`edgenas search`: the fields of the contract, and the figures for people."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run
from edgenas.run.result import SearchResult

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]

SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--evaluations", "8", "--finalists", "2"]


def test_search(answer: Answer, text: Text, in_finished_run: Path, image_folder: Path) -> None:
    command = [*SEARCH, "--data", str(image_folder), "--run", "done"]
    found = answer(command)
    assert {
        "run",
        "device",
        "searcher",
        "evaluations",
        "constraint",
        "hypervolume",
        "front",
        "report",
    } <= set(found)
    assert found["constraint"]["max_latency_ms"] == 20.0
    assert 0 < found["hypervolume"] <= 1
    for model in found["front"]:
        assert {
            "id",
            "architecture",
            "accuracy",
            "latency_ms",
            "provenance",
            "params",
            "macs",
            "onnx",
        } <= set(model)
        assert set(model["latency_ms"]) == {"predicted", "low", "high", "measured"}
        assert set(model["accuracy"]) == {"value", "kind"}
        assert Path(model["onnx"]).is_file()
    shown = text(command)
    assert found["front"][0]["id"] in shown
    assert "estimated" in shown and "validation" in shown and "does not bind" in shown


def test_a_search_that_keeps_no_model_exits_1(
    in_finished_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = SearchResult.model_validate_json(Path("runs/done/front.json").read_text())
    dropped = tuple(model.model_copy(update={"note": "measured 30 ms"}) for model in kept.front)
    none_left = kept.model_copy(update={"front": (), "dropped": dropped})
    monkeypatch.setattr("edgenas.cli.search.search", lambda *_, **__: none_left)
    assert run(SEARCH) == 1
    assert "measured 30 ms" in capsys.readouterr().out
