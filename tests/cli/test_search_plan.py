"""`edgenas search --dry-run`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]

SEARCH = ["search", "--device", "pi5", "--evaluations", "6", "--finalists", "2", "--dry-run", "--max-latency"]


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_plan_is_shown_and_nothing_is_written(text: Text, empty: Path) -> None:
    shown = text([*SEARCH, "0.5ms"])
    for part in (
        "device: raspberry-pi-5, fp32; latencies are calibrated",
        "begins from: random weights",
        "data: digits, 10 classes at 16 px: 1151 images to train on, 287 to validate, 359 to test",
        "limit: 0.5 ms, feasible: the space's networks take 0.14",
        "2 trainings",
        "evaluate 6 networks",
        "time: about ",
        "disk: about ",
        "nothing was trained or written",
    ):
        assert part in shown
    assert list(empty.iterdir()) == []


def test_the_plan_as_json(answer: Answer) -> None:
    plan = answer([*SEARCH, "20ms"])
    assert plan["feasible"] and plan["slowest_ms"] < 20
    assert [phase["name"] for phase in plan["phases"]] == ["supernet", "search", "finalists", "export"]


def test_a_limit_that_excludes_nothing_says_so(text: Text) -> None:
    assert "above all networks of the space (" in text([*SEARCH, "20ms"])


def test_a_limit_that_excludes_everything_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*SEARCH, "0.001ms"]) == 1
    assert "limit: 0.001 ms, below all networks of the space (" in capsys.readouterr().out
    assert run([*SEARCH, "0.001ms", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["feasible"] is False
