"""Listing, showing and comparing runs."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgenas import runs
from edgenas.device import Provenance
from edgenas.errors import UnknownNameError
from edgenas.latency.latency import Latency
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder, open_run
from edgenas.storage.run_lock import locked
from edgenas.storage.run_store import Evaluation, RunStore


def evaluation(id_: str, accuracy: float | None) -> Evaluation:
    return Evaluation(id_, ("k3e3",), accuracy, "supernet", Latency(1.0, 0.5, 2.0, Provenance.ESTIMATED))


@pytest.fixture
def begun(run_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run with three evaluations and no result."""
    monkeypatch.chdir(tmp_path)
    with open_run("begun", run_config) as (folder, store):
        for id_, accuracy in (("a", 0.5), ("b", None), ("c", 0.75)):
            store.add(evaluation(id_, accuracy))
    return folder


def test_without_runs_there_is_nothing_to_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runs().runs == ()
    with pytest.raises(UnknownNameError, match=r"unknown run 'photos'; there are no runs under \./runs"):
        runs("photos")


def test_a_complete_run(in_finished_run: Path) -> None:
    (info,) = runs().runs
    result = RunFolder(Path("runs/done")).read_result()
    assert (info.name, info.status, info.device) == ("done", "complete", "raspberry-pi-5")
    assert (info.max_latency_ms, info.evaluations, info.models) == (20, 8, len(result.front))
    assert info.best_accuracy == max(model.accuracy.value for model in result.front)
    assert (info.accuracy_kind, info.hypervolume) == ("validation", result.hypervolume)
    assert info.size_bytes > RunFolder(Path("runs/done")).report.stat().st_size
    assert info.age_s is not None and info.age_s >= 0
    shown = runs("done")
    assert shown.result == result and shown.runs[0].name == "done"
    assert runs("runs/done/").runs[0].name == "done"


def test_what_was_evaluated_before_there_is_a_result(begun: RunFolder) -> None:
    (info,) = runs().runs
    assert (info.status, info.evaluations, info.best_accuracy) == ("unfinished", 3, 0.75)
    assert (info.accuracy_kind, info.models, info.hypervolume) == ("supernet", None, None)


def test_a_run_in_progress_is_read_while_it_is_written(begun: RunFolder) -> None:
    with locked(begun.path), closing(RunStore(begun.store)) as store:
        store.add(evaluation("d", 0.8))
        (info,) = runs().runs
    assert (info.status, info.evaluations, info.best_accuracy) == ("running", 4, 0.8)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: folder.document.write_text("{"), "is not JSON"),
        (lambda folder: folder.document.unlink(), "run.json: cannot be read"),
        (lambda folder: folder.front.write_text("{}"), "field required"),
        (lambda folder: folder.store.write_bytes(b"none" * 2000), "is damaged"),
    ],
)
def test_a_damaged_run_is_listed_with_what_is_wrong(
    begun: RunFolder, damage: Callable[[RunFolder], object], problem: str
) -> None:
    damage(begun)
    (info,) = runs().runs
    assert (info.name, info.status) == ("begun", "damaged")
    assert problem in info.problem


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"none" * 2000)])
def test_a_complete_run_without_a_sound_store_is_damaged(
    in_finished_run: Path, damage: Callable[[Path], object]
) -> None:
    damage(RunFolder(Path("runs/done")).store)
    (info,) = runs().runs
    assert (info.status, info.evaluations) == ("damaged", 8)
    assert "run.sqlite: is damaged (" in info.problem and "still usable: front.json" in info.problem


def test_a_list_looks_whether_weights_are_there_and_a_run_that_is_named_whether_they_are_its_own(
    in_finished_run: Path,
) -> None:
    folder = RunFolder(Path("runs/done"))
    weights = folder.weights(folder.read_result().front[0].id)
    weights.write_bytes(weights.read_bytes() + b" ")
    assert [each.status for each in runs().runs] == ["complete"]
    (info,) = runs("done").runs
    assert info.status == "damaged" and "(its SHA-256 differs)" in info.problem
    weights.unlink()
    for found in (runs(), runs("done")):
        (info,) = found.runs
        assert info.status == "damaged"
        assert f"{weights}: " in info.problem and "restore the file, or search again" in info.problem


def test_what_is_no_run_is_not_listed(begun: RunFolder) -> None:
    (begun.path.parent / "notes").mkdir()
    shutil.copytree(begun.path, begun.path.with_name(".begun.removed"))
    assert [each.name for each in runs().runs] == ["begun"]


def test_the_newest_run_comes_first_and_named_ones_in_their_order(
    run_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for year, name in ((2024, "b"), (2026, "a"), (2025, "c")):
        with open_run(name, run_config) as (folder, _):
            content = json.loads(folder.document.read_text())
        content["created_at"] = f"{year}-01-01T00:00:00+00:00"
        folder.document.write_text(json.dumps(content))
    assert [each.name for each in runs().runs] == ["a", "c", "b"]
    assert [each.name for each in runs("b", "a", "b").runs] == ["b", "a"]


def test_an_unknown_run_is_told_with_the_nearest(begun: RunFolder) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown run 'begin'; did you mean 'begun'\?"):
        runs("begun", "begin")
