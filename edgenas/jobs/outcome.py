"""From what the phases found to the result: which finalists stay on the front, and why the others do not."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from edgenas.device import Provenance
from edgenas.jobs.finalists import Finalist
from edgenas.jobs.session import Session
from edgenas.latency.predictor import profile_command
from edgenas.run.result import (
    Accuracies,
    AccuracyFigure,
    Constraint,
    LatencyFigures,
    Model,
    SearchResult,
)
from edgenas.search.front import hypervolume, non_dominated
from edgenas.search.loop import Evaluated
from edgenas.units import format_milliseconds, format_seconds

SIGNIFICANCE = 0.05
"""Chance, at most, of dropping a model for a faster one that is no better."""


def front_of(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The evaluated architectures no other one dominates, fastest first; failures never are."""
    valid = succeeded(evaluated)
    return [valid[i] for i in non_dominated(objectives(valid))]


def succeeded(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """Those whose evaluation did not fail."""
    return [e for e in evaluated if e.accuracy is not None]


def objectives(evaluated: Sequence[Evaluated]) -> NDArray[np.float64]:
    """(error, predicted milliseconds) of each, shape (n, 2)."""
    return np.array([[1 - (e.accuracy or 0.0), e.latency_ms] for e in evaluated]).reshape(-1, 2)


def result_of(
    session: Session,
    evaluated: Sequence[Evaluated],
    finalists: Sequence[Finalist],
    status: Literal["complete", "interrupted"],
) -> SearchResult:
    """Assemble the result. Without finalists (interrupted) the front is the search's own, untrained."""
    entrants = list(finalists) or [Finalist(candidate) for candidate in front_of(evaluated)]
    kept, dropped = _sort_out(session, entrants)
    limit_ms = session.config.max_latency_ms
    return SearchResult(
        run=session.folder.name,
        status=status,
        device=session.config.device.name,
        data=session.config.data,
        searcher=session.config.searcher,
        seed=session.config.seed,
        evaluations=len(evaluated),
        constraint=_constraint(session),
        hypervolume=hypervolume(objectives(succeeded(evaluated)), np.array([1.0, limit_ms])),
        front=_with_leaders(_model(session, finalist) for finalist in kept),
        dropped=tuple(_model(session, finalist) for finalist in dropped),
        seconds=session.store.seconds(),
        notes=tuple(_notes(session, kept)),
        report=str(session.folder.report),
    )


def shown_better(wrong: frozenset[int], other_wrong: frozenset[int]) -> bool:
    """Whether a model is better than another on the same images beyond chance (exact McNemar test, one-sided).

    Args:
        wrong: the images it gets wrong.
        other_wrong: the images the other gets wrong.
    """
    wins, losses = len(other_wrong - wrong), len(wrong - other_wrong)
    if wins <= losses:
        return False
    return bool(binomtest(wins, wins + losses, alternative="greater").pvalue < SIGNIFICANCE)


def _sort_out(session: Session, finalists: list[Finalist]) -> tuple[list[Finalist], list[Finalist]]:
    """Fastest first: those that stay, and those that do not, with the reason in their note.

    The search found them; trained accuracies decide. A model leaves the front where a faster one is shown to
    be better, not where it merely got a few more of the validation images right by chance.
    """
    kept: list[Finalist] = []
    dropped: list[Finalist] = []
    for finalist in sorted(finalists, key=lambda f: f.candidate.latency_ms):
        note = finalist.note or _missed_limit(session, finalist) or _beaten_by(finalist, kept)
        (dropped if note else kept).append(replace(finalist, note=note))
    return kept, dropped


def _missed_limit(session: Session, finalist: Finalist) -> str:
    limit_ms = session.config.max_latency_ms
    if finalist.measured_ms is None or finalist.measured_ms <= limit_ms:
        return ""
    return f"measured {format_milliseconds(finalist.measured_ms)}, above the limit of {limit_ms:g} ms"


def _beaten_by(finalist: Finalist, faster: Sequence[Finalist]) -> str:
    for other in faster:
        if other.validation and finalist.validation and shown_better(other.wrong, finalist.wrong):
            lead = 100 * (other.validation - finalist.validation)
            return f"once trained, {other.id} is faster and {lead:.1f} points more accurate"
    return ""


def _model(session: Session, finalist: Finalist) -> Model:
    candidate = finalist.candidate
    architecture, space = candidate.architecture, session.space
    latency = session.problem.predictor.predict(architecture)
    trained = finalist.validation is not None
    exported = finalist.exported
    return Model(
        id=architecture.id,
        architecture=space.document(architecture),
        accuracy=AccuracyFigure(
            value=(finalist.validation if trained else candidate.accuracy) or 0.0,
            kind="validation" if trained else "supernet",
        ),
        accuracies=Accuracies(
            supernet=candidate.accuracy, validation=finalist.validation, test=finalist.test
        ),
        latency_ms=LatencyFigures(
            predicted=latency.predicted_ms,
            low=latency.low_ms,
            high=latency.high_ms,
            measured=finalist.measured_ms,
        ),
        provenance=latency.provenance,
        params=space.parameters(architecture),
        macs=space.macs(architecture),
        onnx=str(exported.path) if exported else None,
        max_abs_error=exported.max_abs_error if exported else None,
        note=finalist.note,
    )


def _with_leaders(models: Iterable[Model]) -> tuple[Model, ...]:
    """Mark, fastest first, each model that is more accurate than every faster one."""
    best, marked = -1.0, []
    for model in models:
        marked.append(model.model_copy(update={"leads": model.accuracy.value > best}))
        best = max(best, model.accuracy.value)
    return tuple(marked)


def _constraint(session: Session) -> Constraint:
    problem = session.problem
    slowest_ms = problem.latency_ms(problem.predictor.slowest())
    return Constraint(
        max_latency_ms=problem.max_latency_ms,
        fastest_ms=problem.latency_ms(problem.predictor.fastest()),
        slowest_ms=slowest_ms,
        binding=slowest_ms > problem.max_latency_ms,
    )


def _notes(session: Session, kept: Sequence[Finalist]) -> list[str]:
    device, predictor, constraint = session.config.device, session.problem.predictor, _constraint(session)
    notes = [event["text"] for event in session.store.events("note")]
    if session.config.time_budget_s is not None:
        notes.append(
            f"the time budget of {format_seconds(session.config.time_budget_s)} allowed "
            f"{session.plan.evaluations} of {session.config.evaluations} evaluations, and "
            f"{session.plan.supernet.epochs} epochs of the supernet where the size of the data asks for "
            f"{session.config.supernet_recipe.epochs}"
        )
    limit_ms = constraint.max_latency_ms
    above = sum(predictor.predict(f.candidate.architecture).high_ms > limit_ms for f in kept)
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
        mend = f"; to measure: {profile_command(session.space, device)}" if device.is_host else ""
        notes.append(f"latencies are estimated from the datasheet of {device.name}: it has no table{mend}")
    return notes
