import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.device import Provenance
from edgenas.errors import FileFormatError, RunConflictError
from edgenas.formats import MAX_MS
from edgenas.latency.latency import Latency
from edgenas.space import MBConvSpace
from edgenas.storage import run_store as module
from edgenas.storage.run_store import Evaluation, RunStore
from edgenas.vocabulary import MODEL_ID


def evaluation(id_: str = "ab", accuracy: float | None = 0.5, reason: str = "") -> Evaluation:
    return Evaluation(
        id_,
        ("k3e3", "skip"),
        accuracy,
        "supernet",
        Latency(1.25, 0.6, 2.5, Provenance.ESTIMATED),
        reason,
        0.1,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore(tmp_path / "run.sqlite")
    yield store
    store.close()


def reopened(store: RunStore) -> RunStore:
    store.close()
    return RunStore(store.path)


def test_evaluations_come_back_in_the_order_they_were_made(store: RunStore) -> None:
    made = [evaluation(id_) for id_ in ("c", "a", "b")]
    for one in made:
        store.add(one)
    assert store.evaluations() == made


def test_everything_survives_reopening(store: RunStore) -> None:
    store.add(evaluation())
    store.add(evaluation("cd", None, "the loss is nan"))
    store.record("supernet trained", epochs=3.0)
    again = reopened(store)
    assert again.evaluations() == [evaluation(), evaluation("cd", None, "the loss is nan")]
    assert again.events("supernet trained") == [{"epochs": 3.0}]
    again.close()


def test_an_evaluation_is_on_disk_before_the_next_and_without_closing(store: RunStore) -> None:
    for number in range(3):
        store.add(evaluation(str(number)))
        reader = sqlite3.connect(store.path)
        assert reader.execute("SELECT COUNT(*) FROM evaluations").fetchone() == (number + 1,)
        reader.close()


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    st.lists(
        st.builds(
            Evaluation,
            id=st.from_regex(MODEL_ID, fullmatch=True),
            choices=st.lists(texts).map(tuple),
            accuracy=st.none() | st.floats(0, 1),
            kind=st.sampled_from(["supernet", "validation", "test"]),
            latency=st.builds(
                Latency,
                predicted=st.floats(0, MAX_MS),
                low=st.floats(0, MAX_MS),
                high=st.floats(0, MAX_MS),
                provenance=st.sampled_from(Provenance),
                measured=st.none(),
            ),
            reason=texts,
            seconds=st.floats(0, 1e9),
        ),
        unique_by=lambda one: one.id,
        max_size=5,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_evaluation_comes_back_as_it_was(tmp_path: Path, made: list[Evaluation]) -> None:
    (tmp_path / "any.sqlite").unlink(missing_ok=True)
    store = RunStore(tmp_path / "any.sqlite")
    for one in made:
        store.add(one)
    assert store.evaluations() == made
    store.close()


def test_an_id_cannot_be_added_twice(store: RunStore) -> None:
    store.add(evaluation())
    with pytest.raises(FileFormatError, match=r"damaged \(UNIQUE constraint failed: evaluations\.id\)"):
        store.add(evaluation(accuracy=0.9))
    assert store.evaluations() == [evaluation()]


def test_events_are_kept_by_name_oldest_first(store: RunStore) -> None:
    store.record("note", text="one")
    store.record("other", text="two", more=[1, None])
    store.record("note", text="three")
    assert store.events("note") == [{"text": "one"}, {"text": "three"}]
    assert store.events("other") == [{"text": "two", "more": [1, None]}]
    assert store.events("none") == []


def test_the_last_event_is_the_newest_that_matches(store: RunStore) -> None:
    for id_, test in (("a", 1), ("b", 2), ("a", 3)):
        store.record("finalist", id=id_, test=test)
    assert store.last_event("finalist") == {"id": "a", "test": 3}
    assert store.last_event("finalist", id="b") == {"id": "b", "test": 2}
    assert store.last_event("finalist", id="c") is None
    assert store.last_event("finalist", colour="red") is None


def test_an_attempt_that_ends_in_any_way_is_forgotten(store: RunStore) -> None:
    for error in (KeyboardInterrupt, RunConflictError):
        with pytest.raises(error), store.attempt("ab") as deaths:
            assert deaths == 0
            raise error("in the middle")
    with store.attempt("ab") as deaths:
        assert deaths == 0


def test_attempts_during_which_the_process_died_are_counted_until_one_ends(store: RunStore) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from edgenas.storage.run_store import RunStore;"
        "attempt = RunStore(Path(sys.argv[1])).attempt('ab'); attempt.__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    for expected in (1, 2):
        done = subprocess.run([sys.executable, "-c", code, str(store.path)], check=False)
        assert done.returncode == -signal.SIGKILL
        row = sqlite3.connect(store.path).execute("SELECT id, count FROM attempts").fetchall()
        assert row == [("ab", expected)]
    with store.attempt("cd") as others:
        assert others == 0
    with store.attempt("ab") as deaths:
        assert deaths == 2
    with store.attempt("ab") as deaths:
        assert deaths == 0


@pytest.mark.parametrize("count", ["many", b"\0", -1, 2**63 - 1, 1.5])
def test_attempts_that_are_no_number_are_told(store: RunStore, count: object) -> None:
    path = changed(store, "INSERT INTO attempts VALUES ('ab', ?)", count)
    told = r"run\.sqlite: is damaged \(attempts\.count is no count\)"
    with (
        closing(RunStore(path)) as again,
        pytest.raises(FileFormatError, match=told),
        again.attempt("ab"),
    ):
        pass


def test_phases_add_up_over_sessions_also_when_interrupted(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 2.5, 10.0, 11.0, 20.0, 24.0])
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: next(now)), "time": staticmethod(time.time)})
    monkeypatch.setattr(module, "time", clock)
    with store.timed("search"):
        pass
    with pytest.raises(KeyboardInterrupt), store.timed("search"):
        raise KeyboardInterrupt
    with store.timed("export"):
        pass
    assert store.seconds() == {"search": 3.5, "export": 4.0}


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "run.sqlite", b"no database, but long enough to be read as one" * 30
    path.write_bytes(content)
    with pytest.raises(
        FileFormatError,
        match=r"run\.sqlite: is damaged \(file is not a database\); restore it from a copy, or use another run",
    ):
        RunStore(path)
    assert path.read_bytes() == content


