import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgenas.device import Provenance
from edgenas.errors import RunConflictError
from edgenas.latency.latency import Latency
from edgenas.storage import run_store as module
from edgenas.storage.run_store import Evaluation, RunStore


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
    store.record("plan", epochs=3)
    again = reopened(store)
    assert again.evaluations() == [evaluation(), evaluation("cd", None, "the loss is nan")]
    assert again.events("plan") == [{"epochs": 3}]
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
            id=texts,
            choices=st.lists(texts).map(tuple),
            accuracy=st.none() | st.floats(0, 1),
            kind=texts,
            latency=st.builds(
                Latency,
                predicted=st.floats(0, 1e9),
                low=st.floats(0, 1e9),
                high=st.floats(0, 1e9),
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
    with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: evaluations\.id"):
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
        RunConflictError,
        match=r"run\.sqlite: cannot be used \(file is not a database\); delete it, or use another --run",
    ):
        RunStore(path)
    assert path.read_bytes() == content


def test_a_store_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RunConflictError, match=r"run\.sqlite: cannot be used \(unable to open database file\)"
    ):
        RunStore(tmp_path / "missing" / "run.sqlite")
