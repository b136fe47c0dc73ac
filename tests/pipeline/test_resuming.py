"""Interrupted and killed searches: nothing is lost, nothing done twice, and the end is the same."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgenas.api.search import search
from edgenas.formats import PART
from edgenas.storage.search_result import SearchResult

SMALL: dict[str, Any] = {"evaluations": 8, "finalists": 2, "run": "done"}
EPOCHS = 4

Hurry = Callable[[pytest.MonkeyPatch, int], None]


def _whole(images: Path, folder: Path, hurry: Hurry, **arguments: Any) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hurry(patch, EPOCHS)
        search("pi5", "20ms", str(images), **SMALL, **arguments)
    return folder


@pytest.fixture(scope="module")
def whole_run(image_folder: Path, tmp_path_factory: pytest.TempPathFactory, hurry: Hurry) -> Path:
    """Where the run that others resemble in the end was left alone."""
    return _whole(image_folder, tmp_path_factory.mktemp("whole"), hurry)


@pytest.fixture(scope="module")
def gradient_run(image_folder: Path, tmp_path_factory: pytest.TempPathFactory, hurry: Hurry) -> Path:
    """The like, of the gradient searcher."""
    return _whole(image_folder, tmp_path_factory.mktemp("gradient"), hurry, searcher="proxyless")


@pytest.mark.parametrize(("phase", "after"), [("supernet", 3), ("search", 4), ("finalist 2/2", 2)])
def test_ctrl_c_ends_with_what_is_known_and_the_same_call_goes_on(
    phase: str, after: int, whole_run: Path, image_folder: Path, tmp_path: Path,
    interrupt: Any, hurry: Hurry, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    hurry(monkeypatch, EPOCHS)
    interrupted = search("pi5", "20ms", str(image_folder), progress=interrupt(phase, after), **SMALL)
    assert interrupted.status == "interrupted"
    known = {"supernet": 0, "search": 4, "finalist 2/2": 8}[phase]
    assert interrupted.evaluations == known
    assert bool(interrupted.front) == (known > 0)
    assert all(model.accuracy.kind == "supernet" for model in interrupted.front)
    assert (tmp_path / "runs/done/report.html").is_file()
    complete = search("pi5", "20ms", str(image_folder), **SMALL)
    assert _essence(complete) == _essence(_result(whole_run))


def test_an_interrupted_baseline_goes_on_and_nothing_else_is_trained_again(
    compared_run: Path,
    compared_arguments: dict[str, Any],
    imbalanced_folder: Path,
    tmp_path: Path,
    interrupt: Any,
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = interrupt("baseline MobileNetV3", 2), interrupt("", 0)
    interrupted = search("pi5", "3ms", str(imbalanced_folder), progress=first, **compared_arguments)
    assert interrupted.status == "interrupted" and interrupted.baselines == ()
    done = {phase for phase, _ in first.seen if phase.startswith(("finalist ", "baseline MobileNetV2"))}
    assert len(done) == 3
    complete = search("pi5", "3ms", str(imbalanced_folder), progress=second, **compared_arguments)
    assert not done & {phase for phase, _ in second.seen}
    assert [step for phase, step in second.seen if phase == "supernet"] == [2.0]  # found complete
    assert not any(phase == "search" and step == 0 for phase, step in second.seen)
    assert _essence(complete) == _essence(_result(compared_run, "compared"))


@pytest.mark.parametrize(
    ("phase", "after"), [("training", 7), ("training", 8), ("search", 3), ("finalist 1/2", 2)]
)
def test_a_search_that_trains_every_candidate_repeats_nothing(
    phase: str,
    after: int,
    image_folder: Path,
    tmp_path: Path,
    interrupt: Any,
    hurried: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = {**SMALL, "evaluator": "trained", "evaluations": 5}
    results = []
    for folder, progress in (("whole", interrupt("", 0)), ("parts", interrupt(phase, after))):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        results.append(search("pi5", "20ms", str(image_folder), progress=progress, **arguments))
    assert [result.status for result in results] == ["complete", "interrupted"]
    before = list(_evaluations(tmp_path / "parts"))
    last = interrupt("", 0)
    complete = search("pi5", "20ms", str(image_folder), progress=last, **arguments)
    assert _essence(complete) == _essence(results[0])
    rows = list(_evaluations(tmp_path / "parts"))
    assert rows[: len(before)] == before and len(rows) == 5
    trained_again = {f"training {row[1]}" for row in before} & {name for name, _ in last.seen}
    assert not trained_again


SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--evaluations", "8", "--finalists", "2"]

KILLED = """
import os, signal, sys, threading
from contextlib import contextmanager
from edgenas.accuracy.training_recipe import FinalistRecipe, SupernetRecipe
from edgenas.cli import main, search
from edgenas.pipeline import configuration

number, epochs, phase_to_come, left, delay_s = (
    int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
)

def recipes(images, augmentation):
    fields = {"epochs": epochs, "batch_size": 8, "augmentation": augmentation}
    return SupernetRecipe(**fields), FinalistRecipe(**fields)

killed = threading.Event()

def kill():
    if not killed.is_set():  # a second signal would interrupt the good order that the first one asks for
        killed.set()
        os.kill(os.getpid(), number)

