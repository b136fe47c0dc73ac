"""Searches whose evaluations and trainings are done by workers."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgenas import search
from edgenas.errors import InputError

Hurry = Callable[[pytest.MonkeyPatch, int], None]

ASKED: dict[str, Any] = {"evaluations": 8, "finalists": 2, "searcher": "regularized-evolution"}
"""A searcher that is told one outcome after the other."""

pytestmark = pytest.mark.usefixtures("hurried")


def found(folder: Path, run: str) -> dict[str, Any]:
    """What a search found, without times."""
    front = json.loads((folder / "runs" / run / "front.json").read_text())
    return {
        "evaluations": front["evaluations"],
        "front": [
            (model["id"], model["accuracy"], model["accuracies"], model["latency_ms"])
            for model in front["front"]
        ],
    }


@pytest.fixture
def searching(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Searches with some settings, and returns what was found."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, **settings: Any) -> dict[str, Any]:
        search("pi5", "20ms", str(image_folder), run=name, **(ASKED | settings))
        return found(tmp_path, name)

    return run


class Interrupting:
    """Progress that is interrupted as the search begins."""

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == "search":
            raise KeyboardInterrupt


def test_two_workers_find_what_one_finds_of_a_run_begun_for_two(
    searching: Callable[..., dict[str, Any]],
) -> None:
    by_two = searching("two", workers=2, baselines=True)
    searching("one", workers=2, progress=Interrupting(), baselines=True)
    by_one = searching("one", workers=1, baselines=True)
    assert by_one == by_two
    assert by_one["evaluations"] == 8
    assert not Path("runs/two/run.sqlite-wal").exists()  # no worker kept the store open


def test_workers_share_a_time_budget(searching: Callable[..., dict[str, Any]]) -> None:
    assert searching("r", workers=2, time_budget="30s", finalists=3)["front"]


def test_candidates_that_are_trained_are_trained_by_workers(
    searching: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    settings = {"evaluator": "trained", "evaluations": 3, "finalists": 1, "pretrained": "none"}
    by_two = searching("two", workers=2, **settings)
    searching("one", workers=2, progress=Interrupting(), **settings)
    assert searching("one", **settings) == by_two
    assert not list((tmp_path / "runs" / "two").glob("**/*training*"))


def test_what_cannot_be_sent_to_a_worker_is_refused(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def nearby(problem: Any, seed: int) -> Any:
        from edgenas.searchers.random_search import RandomSearcher

        return RandomSearcher(problem, seed)

    with pytest.raises(
        InputError, match=r"^an object among the settings cannot be sent to a worker \(.*nearby.*\); define"
    ):
        search("pi5", "20ms", str(image_folder), run="r", workers=2, searcher=nearby)


@pytest.mark.skipif(os.environ.get("CUDA_VISIBLE_DEVICES") is not None, reason="GPUs are hidden or chosen")
def test_a_gpu_that_is_not_there_is_refused(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^--gpus 1000: PyTorch can use (no|\d+) GPUs? of this machine; "):
        search("pi5", "20ms", str(image_folder), run="r", gpus="1000")
