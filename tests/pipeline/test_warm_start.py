"""Beginning from an earlier run: what is taken of it, what is kept, and what is refused."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.configurations import changed_config

from edgenas.api.search import search
from edgenas.device import Provenance
from edgenas.errors import FileFormatError, InputError, RunConflictError, UnknownNameError
from edgenas.formats import read_json
from edgenas.latency.latency import Latency
from edgenas.pipeline.warm_start import PriorDocument, prior_for, save_prior
from edgenas.space import MBConvSpace, PrecisionSpace
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder, open_run
from edgenas.storage.run_store import Evaluation, RunStore
from edgenas.storage.search_result import SearchResult
from edgenas.vocabulary import Precision

SMALL: dict[str, Any] = {"evaluations": 8, "finalists": 1, "run": "new", "warm_start": "done"}

MakeRun = Callable[..., RunFolder]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def make_run(
    run_config: RunConfig, tiny_space: MBConvSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MakeRun:
    """`make_run(name, accuracies, **changes)`: a run that evaluated as many networks; None is a failure."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, accuracies: list[float | None], **changes: Any) -> RunFolder:
        with open_run(name, changed_config(run_config, **changes)) as (folder, store):
            for number, accuracy in enumerate(accuracies):
                add(store, tiny_space, number, accuracy)
        return folder

    return make


def add(store: RunStore, space: MBConvSpace, number: int, accuracy: float | None) -> None:
    architecture = space.sample(np.random.default_rng(number))
    store.add(
        Evaluation(
            str(number),
            architecture.choices,
            accuracy,
            "supernet",
            Latency(1.0, 0.5, 2.0, Provenance.ESTIMATED),
        )
    )


def test_what_succeeded_becomes_a_prior_in_the_order_it_was_made(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5, None, 0.75])
    found = prior_for("new", "old", tiny_space)
    prior = found.prior(tiny_space)
    expected = [tiny_space.encode(tiny_space.sample(np.random.default_rng(number))) for number in (0, 2)]
    assert prior.vectors.tolist() == np.array(expected).tolist()
    assert prior.errors.tolist() == [0.5, 0.25]
    assert found.text("fp32") == "starts from 2 evaluations of run old (device board, data digits)"
    assert (found.fingerprint.name, found.fingerprint.evaluations) == ("old", 2)


def test_another_resolution_and_other_classes_are_no_hindrance(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5])
    layout = tiny_space.layout.model_copy(update={"resolution": 16, "classes": 100})
    prior = prior_for("new", "old", MBConvSpace(layout)).prior(MBConvSpace(layout))
    assert len(prior.errors) == 1


def test_reading_leaves_nothing_behind_and_changes_nothing(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    folder = make_run("old", [0.5])
    before = contents(folder.path)
    prior_for("new", "old", tiny_space)
    assert contents(folder.path) == before


def test_a_run_at_work_can_be_read_and_goes_on(
    make_run: MakeRun, run_config: RunConfig, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5])
    with open_run("old", run_config) as (_, store):
        for number in range(1, 4):
            add(store, tiny_space, number, 0.5)
            assert prior_for("new", "old", tiny_space).fingerprint.evaluations == number + 1
    assert len(prior_for("new", "old", tiny_space).evaluations) == 4


def test_a_run_that_was_killed_can_be_read(
    make_run: MakeRun, run_config: RunConfig, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5])
    with open_run("old", run_config) as (folder, store):
        add(store, tiny_space, 1, 0.5)
        shutil.copytree(folder.path, "runs/killed")
    before = contents(Path("runs/killed"))
    assert before["run.sqlite-wal"]
    assert len(prior_for("new", "killed", tiny_space).evaluations) == 2
    after = contents(Path("runs/killed"))
    for name in ("run.sqlite", "run.sqlite-wal", "run.json"):
        assert after[name] == before[name]


def test_a_kept_prior_is_used_whatever_became_of_the_earlier_run(
    make_run: MakeRun, run_config: RunConfig, tiny_space: MBConvSpace
) -> None:
    old, new = make_run("old", [0.5, 0.6]), make_run("new", [])
    taken = prior_for("new", "old", tiny_space)
    save_prior(taken, new)
    with open_run("old", run_config) as (_, store):
        add(store, tiny_space, 5, 0.9)
    assert prior_for("new", "old", tiny_space) == taken
    assert prior_for("other", "old", tiny_space).fingerprint != taken.fingerprint
    shutil.rmtree(old.path)
    assert prior_for("new", "old", tiny_space) == taken
    with pytest.raises(UnknownNameError, match="unknown run 'another'"):
        prior_for("new", "another", tiny_space)


def test_a_kept_prior_survives_json_and_is_checked(make_run: MakeRun, tiny_space: MBConvSpace) -> None:
    make_run("old", [0.5, 1 / 3])
    new = make_run("new", [])
    taken = prior_for("new", "old", tiny_space)
    save_prior(taken, new)
    path = new.path / "prior.json"
    assert read_json(path, PriorDocument).fingerprint == taken.fingerprint
    content = json.loads(path.read_text())
    assert content["schema"] == "edgenas.prior/1"
    content["evaluations"][1]["accuracy"] = 1.5
    path.write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=r"prior\.json: evaluations\.1\.accuracy: .*\(found 1\.5\)"):
        prior_for("new", "old", tiny_space)


