"""Who stays on the front, who leaves it, and the reason given."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.jobs.finalists import Finalist
from edgenas.jobs.outcome import front_of, result_of, shown_better
from edgenas.jobs.session import Session
from edgenas.search.loop import Evaluated

images = st.frozensets(st.integers(0, 200))


@given(images, images)
def test_no_two_models_are_each_shown_better_than_the_other(
    one: frozenset[int], other: frozenset[int]
) -> None:
    assert not (shown_better(one, other) and shown_better(other, one))
    assert not shown_better(one, one)


@pytest.mark.parametrize(
    ("wins", "losses", "better"), [(5, 0, True), (4, 0, False), (3, 1, False), (30, 12, True)]
)
def test_better_means_beyond_chance(wins: int, losses: int, better: bool) -> None:
    wrong, other_wrong = frozenset(range(losses)), frozenset(range(100, 100 + wins))
    assert shown_better(wrong, other_wrong) is better


def test_all_stay_when_none_is_shown_to_be_beaten(
    session: Session, candidates: list[Evaluated], finalists: list[Finalist]
) -> None:
    result = result_of(session, candidates, finalists, "complete")
    assert [model.id for model in result.front] == [finalist.id for finalist in finalists]
    assert [model.leads for model in result.front] == [True, True]
    assert [model.accuracy.kind for model in result.front] == ["validation", "validation"]
    assert not result.dropped


def test_a_slower_model_no_more_accurate_does_not_lead(
    session: Session, candidates: list[Evaluated], finalists: list[Finalist]
) -> None:
    level = [finalists[0], replace(finalists[1], validation=0.98)]
    assert [model.leads for model in result_of(session, candidates, level, "complete").front] == [True, False]


def test_a_slower_model_shown_to_be_worse_is_dropped_with_the_reason(
    session: Session, candidates: list[Evaluated], finalists: list[Finalist]
) -> None:
    worse = replace(finalists[1], validation=0.9, wrong=frozenset(range(1, 11)))
    result = result_of(session, candidates, [finalists[0], worse], "complete")
    assert [model.id for model in result.front] == [finalists[0].id]
    assert result.dropped[0].note == f"once trained, {finalists[0].id} is faster and 8.0 points more accurate"


def test_a_model_measured_above_the_limit_is_dropped_with_the_reason(
    session: Session, candidates: list[Evaluated], finalists: list[Finalist]
) -> None:
    slow = replace(finalists[1], measured_ms=51.0)
    result = result_of(session, candidates, [finalists[0], slow], "complete")
    assert [model.id for model in result.front] == [finalists[0].id]
    assert result.dropped[0].note == "measured 51 ms, above the limit of 50 ms"
    assert result.dropped[0].latency_ms.measured == 51.0


def test_a_failed_finalist_is_dropped_with_its_reason(
    session: Session, candidates: list[Evaluated], finalists: list[Finalist]
) -> None:
    failed = Finalist(candidates[1], note="training failed: the loss is nan")
    result = result_of(session, candidates, [finalists[0], failed], "complete")
    assert [model.note for model in result.dropped] == ["training failed: the loss is nan"]


def test_interrupted_before_finalists_the_front_is_the_searchs_own(
    session: Session, candidates: list[Evaluated]
) -> None:
    failed = Evaluated(candidates[1].architecture, None, 0.01, "out of memory")
    result = result_of(session, [*candidates, failed], [], "interrupted")
    assert [model.accuracy.kind for model in result.front] == ["supernet", "supernet"]
    assert all(model.onnx is None for model in result.front)
    assert front_of([failed]) == []


def test_estimated_latencies_are_said_with_the_command_that_measures(
    session: Session, candidates: list[Evaluated]
) -> None:
    notes = " ".join(result_of(session, candidates, [], "interrupted").notes)
    assert "estimated from the datasheet of cpu" in notes
    assert "edgenas profile --device cpu --resolution 16 --classes 3" in notes
