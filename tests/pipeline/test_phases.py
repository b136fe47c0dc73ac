"""The phases one by one: what is planned, which evaluator is used, what becomes of failures."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgenas import search
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.device import find_device
from edgenas.errors import DivergenceError, EdgenasError, InputError, OutOfMemoryError, RunConflictError
from edgenas.latency.predictor import predictor_from_device
from edgenas.pipeline import final_model as final_model_module
from edgenas.pipeline import phases as module
from edgenas.pipeline import supernet_training as supernet_module
from edgenas.pipeline import time_budget as budget_module
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture, mbconv
from edgenas.storage.run_store import RunStore

Search = Callable[..., Any]


@pytest.fixture
def small_search(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hurried: None
) -> Search:
    """`small_search(**changes)`: a search of a second, run `r`."""
    monkeypatch.chdir(tmp_path)
    arguments = {"evaluations": 8, "finalists": 2, "run": "r"}
    return lambda **changes: search("pi5", "20ms", str(image_folder), **{**arguments, **changes})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Callable[[], RunStore]]:
    """`store()`: what run `r` committed."""
    opened: list[RunStore] = []

    def read() -> RunStore:
        opened.append(RunStore(tmp_path / "runs/r/run.sqlite"))
        return opened[-1]

    yield read
    for each in opened:
        each.close()


class Failing:
    """Evaluates some architectures, and raises what a training may raise for the others."""

    def __init__(self, all_of_them: bool = False) -> None:
        self._all = all_of_them
        self._evaluate = SupernetEvaluator.evaluate

    def __call__(
        self, evaluator: SupernetEvaluator, architecture: Architecture, to_beat: float | None
    ) -> float:
        kind = 0 if self._all else int(architecture.id, 16) % 3
        if kind == 0:
            raise OutOfMemoryError(f"evaluating {architecture.id}: ran out of memory", "free memory")
        if kind == 1:
            raise DivergenceError("training: the loss is nan in epoch 1", "try another --seed")
        return self._evaluate(evaluator, architecture, to_beat)


def fail(patch: pytest.MonkeyPatch, all_of_them: bool = False) -> None:
    failing = Failing(all_of_them)
    patch.setattr(SupernetEvaluator, "evaluate", lambda self, a, to_beat=None: failing(self, a, to_beat))


def test_architectures_that_fail_are_recorded_and_the_search_goes_on(
    small_search: Search, store: Callable[[], RunStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch)
    result = small_search(searcher="nsga2", evaluations=12)
    rows = store().evaluations()
    failed = {row.id: row.reason for row in rows if row.accuracy is None}
    assert len(rows) == result.evaluations == 12
    assert 0 < len(failed) < 12
    for id_, reason in failed.items():
        memory = f"evaluating {id_}: ran out of memory; free memory"
        expected = [memory, "training: the loss is nan in epoch 1; try another --seed"]
        assert reason == expected[int(id_, 16) % 3]
    assert {int(id_, 16) % 3 for id_ in failed} == {0, 1}
    assert all(not row.reason for row in rows if row.accuracy is not None)
    models = (*result.front, *result.dropped)
    assert models and not failed.keys() & {model.id for model in models}
    first = next(iter(failed.values()))
    assert f"{len(failed)} evaluations failed, the first because: {first}" in result.notes


def test_a_callback_that_wants_to_know_is_told_of_every_network(
    small_search: Search, store: Callable[[], RunStore]
) -> None:
    class Display:
        def __init__(self) -> None:
            self.told: list[tuple[float, float]] = []

        def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None: ...

        def evaluated(self, latency_ms: float, accuracy: float) -> None:
            self.told.append((latency_ms, accuracy))

    display = Display()
    small_search(progress=display)
    found = [(each.latency.predicted, each.accuracy) for each in store().evaluations()]
    assert found and sorted(display.told) == sorted(found)


def test_failures_are_not_evaluated_again_when_resumed(
    small_search: Search,
    store: Callable[[], RunStore],
    interrupt: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        fail(patch)
        small_search(searcher="nsga2", evaluations=12, progress=interrupt("finalist 1", 1))
    before = store().evaluations()
    small_search(searcher="nsga2", evaluations=12)  # would succeed now
    assert store().evaluations() == before


def test_when_every_evaluation_fails_that_is_the_error(
    small_search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, all_of_them=True)
    message = (
        r"every evaluation failed, the first because: evaluating \w{10}: ran out of memory; free memory; "
        r"fix the cause, and search under a new --run$"
    )
    for _ in range(2):  # resuming does not hide it
        with pytest.raises(EdgenasError, match=message) as caught:
            small_search()
    assert caught.value.exit_code == 1


def test_what_killed_the_process_again_and_again_is_given_up(
    small_search: Search, store: Callable[[], RunStore], interrupt: Any
) -> None:
    small_search(progress=interrupt("supernet", 1))
    doomed = predictor_from_device(mbconv(16, 3), find_device("pi5")).fastest().id  # asked for first
    store()._connection.execute("INSERT INTO attempts VALUES (?, ?)", (doomed, module.MAX_DEATHS))
    result = small_search()
    first, *others = store().evaluations()
    assert (first.id, first.accuracy) == (doomed, None)
    reason = f"edgenas was killed {module.MAX_DEATHS} times during its evaluation"
    assert first.reason == reason
    assert f"1 evaluation failed, the first because: {reason}" in result.notes
    assert len(others) == 7 and all(row.accuracy is not None for row in others)
    assert doomed not in {model.id for model in (*result.front, *result.dropped)}


class Idle(Searcher):
    """Asks for nothing."""

    name = "idle"

    def __init__(self, *_: object) -> None:
        pass

    def ask(self) -> Sequence[Architecture]:
        return []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass


def test_a_searcher_that_asks_for_nothing_is_named(small_search: Search) -> None:
    message = "searcher idle proposed no architecture within the limit; use another --searcher, or raise"
    with pytest.raises(EdgenasError, match=message):
        small_search(searcher=Idle, run="idle")


@pytest.mark.parametrize("error", [DivergenceError, OutOfMemoryError])
def test_a_finalist_that_fails_is_dropped_and_the_others_go_on(
    error: type[EdgenasError], small_search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = final_model_module.train

    def failing(*arguments: Any) -> float:
        phase = arguments[7]
        if phase == "finalist 1/2" or phase.startswith("baseline MobileNetV2"):
            raise error(f"{phase}: no good", "fix it")
        return train(*arguments)

    monkeypatch.setattr(final_model_module, "train", failing)
    result = small_search(baselines=True, resolution=32)
    assert result.status == "complete"
    (dropped,) = (model for model in result.dropped if model.note.startswith("training failed"))
    assert dropped.note == "training failed: finalist 1/2: no good"
    assert dropped.onnx is None and dropped.accuracy.kind == "supernet"
    assert dropped.id not in {model.id for model in result.front}
    first, second = result.baselines
    assert first.note == f"training failed: baseline {first.name}: no good" and first.onnx is None
    assert second.onnx is not None and "failed" not in second.note


class Asked:
    """Stands in for `train`: keeps the seconds it was given, by phase, and trains for a moment."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seconds: dict[str, float | None] = {}
        self._train = supernet_module.train
        patch.setattr(supernet_module, "train", self._supernet)
        patch.setattr(final_model_module, "train", self._final_model)

    def _supernet(self, *arguments: Any, phase: str, seconds: float | None) -> float:
        self.seconds[phase] = seconds
        return self._train(*arguments, phase=phase, seconds=seconds and 0.05)

    def _final_model(self, *arguments: Any) -> float:
        *others, phase, seconds = arguments
        self.seconds[phase] = seconds
        return self._train(*others, phase, seconds and 0.05)


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "runs/r/run.sqlite") as connection:
        rows = connection.execute("SELECT payload FROM events WHERE name = ?", (name,)).fetchall()
    return [json.loads(row[0]) for row in rows]


