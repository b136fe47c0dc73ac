"""Who stays on the front, who leaves it, and the reason given."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgenas.accuracy.dataset import Split
from edgenas.accuracy.metrics import confusion, scores
from edgenas.device import Provenance
from edgenas.latency.predictor import LatencyPredictor
from edgenas.pipeline.final_model import FinalModel, Trained
from edgenas.pipeline.front_selection import front_of, result_of
from edgenas.pipeline.learning_record import record_curves
from edgenas.pipeline.session import Session
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.vocabulary import Metric, Objective

LABELS = np.repeat(np.arange(3), [80, 10, 10])
"""Of validation images: a common class, and two that are rare."""


@pytest.fixture
def session(session: Session) -> Session:
    """The session, with 100 validation images."""
    images = session.dataset.validation.images[:1].expand(len(LABELS), -1, -1, -1)
    split = Split(images, torch.tensor(LABELS))
    return replace(session, dataset=replace(session.dataset, validation=split))


def with_wrong(final_model: FinalModel, wrong: Iterable[int]) -> FinalModel:
    """The final_model trained, so that it takes these validation images for another class."""
    predicted = LABELS.copy()
    predicted[list(wrong)] = (predicted[list(wrong)] + 1) % 3
    found = scores(confusion(predicted, LABELS, 3))
    return replace(final_model, trained=Trained(tuple(predicted.tolist()), found, dict.fromkeys(found, 0.9)))


@pytest.fixture
def finalists(final_models: list[FinalModel]) -> list[FinalModel]:
    """The fastest and the slowest, which get 2 and 1 of 100 images wrong."""
    return [with_wrong(final_models[0], [1, 2]), with_wrong(final_models[1], [3])]


def by(session: Session, metric: Metric = "top-1", evaluator: str = "supernet") -> Session:
    return replace(session, config=session.config.with_settings(metric=metric, evaluator=evaluator))


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


def with_objectives(session: Session, *more: Objective) -> Session:
    objectives = ("accuracy", "latency", *more)
    return replace(
        session,
        config=session.config.with_settings(objective=",".join(objectives)),
        problem=replace(session.problem, objectives=objectives),
    )


@pytest.fixture
def faster_but_larger(session: Session, final_models: list[FinalModel]) -> list[FinalModel]:
    """Two networks of which the faster one has more parameters."""
    predict, space = session.predictor.predict, session.space
    rng = np.random.default_rng(0)
    while True:
        faster, slower = sorted((space.sample(rng) for _ in range(2)), key=session.problem.latency_ms)
        if space.parameters(faster) > space.parameters(slower):
            pair = [
                replace(final_models[0], id=a.id, architecture=a, latency=predict(a))
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


def test_hypervolume_has_a_side_for_each_objective(session: Session, candidates: list[Evaluated]) -> None:
    asked = with_objectives(session, "macs")
    corner = asked.problem.corner
    alone = result_of(asked, candidates[:1], [], "interrupted")
    costs = asked.problem.costs_of([candidates[0].architecture])[0]
    assert alone.hypervolume == pytest.approx(0.5 * (1 - costs / corner[1:]).prod())
    assert result_of(session, candidates[:1], [], "interrupted").hypervolume > alone.hypervolume


def test_peak_memory_is_always_told(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    result = result_of(session, candidates, [*finalists, baseline_of(finalists[0])], "complete")
    for model in (*result.front, *result.baselines):
        assert model.peak_memory_bytes is not None and model.peak_memory_bytes > 4 * model.params


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
    faster, slower = with_wrong(final_models[0], COMMON), with_wrong(final_models[1], RARE)
    result = result_of(by(session, metric), candidates, [faster, slower], "complete")
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


def baseline_of(final_model: FinalModel, wrong: Iterable[int] = ()) -> FinalModel:
    named = replace(final_model, id="mobilenet-v2", name="MobileNetV2 x0.35", searched=None)
    return with_wrong(named, wrong)


def test_a_baseline_stands_apart_and_neither_leaves_nor_drives_anyone_out(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    poor = with_wrong(finalists[1], range(20))
    best = baseline_of(finalists[0])  # faster than `poor`, and beyond chance better
    slow = replace(baseline_of(finalists[1], range(50)), measured_ms=80.0)
    result = result_of(session, candidates, [poor, best, slow], "complete")
    assert [model.id for model in result.front] == [poor.id]
    assert result.dropped == ()
    assert [model.name for model in result.baselines] == ["MobileNetV2 x0.35"] * 2
    assert [model.note for model in result.baselines] == ["", ""]
    assert [model.leads for model in result.baselines] == [False, False]
    assert [model.accuracy.kind for model in result.baselines] == ["validation", "validation"]
    assert all(model.accuracies.supernet is None for model in result.baselines)


def test_a_baseline_that_failed_stays_with_its_reason(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel]
) -> None:
    failed = replace(baseline_of(finalists[0]), trained=None, note="training failed: the loss is nan")
    result = result_of(session, candidates, [*finalists, failed], "complete")
    (model,) = result.baselines
    assert model.note == "training failed: the loss is nan"
    assert model.accuracies.validation is None and model.onnx is None


@pytest.mark.parametrize(("evaluator", "kind"), [("supernet", "supernet"), ("trained", "validation")])
def test_interrupted_before_finalists_the_front_is_the_searchs_own(
    evaluator: str, kind: str, session: Session, candidates: list[Evaluated]
) -> None:
    failed = Evaluated(candidates[1].architecture, None, 0.01, "out of memory")
    asked = by(session, evaluator=evaluator)
    result = result_of(asked, [*candidates, failed], [], "interrupted")
    assert [model.accuracy.kind for model in result.front] == [kind, kind]
    assert [model.accuracy.value for model in result.front] == [0.5, 0.7]
    assert all(model.onnx is None for model in result.front)
    assert front_of(session.problem, [failed]) == []


def test_failed_evaluations_are_counted_with_the_first_reason(
    session: Session, candidates: list[Evaluated]
) -> None:
    failures = [
        Evaluated(candidates[i].architecture, None, 0.01, reason)
        for i, reason in enumerate(("out of memory", "the loss is nan"))
    ]
    result = result_of(session, [*candidates, *failures], [], "interrupted")
    assert "2 evaluations failed, the first because: out of memory" in result.notes
    assert not any(
        "evaluations failed" in note for note in result_of(session, candidates, [], "complete").notes
    )


def test_what_a_time_budget_allowed_is_said(session: Session, candidates: list[Evaluated]) -> None:
    config = session.config.with_settings(time_budget="90s")
    asked = replace(session, config=config)
    said = "the time budget of 1 min 30 s allowed 2 of 4 evaluations"
    assert said in result_of(asked, candidates, [], "interrupted").notes
    session.store.record("supernet trained", epochs=12.345)
    assert f"{said}, and 12.3 epochs of the supernet" in result_of(asked, candidates, [], "complete").notes


def measured(session: Session, finalists: list[FinalModel], off: float) -> list[FinalModel]:
    """The finalists, slower by this share than predicted; the interval reaches from -5 to +5 %."""
    return [
        replace(
            each,
            measured_ms=(1 + off) * each.latency.predicted,
            latency=replace(
                each.latency,
                low=0.95 * each.latency.predicted,
                high=1.05 * each.latency.predicted,
            ),
        )
        for each in finalists
    ]


@pytest.mark.parametrize(("off", "said"), [(0.04, ""), (0.06, "6.0% more"), (-0.2, "20.0% less")])
def test_measured_latencies_that_are_off_are_said_once_and_on_stderr(
    session: Session, candidates: list[Evaluated], finalists: list[FinalModel], off: float, said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    entrants = measured(session, finalists, off)
    notes = [
        note for note in result_of(session, candidates, entrants, "complete").notes if "models take" in note
    ]
    told = (
        f"exported models take {said} than predicted (median of 2; the interval reaches from -5.0% to +5.0%)"
    )
    assert notes == ([told] if said else [])
    assert caplog.messages == notes


def test_from_a_table_the_way_to_mend_it_is_said_too(
    session: Session,
    candidates: list[Evaluated],
    finalists: list[FinalModel],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LatencyPredictor, "provenance", Provenance.MEASURED)
    notes = result_of(session, candidates, measured(session, finalists, 0.5), "complete").notes
    assert any("; see edgenas doctor, then profile again: edgenas profile --device cpu" in n for n in notes)


def test_the_last_moment_of_the_learning_is_in_the_result(
    session: Session, candidates: list[Evaluated]
) -> None:
    assert result_of(session, candidates, [], "interrupted").learning is None
    figures = dict.fromkeys(("expected_ms", "likeliest_ms", "loss", "entropy", "multiplier", "skips"), (0.5,))
    curve = Curve(target_ms=4.0, **figures)
    done = {"gates": "full", "latency_loss": "constraint", "warm_up": 0.2, "done": (0.4,)}
    record_curves(session.store, Curves(**done, finished=False, targets=(curve,)))
    learning = result_of(session, candidates, [], "interrupted").learning
    assert learning is not None and not learning.finished
    assert [target.target_ms for target in learning.targets] == [4.0]


def test_estimated_latencies_are_said_with_the_command_that_measures(
    session: Session, candidates: list[Evaluated]
) -> None:
    notes = " ".join(result_of(session, candidates, [], "interrupted").notes)
    assert "estimated from the datasheet of cpu" in notes
    assert "edgenas profile --device cpu --resolution 16 --classes 3" in notes
