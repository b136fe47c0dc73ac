"""From what the phases found to the result: which finalists stay on the front, and why the others do not."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgenas.accuracy.evaluator import AccuracyKind
from edgenas.accuracy.metrics import METRIC_NAMES, significantly_better
from edgenas.device import Provenance
from edgenas.latency.predictor import profile_command
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.learning_record import learning_of
from edgenas.pipeline.session import Session
from edgenas.searchers.front import hypervolume, non_dominated
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import TWO, Problem
from edgenas.settings.declaration import name_of
from edgenas.space.costs import peak_memory_bytes
from edgenas.storage.search_result import (
    Accuracies,
    AccuracyFigure,
    Constraint,
    Model,
    Scores,
    SearchResult,
)
from edgenas.units import format_milliseconds, format_seconds

OVERRUN = 1.1
"""A time budget is kept within a tenth; more is said."""

DISAGREEMENT = 0.1
"""Median share by which measured latencies may be off their predictions unsaid, however wide the intervals."""

log = logging.getLogger(__name__)


def front_of(problem: Problem, evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The evaluated architectures no other one dominates, fastest first; failures never are."""
    valid = succeeded(evaluated)
    return [valid[i] for i in non_dominated(points(problem, valid))]


def succeeded(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """Those whose evaluation did not fail."""
    return [e for e in evaluated if e.accuracy is not None]


def points(problem: Problem, evaluated: Sequence[Evaluated]) -> NDArray[np.float64]:
    """Error and the problem's costs of each, shape (n, objectives)."""
    errors = [1 - (e.accuracy or 0.0) for e in evaluated]
    return np.column_stack([errors, problem.costs_of([e.architecture for e in evaluated])])


def result_of(
    session: Session,
    evaluated: Sequence[Evaluated],
    final_models: Sequence[FinalModel],
    status: Literal["complete", "interrupted"],
) -> SearchResult:
    """Assemble the result. Without final_models (interrupted) the front is the search's own, untrained."""
    finalists = [final_model for final_model in final_models if not final_model.name]
    entrants = finalists or [
        _untrained(session, candidate) for candidate in front_of(session.problem, evaluated)
    ]
    kept, dropped = _sort_out(session, entrants)
    return SearchResult(
        run=session.folder.name,
        status=status,
        device=session.config.device.name,
        data=name_of(session.settings.data),
        searcher=name_of(session.settings.searcher),
        metric=session.settings.metric,
        objectives=session.problem.objectives,
        seed=session.settings.seed,
        evaluations=len(evaluated),
        constraint=_constraint(session),
        hypervolume=hypervolume(points(session.problem, succeeded(evaluated)), session.problem.corner),
        chosen=session.chosen,
        learning=learning_of(session.store, session.chosen),
        front=_with_leaders(session, kept),
        dropped=tuple(_model(session, finalist) for finalist in dropped),
        baselines=tuple(_model(session, final_model) for final_model in final_models if final_model.name),
        seconds=session.store.seconds(),
        notes=tuple(_notes(session, evaluated, finalists, kept)),
        report=str(session.folder.report),
    )


def _untrained(session: Session, candidate: Evaluated) -> FinalModel:
    architecture = candidate.architecture
    latency = session.predictor.predict(architecture)
    return FinalModel(architecture.id, session.space, architecture, latency, candidate.accuracy)


def _sort_out(session: Session, finalists: list[FinalModel]) -> tuple[list[FinalModel], list[FinalModel]]:
    """Fastest first: those that stay, and those that do not, with the reason in their note.

    The search found them; trained accuracies decide. A model leaves the front where one that costs no more is shown to
    be better, not where it merely got a few more of the validation images right by chance.
    """
    kept: list[FinalModel] = []
    dropped: list[FinalModel] = []
    costs = session.problem.costs_of([finalist.architecture for finalist in finalists])
    cost_of = {finalist.id: row for finalist, row in zip(finalists, costs, strict=True)}
    for finalist in sorted(finalists, key=lambda f: tuple(cost_of[f.id])):
        cheaper = [other for other in kept if (cost_of[other.id] <= cost_of[finalist.id]).all()]
        note = finalist.note or _missed_limit(session, finalist) or _beaten_by(session, finalist, cheaper)
        (dropped if note else kept).append(replace(finalist, note=note))
    return kept, dropped


def _missed_limit(session: Session, finalist: FinalModel) -> str:
    limit_ms = session.settings.max_latency_ms
    if finalist.measured_ms is None or finalist.measured_ms <= limit_ms:
        return ""
    return f"measured {format_milliseconds(finalist.measured_ms)}, above the limit of {limit_ms:g} ms"


def _beaten_by(session: Session, finalist: FinalModel, cheaper: Sequence[FinalModel]) -> str:
    metric, classes = session.settings.metric, len(session.dataset.classes)
    labels = session.dataset.validation.labels.numpy()
    for other in cheaper:
        if not (finalist.trained and other.trained):
            continue
        mine, theirs = (np.array(each.trained.predicted) for each in (finalist, other) if each.trained)
        if significantly_better(theirs, mine, labels, classes, metric):
            better = "more accurate" if metric == "top-1" else f"better in {METRIC_NAMES[metric]}"
            lead = 100 * (other.trained.validation[metric] - finalist.trained.validation[metric])
            is_faster = "is faster and" if session.problem.objectives == TWO else "costs no more and is"
            return f"once trained, {other.id} {is_faster} {lead:.1f} points {better}"
    return ""


def _model(session: Session, final_model: FinalModel) -> Model:
    architecture, space, metric = final_model.architecture, final_model.space, session.settings.metric
    trained, exported = final_model.trained, final_model.exported
    kind: AccuracyKind = "validation" if trained else session.search_kind
    figures: dict[AccuracyKind, float | None] = {session.search_kind: final_model.searched}
    if trained:
        figures |= {"validation": trained.validation[metric], "test": trained.test[metric]}
    return Model(
        id=final_model.id,
        name=final_model.name,
        architecture=space.document(architecture),
        accuracy=AccuracyFigure(value=figures[kind] or 0.0, kind=kind),
        accuracies=Accuracies.model_validate(figures),
        scores=Scores(validation=trained.validation, test=trained.test) if trained else Scores(),
        latency_ms=replace(final_model.latency, measured=final_model.measured_ms),
        params=space.parameters(architecture),
        macs=space.macs(architecture),
        peak_memory_bytes=peak_memory_bytes(space, architecture),
        onnx=str(exported.path) if exported else None,
        max_abs_error=exported.max_abs_error if exported else None,
        note=final_model.note,
    )


def _with_leaders(session: Session, kept: Sequence[FinalModel]) -> tuple[Model, ...]:
    """Each as a model; marked where no other is at least as good in every objective."""
    models = [_model(session, final_model) for final_model in kept]
    errors = [1 - model.accuracy.value for model in models]
    costs = session.problem.costs_of([final_model.architecture for final_model in kept])
    leading = set(non_dominated(np.column_stack([errors, costs])).tolist())
    return tuple(model.model_copy(update={"leads": i in leading}) for i, model in enumerate(models))


def _constraint(session: Session) -> Constraint:
    problem = session.problem
    slowest_ms = problem.latency_ms(problem.predictor.slowest())
    return Constraint(
        max_latency_ms=problem.max_latency_ms,
        fastest_ms=problem.latency_ms(problem.predictor.fastest()),
        slowest_ms=slowest_ms,
        binding=slowest_ms > problem.max_latency_ms,
    )


def _disagreement(session: Session, finalists: Sequence[FinalModel]) -> str:
    """What to say where exported models take another time than predicted; empty where they do not."""
    relative = [
        np.array([each.measured_ms, each.latency.low, each.latency.high]) / each.latency.predicted
        for each in finalists
        if each.measured_ms is not None
    ]
    if not relative:
        return ""
    off, low, high = np.median(relative, axis=0) - 1
    if low <= off <= high and abs(off) <= DISAGREEMENT:
        return ""
    told = (
        f"exported models take {abs(off):.1%} {'more' if off > 0 else 'less'} than predicted (median of "
        f"{len(relative)}; the interval reaches from {low:+.1%} to {high:+.1%})"
    )
    if session.predictor.provenance is Provenance.ESTIMATED:
        return told  # without a table there is another note, on how to make one
    command = profile_command(session.space, session.config.device)
    return f"{told}; see edgenas doctor, then profile again: {command}"


def _notes(
    session: Session,
    evaluated: Sequence[Evaluated],
    finalists: Sequence[FinalModel],
    kept: Sequence[FinalModel],
) -> list[str]:
    device, predictor, constraint = session.config.device, session.predictor, _constraint(session)
    notes = [event["text"] for event in session.store.events("note")]
    failed = [e for e in evaluated if e.accuracy is None]
    if failed:
        notes.append(f"{len(failed)} evaluations failed, the first because: {failed[0].reason}")
    if session.settings.time_budget_s is not None:
        trained = session.store.last_event("supernet trained")
        epochs = f", and {trained['epochs']:.3g} epochs of the supernet" if trained else ""
        notes.append(
            f"the time budget of {format_seconds(session.settings.time_budget_s)} allowed {len(evaluated)} of "
            f"{session.settings.evaluations} evaluations{epochs}"
        )
        spent_s = sum(session.store.seconds().values())
        if spent_s > OVERRUN * session.settings.time_budget_s:
            notes.append(f"the run took {format_seconds(spent_s)}, more than its time budget")
    if session.chosen in {each.architecture.id for each in failed}:
        notes.append(
            f"{session.chosen}, learnt for the limit itself, is not on the front: its evaluation failed"
        )
    elif session.chosen and kept and session.chosen not in {final_model.id for final_model in kept}:
        notes.append(f"{session.chosen}, learnt for the limit itself, is not on the front: it was dropped")
    if told := _disagreement(session, finalists):
        log.warning("%s", told)
        notes.append(told)
    limit_ms = constraint.max_latency_ms
    above = sum(f.latency.high > limit_ms for f in kept)
    if above:
        notes.append(
            f"the limit holds for predicted latencies; the intervals of {above} models reach above {limit_ms:g} ms"
        )
    if not constraint.binding:
        slowest = predictor.predict(predictor.slowest()).text
        notes.append(
            f"the limit of {constraint.max_latency_ms:g} ms does not bind: the slowest network of the space "
            f"takes {slowest}"
        )
    if predictor.provenance is Provenance.ESTIMATED:
        hint = f"; to measure: {profile_command(session.space, device)}" if device.is_host else ""
        notes.append(f"latencies are estimated from the datasheet of {device.name}: it has no table{hint}")
    return notes
