"""What a run's store keeps of how an architecture was learnt."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgenas.errors import FileFormatError
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.storage.learning_record import learning_of, record_curves, recorded_curves
from edgenas.storage.run_store import RunStore
from edgenas.storage.search_result import TargetLearning


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    store = RunStore(tmp_path / "run.sqlite")
    yield store
    store.close()


def make_curves(*done: float, finished: bool = True, **changes: Any) -> Curves:
    """One target of 4 ms, whose figures are the moments themselves."""
    names = ("expected_ms", "likeliest_ms", "loss", "entropy", "multiplier", "skips")
    curve = Curve(target_ms=4.0, **{**dict.fromkeys(names, done), **changes})
    return Curves(
        gates="full", latency_loss="constraint", warm_up=0.1, done=done, finished=finished, targets=(curve,)
    )


def test_nothing_recorded_is_no_learning(store: RunStore) -> None:
    assert recorded_curves(store) is None
    assert learning_of(store, None) is None


def test_of_interrupted_learnings_the_newest_counts(store: RunStore) -> None:
    for far in (0.3, 0.6):
        record_curves(store, make_curves(far, finished=False))
    assert recorded_curves(store) == make_curves(0.6, finished=False)


def test_curves_without_a_moment_do_not_hide_those_before(store: RunStore) -> None:
    record_curves(store, make_curves(0.3, finished=False))
    record_curves(store, make_curves(finished=False))
    assert recorded_curves(store) == make_curves(0.3, finished=False)


def test_a_learning_that_has_ended_counts_before_interrupted_ones(store: RunStore) -> None:
    record_curves(store, make_curves(0.3, 1.0))
    record_curves(store, make_curves(0.6, finished=False))
    assert recorded_curves(store) == make_curves(0.3, 1.0)


def test_a_record_from_before_it_could_be_unfinished_has_ended(store: RunStore) -> None:
    old = make_curves(0.3, 1.0).model_dump(mode="json")
    del old["finished"]
    store.record("architecture learnt", **old)
    assert recorded_curves(store) == make_curves(0.3, 1.0)


def test_the_last_moment_is_told_within_its_bounds(store: RunStore) -> None:
    rounded = {"entropy": (0.9, 1 + 1e-10), "skips": (0.1, -1e-10), "multiplier": (0.0, -7.5)}
    record_curves(store, make_curves(0.3, 0.6, finished=False, **rounded))
    learning = learning_of(store, "0123456789")
    assert learning is not None
    assert (learning.finished, learning.chosen) == (False, "0123456789")
    (target,) = learning.targets
    assert target == TargetLearning(
        target_ms=4, expected_ms=0.6, most_likely_ms=0.6, price_nats_per_ms=-7.5, entropy=1, skip_share=0
    )


def test_a_damaged_record_names_its_field(store: RunStore) -> None:
    store.record("architecture learnt so far", gates="full")
    with pytest.raises(FileFormatError, match=r"run\.sqlite: is damaged \(latency_loss: Field required\)"):
        recorded_curves(store)