def test_a_store_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    told = r"run\.sqlite: cannot be used: its folder may not be written, or the disk is full \(unable to open database"
    with pytest.raises(RunConflictError, match=told):
        RunStore(tmp_path / "missing" / "run.sqlite")


@pytest.mark.parametrize("writable", [True, False])
def test_what_can_still_be_used_of_a_run_with_a_damaged_store_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "run/front.json",
        "run/models/ab.safetensors",
        "run/models/cd.training.safetensors",
        "exports/run/x",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("run/run.sqlite").write_bytes(b"none" * 1000)
    told = r"; still usable: front\.json, 1 trained model, exports/run/; restore it from a copy, or use another run$"
    with pytest.raises(FileFormatError, match=told):
        RunStore(Path("run/run.sqlite"), writable)


def changed(store: RunStore, statement: str, *values: object) -> Path:
    """The file of a store in which one evaluation, and then a statement, were committed."""
    store.add(evaluation())
    store.record("note", text="hello")
    store.close()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.execute(statement, values)
        connection.commit()
    return store.path


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "../../w"),
        ("id", b"\xff\xfe"),
        ("choices", "NaN"),
        ("choices", "[1]"),
        ("choices", '["\\ud800"]'),
        ("choices", "[" * 100_000),
        ("accuracy", '["a"]'),
        ("accuracy", 1.5),
        ("accuracy", float("inf")),
        ("kind", "guess"),
        ("predicted_ms", b"\xff\xfe"),
        ("predicted_ms", 1e9),
        ("low_ms", -1.0),
        ("high_ms", '{"phase": 3}'),
        ("provenance", "x"),
        ("reason", b"\xff"),
        ("seconds", "soon"),
    ],
)
def test_a_value_that_an_evaluation_cannot_have_is_refused(
    store: RunStore, column: str, value: object
) -> None:
    path = changed(store, f"UPDATE evaluations SET {column} = ?", value)
    with closing(RunStore(path)) as again, pytest.raises(FileFormatError, match=rf"is damaged \({column}"):
        again.evaluations()


def test_text_that_is_no_text_is_refused(store: RunStore) -> None:
    path = changed(store, "UPDATE evaluations SET reason = CAST(x'ff' AS TEXT)")
    with closing(RunStore(path)) as again, pytest.raises(FileFormatError, match="Could not decode to UTF-8"):
        again.evaluations()


