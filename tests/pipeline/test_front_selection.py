"""Who stays on the front, who leaves it, and the reason given."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.pipeline import for_device, in_precisions
from fixtures.trained_models import with_labels, with_objectives, with_wrong

from edgenas.exporting.final_network import OfSpace
from edgenas.pipeline.final_model import FinalModel, finalist
from edgenas.pipeline.front_selection import front_of, kept_and_dropped
from edgenas.pipeline.result_assembly import result_of
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.space.precision_space import searched_as
from edgenas.vocabulary import Metric


@pytest.fixture
def session(session: Session) -> Session:
    """The session, with 100 validation images."""
    return with_labels(session)


@pytest.fixture
def finalists(final_models: list[FinalModel]) -> list[FinalModel]:
    """The fastest and the slowest, which get 2 and 1 of 100 images wrong."""
    return [with_wrong(final_models[0], [1, 2]), with_wrong(final_models[1], [3])]


def test_all_stay_when_none_is_shown_to_be_beaten(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    result = result_of(session, candidates, finalists, "complete")
    assert [model.id for model in result.front] == [finalist.id for finalist in finalists]
    assert [model.leads for model in result.front] == [True, True]
    assert [model.accuracy.kind for model in result.front] == ["validation", "validation"]
    assert [model.accuracy.value for model in result.front] == pytest.approx([0.98, 0.99])
    assert not result.dropped and not result.baselines
    assert result.metric == "top-1"


def test_a_slower_model_no_more_accurate_does_not_lead(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    level = [finalists[0], with_wrong(finalists[1], [5, 6])]
    assert [model.leads for model in result_of(session, candidates, level, "complete").front] == [True, False]


def test_a_slower_model_shown_to_be_worse_is_dropped_with_the_reason(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    worse = with_wrong(finalists[1], range(1, 11))
    result = result_of(session, candidates, [finalists[0], worse], "complete")
    assert [model.id for model in result.front] == [finalists[0].id]
    assert result.dropped[0].note == f"once trained, {finalists[0].id} is faster and 8.0 points more accurate"


@pytest.mark.parametrize(("wrong_in_int8", "stay"), [([1, 2], ["int8"]), ([1, 2, 3], ["int8", "fp32"])])
def test_of_a_network_in_two_precisions_the_slower_file_stays_if_it_is_better_at_all(
    session: Session, wrong_in_int8: list[int], stay: list[str]
) -> None:
    board = for_device(session, "raspberry-pi-5")
    mixed = in_precisions(board, "fp32", "int8")
    largest = mixed.space.largest
    wrong = {"fp32": [1, 2], "int8": wrong_in_int8}
    both = [
        with_wrong(
            finalist(mixed, searched_as(mixed.problem.space, precision, largest), None), wrong[precision]
        )
        for precision in mixed.predictor.parts
    ]
    assert both[1].latency.predicted < both[0].latency.predicted
    kept, dropped = kept_and_dropped(mixed, both)
    assert [each.precision for each in kept] == stay
    expected = {
        each: "the same network in int8 costs no more and is no worse" for each in wrong if each not in stay
    }
    assert {each.precision: each.note for each in dropped} == expected


@pytest.fixture
def faster_but_larger(session: Session, final_models: list[FinalModel]) -> list[FinalModel]:
    """Two networks of which the faster one has more parameters."""
    predict, space = session.predictor.predict, session.space
    rng = np.random.default_rng(0)
    while True:
        faster, slower = sorted((space.sample(rng) for _ in range(2)), key=session.problem.latency_ms)
        if space.parameters(faster) > space.parameters(slower):
            pair = [
                replace(final_models[0], id=a.id, network=OfSpace(space, a), latency=predict(a))
                for a in (faster, slower)
            ]
            return [with_wrong(pair[0], [1]), with_wrong(pair[1], range(1, 11))]


def test_a_model_that_is_beaten_but_cheaper_in_another_objective_stays(
    session: Session, candidates: list[Evaluated], faster_but_larger: list[FinalModel]
) -> None:
    two = result_of(session, candidates, faster_but_larger, "complete")
    assert [len(two.front), len(two.dropped)] == [1, 1]
    three = result_of(with_objectives(session, "params"), candidates, faster_but_larger, "complete")
    assert [model.leads for model in three.front] == [True, True]
    assert (three.dropped, three.objectives) == ((), ("accuracy", "latency", "params"))
    assert [m.latency_ms.predicted for m in three.front] == sorted(
        m.latency_ms.predicted for m in three.front
    )


def test_a_model_beaten_at_no_less_of_anything_is_dropped_with_the_reason(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    worse = with_wrong(finalists[1], range(1, 11))
    asked = with_objectives(session, "params", "peak-memory")
    result = result_of(asked, candidates, [finalists[0], worse], "complete")
    assert [model.id for model in result.front] == [finalists[0].id]
    note = f"once trained, {finalists[0].id} costs no more and is 8.0 points more accurate"
    assert result.dropped[0].note == note


def test_a_model_as_accurate_leads_where_it_is_cheaper_in_any_objective(
    session: Session, candidates: list[Evaluated], faster_but_larger: list[FinalModel]
) -> None:
    level = [with_wrong(final_model, [1]) for final_model in faster_but_larger]
    for asked, leads in ((session, [True, False]), (with_objectives(session, "params"), [True, True])):
        assert [model.leads for model in result_of(asked, candidates, level, "complete").front] == leads


COMMON, RARE = range(12), range(90, 100)
"""Twelve images of the common class; all of a rare one."""


@pytest.mark.parametrize(
    ("metric", "phrase"),
    [
        ("top-1", ""),
        ("macro-f1", "better in macro F1"),
        ("macro-recall", "better in macro recall"),
        ("macro-precision", "better in macro precision"),
    ],
)
def test_the_metric_decides_the_front_and_every_figure(
    metric: Metric,
    phrase: str,
    session: Session,
    candidates: list[Evaluated],
    final_models: list[FinalModel],
) -> None:
    """The slower one is right more often, but never about the rare class: only top-1 keeps it."""
    asked = replace(session, config=session.config.with_settings(metric=metric))
    faster, slower = with_wrong(final_models[0], COMMON), with_wrong(final_models[1], RARE)
    result = result_of(asked, candidates, [faster, slower], "complete")
    assert faster.trained and slower.trained
    lead = faster.trained.validation[metric] - slower.trained.validation[metric]
    note = f"once trained, {faster.id} is faster and {100 * lead:.1f} points {phrase}"
    assert [model.note for model in result.dropped] == ([] if metric == "top-1" else [note])
    assert result.metric == metric
    for model, final_model in zip((*result.front, *result.dropped), (faster, slower), strict=True):
        assert final_model.trained
        assert model.accuracy.value == model.accuracies.validation == final_model.trained.validation[metric]
        assert model.accuracies.test == 0.9
        assert model.scores.validation == final_model.trained.validation
        assert model.scores.test == final_model.trained.test


def test_a_model_measured_above_the_limit_is_dropped_with_the_reason(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    slow = replace(finalists[1], measured_ms=51.0)
    result = result_of(session, candidates, [finalists[0], slow], "complete")
    assert [model.id for model in result.front] == [finalists[0].id]
    assert result.dropped[0].note == "measured 51 ms, above the limit of 50 ms"
    assert result.dropped[0].latency_ms.measured == 51.0


def test_a_failed_finalist_is_dropped_with_its_reason(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    failed = replace(finalists[1], trained=None, note="training failed: the loss is nan")
    result = result_of(session, candidates, [finalists[0], failed], "complete")
    assert [model.note for model in result.dropped] == ["training failed: the loss is nan"]
    assert result.dropped[0].accuracy.value == 0.7  # what the search saw
    assert result.dropped[0].accuracy.kind == "supernet"


def test_failed_evaluations_are_never_on_the_front(session: Session, candidates: list[Evaluated]) -> None:
    failed = replace(candidates[0], accuracy=None, reason="out of memory")
    assert front_of(session.problem, [failed]) == []
    assert front_of(session.problem, [failed, candidates[1]]) == [candidates[1]]
