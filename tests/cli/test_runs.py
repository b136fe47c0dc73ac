"""`edgenas runs`."""

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas.cli.main import run
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import open_run

Answer = Callable[[list[str]], dict[str, Any]]
Text = Callable[[list[str]], str]


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def two_runs(in_finished_run: Path) -> None:
    """The run `done`, and the same again as `other` with another seed."""
    shutil.copytree("runs/done", "runs/other")
    for name in ("run.json", "front.json"):
        text = Path("runs/other", name).read_text()
        Path("runs/other", name).write_text(
            text.replace('"seed": 0', '"seed": 7').replace('"done"', '"other"')
        )


def test_the_fields_of_the_contract(two_runs: None, answer: Answer) -> None:
    (first, second) = answer(["runs"])["runs"]
    fields = {"name", "status", "device", "data", "max_latency_ms", "evaluations", "best_accuracy"}
    assert fields <= set(first) == set(second)
    assert {first["name"], second["name"]} == {"done", "other"}


def test_runs_as_a_table(two_runs: None, text: Text) -> None:
    listed = text(["runs"])
    for shown in ("done", "other", "complete", "raspberry-pi-5", "20 ms", "validation"):
        assert shown in listed
    assert re.search(r"\d [kM]B\n", listed)
    assert "settings that differ" not in listed


def test_one_run_is_shown_with_its_front(two_runs: None, text: Text, answer: Answer) -> None:
    shown = text(["runs", "done"])
    assert shown.startswith("done: complete, 8 evaluations, ")
    for model in answer(["runs", "done"])["result"]["front"]:
        assert model["id"] in shown


def test_several_runs_are_compared(two_runs: None, text: Text, answer: Answer) -> None:
    compared = text(["runs", "done", "other"])
    assert "settings that differ" in compared and "--seed" in compared and "best accuracy within" in compared
    found = answer(["runs", "done", "other"])
    assert found["differences"] == [{"setting": "--seed", "values": {"done": 0, "other": 7}}]
    assert all(row["accuracies"]["done"] == row["accuracies"]["other"] for row in found["fronts"])


def test_without_runs_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: Text) -> None:
    monkeypatch.chdir(tmp_path)
    assert text(["runs"]) == "there are no runs under ./runs\n"


def test_a_run_that_has_just_begun(
    run_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: Text
) -> None:
    monkeypatch.chdir(tmp_path)
    with open_run("begun", run_config):
        assert "running" in text(["runs"])
        assert text(["runs", "begun"]).startswith("begun: running, 0 evaluations, ")


def test_nothing_is_removed_where_nobody_can_be_asked(
    two_runs: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(["runs", "other", "--remove"]) == 2
    told = "error: --remove asks first, and there is no terminal to ask on; give --yes\n"
    assert capsys.readouterr().err == told
    assert Path("runs/other/run.json").is_file()


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 130), ("\n", 130)])
def test_a_removal_is_asked_about_on_a_terminal(
    two_runs: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    assert run(["runs", "other", "--remove", "--json"]) == code
    captured = capsys.readouterr()
    assert "remove other (complete, 8 evaluations, " in captured.err
    assert Path("runs/other").is_dir() == (code != 0)
    if code == 0:
        assert json.loads(captured.out)["removed"] == ["other"]


def test_with_yes_nothing_is_asked(two_runs: None, text: Text) -> None:
    assert text(["runs", "done", "other", "--remove", "--yes"]).startswith("removed: done, other (")
    assert text(["runs"]) == "there are no runs under ./runs\n"


def test_removing_without_names_removes_nothing(two_runs: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", "--remove", "--yes"]) == 2
    assert "no runs are named" in capsys.readouterr().err
    assert Path("runs/done").is_dir()
