"""Which models belong on the front: of the evaluated architectures, and of the finalists once they are trained."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgenas.accuracy.accuracy_model import Surrogate
from edgenas.accuracy.metrics import METRIC_NAMES, significantly_better
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.session import Session
from edgenas.searchers.front import non_dominated
from edgenas.searchers.loop import Evaluated
from edgenas.searchers.problem import TWO, Problem
from edgenas.units import format_milliseconds

MIN_SMOOTHED = 20
"""Evaluations below which an accuracy model says little."""


def succeeded(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The evaluations that did not fail."""
    return [e for e in evaluated if e.accuracy is not None]


def points(problem: Problem, evaluated: Sequence[Evaluated]) -> NDArray[np.float64]:
    """Error and the problem's costs of each architecture, shape (n, objectives)."""
    errors = [1 - (e.accuracy or 0.0) for e in evaluated]
    return np.column_stack([errors, problem.costs_of([e.architecture for e in evaluated])])


def smoothed_points(problem: Problem, evaluated: Sequence[Evaluated]) -> NDArray[np.float64]:
    """As `points`, but with the errors that an accuracy model expects.

    On few validation images, the best figure of many is the luckiest: a fast network would keep larger ones, which are
    better, off the front.
    """
    found = points(problem, evaluated)
    if len(evaluated) >= MIN_SMOOTHED and np.ptp(found[:, 0]) > 0:
        vectors = np.array([problem.space.encode(each.architecture) for each in evaluated])
        model = Surrogate(problem.space, vectors, found[:, 0], clip_quantile=1.0)
        found[:, 0] = np.exp(model.expected(vectors))
    return found


def front_of(problem: Problem, evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The non-dominated evaluated architectures, fastest first, without failed evaluations."""
    valid = succeeded(evaluated)
    return [valid[i] for i in non_dominated(points(problem, valid))]


def kept_and_dropped(
    session: Session, finalists: Sequence[FinalModel]
) -> tuple[list[FinalModel], list[FinalModel]]:
    """Split finalists, fastest first, into those on the front and those dropped, with the reason in their note.

    The search chose them by its own accuracies; here the trained accuracies decide. A model is dropped only if one
    that costs no more is significantly better, not if that one merely got a few more validation images right by
    chance. The file of the same network in another precision is judged by its figure alone: it differs in few images.
    """
    kept: list[FinalModel] = []
    dropped: list[FinalModel] = []
    costs = session.problem.costs_of([finalist.searched_as(session) for finalist in finalists])
    cost_of = {finalist.id: row for finalist, row in zip(finalists, costs, strict=True)}
    for finalist in sorted(finalists, key=lambda f: tuple(cost_of[f.id])):
        cheaper = [other for other in kept if (cost_of[other.id] <= cost_of[finalist.id]).all()]
        note = (
            finalist.note
            or _missed_limit(session, finalist)
            or _beaten_by_twin(session, finalist, cheaper)
            or _beaten_by(session, finalist, cheaper)
        )
        (dropped if note else kept).append(replace(finalist, note=note))
    return kept, dropped


def _missed_limit(session: Session, finalist: FinalModel) -> str:
    limit_ms = session.settings.max_latency_ms
    if finalist.measured_ms is None or finalist.measured_ms <= limit_ms:
        return ""
    return f"measured {format_milliseconds(finalist.measured_ms)}, above the limit of {limit_ms:g} ms"


def _beaten_by_twin(session: Session, finalist: FinalModel, cheaper: Sequence[FinalModel]) -> str:
    metric = session.settings.metric
    for other in cheaper:
        if not (finalist.trained and other.trained) or other.architecture != finalist.architecture:
            continue
        if other.trained.validation[metric] >= finalist.trained.validation[metric]:
            return f"the same network in {other.precision} costs no more and is no worse"
    return ""


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