@pytest.mark.parametrize("change", [{"accuracy": 0.6}, {"choices": ("k3e2", "skip", "k3e2", "skip")}])
def test_other_evaluations_have_another_fingerprint(
    change: dict[str, Any], make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5])
    taken = prior_for("new", "old", tiny_space)
    other = taken.model_copy(update={"evaluations": (taken.evaluations[0].model_copy(update=change),)})
    assert other.fingerprint != taken.fingerprint


def test_a_run_that_is_not_there_is_refused_with_the_nearest_name(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown run 'digits-5ms'; there are no runs under \./runs"):
        prior_for("new", "digits-5ms", tiny_space)
    make_run("digits-50ms", [0.5])
    with pytest.raises(
        UnknownNameError, match=r"'digits-5ms'; did you mean 'digits-50ms'\? known: digits-50"
    ):
        prior_for("new", "digits-5ms", tiny_space)


@pytest.mark.parametrize("accuracies", [[], [None, None]])
def test_a_run_without_evaluations_is_refused(
    accuracies: list[float | None], make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", accuracies)
    with pytest.raises(
        InputError, match="--warm-start old: no evaluation of that run has succeeded yet; let it"
    ):
        prior_for("new", "old", tiny_space)


def test_a_run_with_more_variables_is_refused_with_a_resolution_that_fits(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5])
    stages = (*tiny_space.layout.stages, tiny_space.layout.stages[-1])
    larger = MBConvSpace(tiny_space.layout.model_copy(update={"resolution": 32, "stages": stages}))
    with pytest.raises(
        InputError,
        match=(
            r"--warm-start old: its space mbconv-8px-\w+ has 4 variables, mbconv-32px-\w+ has 6; "
            r"give --resolution 8, or name a run of the same space"
        ),
    ):
        prior_for("new", "old", larger)


def test_a_run_with_other_choices_is_refused(make_run: MakeRun, tiny_space: MBConvSpace) -> None:
    make_run("old", [0.5])
    other = MBConvSpace(tiny_space.layout.model_copy(update={"kernels": (3, 7)}))
    with pytest.raises(
        InputError,
        match=(
            r"at variable 0 its space mbconv-8px-\w+ has k3e2, k3e3, k5e2, k5e3, "
            r"mbconv-8px-\w+ has k3e2, k3e3, k7e2, k7e3; name a run of the same space"
        ),
    ):
        prior_for("new", "old", other)


def test_evaluations_in_one_precision_are_for_a_search_of_several(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5, 0.75], precision="int8")
    space = PrecisionSpace(tiny_space, ("fp32", "int8"))
    found = prior_for("new", "old", space)
    expected = [
        space.encode(space.joined("int8", tiny_space.sample(np.random.default_rng(number))))
        for number in (0, 1)
    ]
    assert found.prior(space).vectors.tolist() == np.array(expected).tolist()
    assert found.text("fp32,int8").endswith("(device board, data digits, in int8)")


def test_another_precision_is_told(make_run: MakeRun, tiny_space: MBConvSpace) -> None:
    make_run("old", [0.5], precision="int8")
    found = prior_for("new", "old", tiny_space)
    assert found.text("fp32").endswith("(device board, data digits, in int8)")
    assert found.text("int8").endswith("(device board, data digits)")


def test_a_prior_of_an_earlier_version_is_the_same_without_its_precision(
    make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    make_run("old", [0.5])
    taken = prior_for("new", "old", tiny_space)
    kept = taken.model_copy(update={"precision": ""})
    assert kept.fingerprint == taken.fingerprint
    assert kept.text("int8") == "starts from 1 evaluation of run old (device board, data digits)"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("fp16,int8", ()), ("fp16,int8", ("fp32", "int8")), ("fp16", ("fp32", "int8"))],
)
def test_other_precisions_are_refused_with_those_that_fit(
    theirs: str,
    ours: tuple[Precision, ...],
    run_config: RunConfig,
    make_run: MakeRun,
    tiny_space: MBConvSpace,
) -> None:
    earlier = PrecisionSpace(tiny_space, ("fp16", "int8")) if "," in theirs else tiny_space
    changed = changed_config(run_config, precision=theirs).model_copy(update={"space": earlier.config()})
    with open_run("old", changed):
        pass
    told = (
        f"--warm-start old: its networks are in {theirs}; "
        f"give --precision {theirs}, or name a run of the same precisions"
    )
    with pytest.raises(InputError, match=told):
        prior_for("new", "old", PrecisionSpace(tiny_space, ours) if ours else tiny_space)


def broken_document(folder: RunFolder) -> None:
    folder.document.write_text('{"schema": "edgenas.run/2"}')


def broken_store(folder: RunFolder) -> None:
    folder.store.write_bytes(b"not a database, but long enough to be taken for one" * 100)