@pytest.mark.parametrize("payload", ["{", "[]", '{"text": 3}', "NaN", b"\xff", 7, '{"text": "\\ud800"}'])
def test_an_event_that_is_not_what_its_name_says_is_refused(store: RunStore, payload: object) -> None:
    path = changed(store, "UPDATE events SET payload = ?", payload)
    with closing(RunStore(path)) as again, pytest.raises(FileFormatError, match="is damaged"):
        again.last_event("note")


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE evaluations RENAME COLUMN reason TO reasom", "no such column: reason"),
        ("DROP TABLE events", "no such table: events"),
    ],
)
def test_a_missing_column_or_table_is_told_before_anything_is_evaluated(
    store: RunStore, statement: str, told: str, writable: bool
) -> None:
    path = changed(store, statement)
    with pytest.raises(FileFormatError, match=rf"is damaged \({told}\)"):
        RunStore(path, writable)


def test_half_a_page_is_told(store: RunStore) -> None:
    for number in range(200):
        store.add(evaluation(f"{number:010x}"))
    store.close()
    content = bytearray(store.path.read_bytes())
    content[-2048:] = bytes(2048)
    store.path.write_bytes(content)
    with pytest.raises(FileFormatError, match="is damaged"):
        RunStore(store.path)


def test_a_truncated_store_is_told(store: RunStore) -> None:
    store.add(evaluation())
    store.close()
    store.path.write_bytes(store.path.read_bytes()[:10_000])
    with pytest.raises(FileFormatError, match="is damaged"):
        RunStore(store.path)


def test_a_store_is_read_while_another_process_writes(store: RunStore) -> None:
    store.add(evaluation())
    with closing(RunStore(store.path, writable=False)) as reader:
        assert reader.evaluations() == [evaluation()]
        with pytest.raises(RunConflictError, match="it may not be written"):
            reader.record("note", text="x")


def test_only_reading_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"run\.sqlite: is damaged \(it is missing\)"):
        RunStore(tmp_path / "run.sqlite", writable=False)
    assert list(tmp_path.iterdir()) == []


def test_another_process_that_holds_the_store_is_told(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        store._connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(RunConflictError, match=r"another process holds it .*; wait for that"):
            store.add(evaluation())


def test_a_full_disk_says_so(store: RunStore) -> None:
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    told = r"the disk is full \(database or disk is full\); free some space there, and repeat the command: it"
    with pytest.raises(RunConflictError, match=told):
        store.record("note", text="x" * 100_000)


@pytest.mark.parametrize("begun_anew", [True, False])
def test_a_folder_that_is_gone_is_told_at_the_next_commit(tmp_path: Path, begun_anew: bool) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with closing(RunStore(folder / "run.sqlite")) as store:
        shutil.rmtree(folder)
        if begun_anew:
            folder.mkdir()
            RunStore(folder / "run.sqlite").close()
        for action in (lambda: store.add(evaluation()), store.evaluations, store.check_place):
            with pytest.raises(
                RunConflictError, match=r"run was removed, moved or replaced while its run was in"
            ):
                action()


def test_choices_of_another_space_are_told(store: RunStore, tiny_space: MBConvSpace) -> None:
    store.add(evaluation())
    with pytest.raises(FileFormatError, match=r"is damaged \(2 choices for space mbconv"):
        store.evaluations_in(tiny_space)


@pytest.mark.parametrize("bytes_changed", [1, 5, 50])
def test_whatever_bytes_change_nothing_but_an_error_of_edgenas_comes_out(
    store: RunStore, tmp_path: Path, bytes_changed: int
) -> None:
    for number in range(20):
        store.add(evaluation(f"{number:010x}"))
        store.record("trained", id=f"{number:010x}", note="", predicted=[0], validation={}, test={})
    store.close()
    whole, path = store.path.read_bytes(), tmp_path / "mutant.sqlite"
    for _ in range(60):
        content = bytearray(whole)
        for _ in range(bytes_changed):
            content[random.randrange(len(content))] = random.randrange(256)
        path.write_bytes(content)
        for writable in (False, True):
            with suppress(FileFormatError, RunConflictError), closing(RunStore(path, writable)) as mutant:
                mutant.evaluations()
                mutant.events("trained")
                if writable:
                    mutant.record("note", text="x")