@pytest.fixture
def left_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the clock says, 100 seconds are left of a budget."""
    monkeypatch.setattr(budget_module.Budget, "left_s", property(lambda _: 100.0))


def test_each_phase_is_given_its_share_and_the_plan_is_kept(
    small_search: Search, tmp_path: Path, left_s: None, interrupt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch)
    small_search(time_budget="100s", progress=interrupt("finalist 2/2", 1))
    assert asked.seconds["supernet"] == pytest.approx(35)
    assert events(tmp_path, "plan") == [{"supernet": pytest.approx(35), "search": pytest.approx(15)}]
    first = dict(asked.seconds)

    monkeypatch.setattr(budget_module.Budget, "left_s", property(lambda _: 60.0))
    result = small_search(time_budget="100s")
    assert result.status == "complete"
    assert asked.seconds == first  # no other plan, though less is left
    finalists = [asked.seconds[f"finalist {number}/2"] for number in (1, 2)]
    assert 95 < sum(s for s in finalists if s) <= 100  # what judging them takes is left out
    assert all(len(events(tmp_path, name)) == 1 for name in ("plan", "finalist plan", "search ended"))


def test_without_supernet_the_search_gets_its_share_too(
    small_search: Search, tmp_path: Path, left_s: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch)
    small_search(time_budget="100s", evaluator="trained", evaluations=3)
    assert events(tmp_path, "plan") == [{"supernet": 0.0, "search": pytest.approx(50)}]
    assert events(tmp_path, "supernet trained") == []


def test_a_search_that_is_out_of_time_ends_there_also_when_resumed(
    small_search: Search, tmp_path: Path, interrupt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Asked(monkeypatch)
    monkeypatch.setattr(budget_module.Budget, "left_s", property(lambda _: 1e-6))
    small_search(time_budget="100s", progress=interrupt("finalist 1/1", 1))
    assert events(tmp_path, "search ended") == [{"evaluations": 1}]

    monkeypatch.setattr(budget_module.Budget, "left_s", property(lambda _: 1e6))
    result = small_search(time_budget="100s")
    assert result.evaluations == 1
    epochs = events(tmp_path, "supernet trained")[0]["epochs"]
    said = "the time budget of 1 min 40 s allowed 1 of 8 evaluations"
    assert f"{said}, and {epochs:.3g} epochs of the supernet" in result.notes


def test_a_budget_that_is_spent_before_it_begins_still_gives_a_model(
    small_search: Search, tmp_path: Path
) -> None:
    result = small_search(time_budget="1s", finalists=1)
    assert result.status == "complete"
    assert len(result.front) == 1
    assert all(seconds > 0 for seconds in events(tmp_path, "plan")[0].values())


def test_the_models_are_judged_in_recorded_time(small_search: Search, tmp_path: Path) -> None:
    result = small_search()
    assert result.seconds["judging"] > 0 and (tmp_path / "runs/r/judged.json").is_file()


def test_a_budget_that_is_spent_leaves_the_judging_out(
    small_search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget_module.Budget, "is_spent", lambda _: True)
    assert small_search().status == "complete"
    assert not (tmp_path / "runs/r/judged.json").exists() and (tmp_path / "runs/r/report.html").is_file()


def test_an_interruption_while_judging_ends_that_alone(
    small_search: Search, tmp_path: Path, interrupt: Any
) -> None:
    result = small_search(progress=interrupt("judging", 2))
    folder = tmp_path / "runs/r"
    assert result.status == "complete" and (folder / "front.json").is_file()
    assert (folder / "report.html").is_file() and not (folder / "judged.json").exists()


def test_the_same_settings_give_the_same_name_and_others_another(small_search: Search) -> None:
    one, same, other = (small_search(run=None, seed=seed, evaluations=2).run for seed in (0, 0, 1))
    assert one == same != other
    assert one.startswith("raspberry-pi-5-images")


def test_the_kind_of_evaluator_is_part_of_the_configuration(small_search: Search) -> None:
    with pytest.raises(EdgenasError, match=r"different configuration \(--evaluator: trained -> supernet\);"):
        for evaluator in ("trained", "supernet"):
            small_search(evaluator=evaluator, evaluations=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"searcher": 3},
            "^searcher: 3 does not make a Searcher; give a name, a class derived from Searcher,",
        ),
        ({"searcher": dict}, "^searcher: <class 'dict'> does not make a Searcher"),
        (
            {"data": [1, 2]},
            r"^data: a list of 2 that is not \(images, labels\); give \(images, labels\), a data set as of ",
        ),
        ({"space": 3}, "^space: 3 is neither a name nor a SearchSpace"),
        ({"evaluator": dict}, "^evaluator: <class 'dict'> is not an Evaluator and does not make one"),
        ({"evaluator": "super"}, "^unknown evaluator 'super'; did you mean 'supernet'"),
        ({"device": 3}, "^device: 3 is neither a name nor a Device"),
    ],
    ids=str,
)
def test_objects_of_another_class_are_refused_before_a_run_is_made(
    image_folder: Path,
    given: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = {"device": "pi5", "max_latency": "20ms", "data": str(image_folder), "run": "mine", **given}
    with pytest.raises(InputError, match=message):
        search(**arguments)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("begun_anew", [False, True])
@pytest.mark.parametrize("when", ["supernet", "search", "finalist 1/2"])
def test_a_folder_removed_under_a_search_ends_it_and_leaves_nothing_in_the_next(
    small_search: Search, when: str, begun_anew: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "runs/r"

    def remove(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == when and done > 0 and (folder / "run.json").exists():
            shutil.rmtree(folder)
            if begun_anew:  # by hand: a search would be refused
                folder.mkdir()
                (folder / "run.sqlite").write_bytes(b"of another")

    told = r"runs/r was removed, moved or replaced while its run was in progress; to begin again, repeat the command"
    with pytest.raises(RunConflictError, match=told):
        small_search(progress=remove)
    assert not folder.exists() or [path.name for path in folder.iterdir()] == ["run.sqlite"]
    shutil.rmtree(folder, ignore_errors=True)
    assert small_search().status == "complete"