def progress(phase, done, total, detail=""):
    global left
    if left == 0:
        kill()
    left -= phase.startswith(phase_to_come)
    if left == 0:
        print(phase, flush=True)
        threading.Timer(delay_s, kill).start()

@contextmanager
def reporting():
    yield progress

configuration.default_recipes = recipes
search.reporting = reporting
main.main(sys.argv[6:])
"""
"""A command that is killed some time after the n-th report of a phase, at the latest as the next report comes."""


def _run(
    command: list[str],
    folder: Path,
    phase: str,
    after: int,
    delay_s: float,
    number: int = signal.SIGKILL,
) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, "-c", KILLED, str(int(number)), str(EPOCHS), phase, str(after), str(delay_s)]
    return subprocess.run([*program, *command], cwd=folder, capture_output=True, text=True, check=False)


def _run_and_kill(command: list[str], folder: Path, phase: str, after: int, delay_s: float) -> None:
    done = _run(command, folder, phase, after, delay_s)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout.startswith(phase)
    assert not (folder / "runs/done/front.json").exists()


def _run_to_its_end(command: list[str], folder: Path) -> None:
    done = _run(command, folder, "no such phase", 1, 0)
    assert done.returncode == 0, done.stderr


def test_killed_searches_lose_nothing_and_end_with_the_same_front(
    whole_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    command = [*SEARCH, "--data", str(image_folder), "--run", "done"]
    moments = random.Random(0)
    reported: list[tuple[object, ...]] = []
    for phase, after, within_s, known in (
        ("supernet", 3, 0.1, {0}),
        ("search", 4, 0.01, {4, 5}),
        ("finalist 1/2", 2, 0.1, {8}),
        ("finalist 2/2", 2, 0.1, {8}),
    ):
        _run_and_kill(command, tmp_path, phase, after, moments.uniform(0, within_s))
        rows = list(_evaluations(tmp_path))
        assert len(rows) in known
        assert rows[: len(reported)] == reported
        reported = rows
    _run_to_its_end(command, tmp_path)
    rows = list(_evaluations(tmp_path))
    assert rows[: len(reported)] == reported
    assert len(rows) == len({row[1] for row in rows}) == 8
    assert _essence(_result(tmp_path)) == _essence(_result(whole_run))


def test_a_signal_from_outside_ends_with_what_is_known_and_the_same_command_goes_on(
    whole_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    command = [*SEARCH, "--data", str(image_folder), "--run", "done"]
    (tmp_path / "runs/done").mkdir(parents=True)
    (tmp_path / f"runs/done/.front.json.ab12{PART}").touch()  # of a process that was killed as it wrote
    done = _run(command, tmp_path, "search", 4, 0.01, signal.SIGTERM)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert "interrupted: repeat the command to resume" in done.stdout
    known = _result(tmp_path)
    assert known.status == "interrupted" and known.evaluations in (4, 5)
    assert not [*tmp_path.rglob(f"*{PART}")]
    _run_to_its_end(command, tmp_path)
    assert _essence(_result(tmp_path)) == _essence(_result(whole_run))


@pytest.mark.parametrize(("phase", "after"), [("supernet", 2), ("supernet", 4), ("search", 3)])
def test_a_gradient_search_that_is_interrupted_ends_as_an_uninterrupted_one(
    phase: str, after: int, gradient_run: Path, image_folder: Path, tmp_path: Path,
    interrupt: Any, hurry: Hurry, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    arguments = {**SMALL, "searcher": "proxyless"}
    monkeypatch.chdir(tmp_path)
    hurry(monkeypatch, EPOCHS)
    interrupted = search("pi5", "20ms", str(image_folder), progress=interrupt(phase, after), **arguments)
    assert interrupted.status == "interrupted"
    complete = search("pi5", "20ms", str(image_folder), **arguments)
    assert complete.status == "complete" and complete.chosen is not None
    assert _essence(complete) == _essence(_result(gradient_run))
    learnt = _learnt(tmp_path)
    assert learnt == _learnt(gradient_run) and len(learnt) == 1


def test_a_killed_gradient_search_ends_as_an_uninterrupted_one(
    gradient_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    command = [*SEARCH, "--data", str(image_folder), "--run", "done", "--searcher", "proxyless"]
    moments = random.Random(1)
    for phase, after, within_s in (("supernet", 3, 0.1), ("search", 3, 0.01)):
        _run_and_kill(command, tmp_path, phase, after, moments.uniform(0, within_s))
    _run_to_its_end(command, tmp_path)
    assert _essence(_result(tmp_path)) == _essence(_result(gradient_run))
    assert _learnt(tmp_path) == _learnt(gradient_run)


def _learnt(folder: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "runs/done/run.sqlite") as connection:
        return connection.execute("SELECT payload FROM events WHERE name = 'architecture learnt'").fetchall()


def _evaluations(folder: Path) -> Iterator[tuple[object, ...]]:
    path = folder / "runs/done/run.sqlite"
    if path.exists():
        with sqlite3.connect(path) as connection:
            yield from connection.execute(
                "SELECT sequence, id, accuracy, seconds FROM evaluations ORDER BY 1"
            )


def _result(folder: Path, run: str = "done") -> SearchResult:
    return SearchResult.model_validate_json((folder / f"runs/{run}/front.json").read_text())


def _essence(result: SearchResult) -> dict[str, object]:
    """The result but for how long it took."""
    return result.model_dump(exclude={"seconds"})