def change_store(statement: str) -> Callable[[RunFolder], None]:
    def change(folder: RunFolder) -> None:
        with sqlite3.connect(folder.store) as connection:
            connection.execute(statement)
        connection.close()

    return change


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (broken_document, r"run\.json: name: field required"),
        (broken_store, r"run\.sqlite: is damaged \(file is not a database\); .* or use another run"),
        (lambda folder: folder.store.unlink(), r"run\.sqlite: is damaged \(it is missing\)"),
        (change_store("DROP TABLE evaluations"), r"run\.sqlite: .*no such table: evaluations"),
        (change_store("UPDATE evaluations SET choices = '['"), r"run\.sqlite: is damaged \(choices: Invalid JSON"),
        (change_store("UPDATE evaluations SET choices = X'00'"), r"run\.sqlite: is damaged \(choices: Invalid JSON"),
        (change_store("UPDATE evaluations SET choices = '[1]'"), r"run\.sqlite: is damaged \(choices\.0: "),
        (change_store("UPDATE evaluations SET accuracy = 7"), r"run\.sqlite: is damaged \(accuracy: "),
        (
            change_store("""UPDATE evaluations SET choices = '["k9"]'"""),
            "evaluations of run old: 0: 1 choices for space mbconv, which has 4 variables",
        ),
    ],
)  # fmt: skip
def test_a_broken_run_is_refused(
    damage: Callable[[RunFolder], None], complaint: str, make_run: MakeRun, tiny_space: MBConvSpace
) -> None:
    damage(make_run("old", [0.5]))
    with pytest.raises(FileFormatError, match=complaint):
        prior_for("new", "old", tiny_space).prior(tiny_space)


def test_a_run_does_not_begin_from_itself() -> None:
    with pytest.raises(InputError, match="--warm-start a is the new run itself; give another --run"):
        search("pi5", "20ms", run="a", warm_start="a")


def test_a_searcher_that_begins_from_nothing_is_refused() -> None:
    with pytest.raises(
        InputError,
        match="--searcher random cannot start from the evaluations of another run; use nsga2-surrogate, nsga2 or nsga3",
    ):
        search("pi5", "20ms", searcher="random", warm_start="a", run="b")


# --- whole searches


@pytest.fixture
def after_done(finished_run: Path, tmp_path: Path, hurried: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a working folder with the complete run `done`, which may be changed."""
    shutil.copytree(finished_run / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluated(folder: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "run.sqlite")
    rows = connection.execute("SELECT id, accuracy FROM evaluations ORDER BY sequence").fetchall()
    connection.close()
    return rows


def essence(result: SearchResult) -> dict[str, Any]:
    return result.model_dump(exclude={"seconds", "status"})


def test_a_search_begins_from_an_earlier_run_and_says_so(after_done: Path, image_folder: Path) -> None:
    before = contents(after_done / "runs/done")
    result = search("jetson", "20ms", str(image_folder), **SMALL)
    assert contents(after_done / "runs/done") == before
    assert result.status == "complete" and result.evaluations == 8
    earlier = SearchResult.model_validate_json(before["front.json"])
    said = f"starts from 8 evaluations of run done (device raspberry-pi-5, data {earlier.data}, in fp32)"
    assert result.notes.count(said) == 1
    assert said in (after_done / "runs/new/report.html").read_text()
    made = RunFolder(Path("runs/new")).read_document().config.warm_start
    assert made is not None and (made.name, made.evaluations) == ("done", 8)
    # One of them is judged anew, by this run's own evaluator.
    assert {id_ for id_, _ in evaluated(Path("runs/new"))} & {id_ for id_, _ in evaluated(Path("runs/done"))}


def test_an_interrupted_search_goes_on_without_the_earlier_run(
    after_done: Path, image_folder: Path, interrupt: Any
) -> None:
    arguments = {**SMALL, "evaluations": 30}
    whole = search("jetson", "20ms", str(image_folder), **arguments)
    rows = evaluated(Path("runs/new"))
    shutil.rmtree("runs/new")
    stopped = search("jetson", "20ms", str(image_folder), progress=interrupt("search", 20), **arguments)
    assert stopped.status == "interrupted"
    shutil.rmtree("runs/done")
    again = search("jetson", "20ms", str(image_folder), **arguments)
    assert essence(again) == essence(whole)
    assert evaluated(Path("runs/new")) == rows


def test_a_default_name_does_not_hang_on_how_far_the_earlier_run_is(
    after_done: Path, image_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments = {**SMALL, "run": None}
    first = search("jetson", "20ms", str(image_folder), **arguments)
    change_store("DELETE FROM evaluations WHERE sequence > 5")(RunFolder(Path("runs/done")))
    assert search("jetson", "20ms", str(image_folder), **arguments) == first
    assert "already complete" in caplog.text


def test_beginning_from_elsewhere_is_another_configuration(after_done: Path, image_folder: Path) -> None:
    search("jetson", "20ms", str(image_folder), **SMALL)
    shutil.copytree("runs/done", "runs/other")
    for other, difference in (("other", "done -> other"), (None, "done -> not set")):
        with pytest.raises(RunConflictError, match=f"a different configuration .*--warm-start: {difference}"):
            search("jetson", "20ms", str(image_folder), **{**SMALL, "warm_start": other})
