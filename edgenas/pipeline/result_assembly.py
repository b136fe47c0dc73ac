"""Assembling the result of a search from what its phases produced."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from edgenas.accuracy.evaluator import AccuracyKind
from edgenas.exporting.final_network import OfSpace
from edgenas.exporting.guessing import guessing_text
from edgenas.latency.energy import Energy, energy_of
from edgenas.pipeline.final_model import FinalModel, finalist
from edgenas.pipeline.front_selection import front_of, kept_and_dropped, points, succeeded
from edgenas.pipeline.result_notes import notes_on
from edgenas.pipeline.session import Session
from edgenas.searchers.front import hypervolume, non_dominated
from edgenas.searchers.loop import Evaluated
from edgenas.settings.option import name_of
from edgenas.storage.front_lead import with_front_lead
from edgenas.storage.learning_record import learning_of
from edgenas.storage.search_result import (
    Accuracies,
    AccuracyFigure,
    Constraint,
    Model,
    Scores,
    SearchResult,
)


def result_of(
    session: Session,
    evaluated: Sequence[Evaluated],
    final_models: Sequence[FinalModel],
    status: Literal["complete", "interrupted"],
) -> SearchResult:
    """Assemble the result. Without final models (interrupted), the front is that of the search, untrained."""
    finalists = [final_model for final_model in final_models if not final_model.name]
    candidates = finalists or [
        _untrained(session, candidate) for candidate in front_of(session.problem, evaluated)
    ]
    kept, dropped = kept_and_dropped(session, candidates)
    constraint, front = _constraint(session), _with_leaders(session, kept)
    models = [_model(session, final_model) for final_model in final_models if final_model.name]
    baselines = tuple(with_front_lead(model, front) for model in models)
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
        constraint=constraint,
        hypervolume=hypervolume(points(session.problem, succeeded(evaluated)), session.problem.corner),
        pretrained=session.config.pretrained,
        chosen=session.chosen,
        learning=learning_of(session.store, session.chosen),
        front=front,
        dropped=tuple(_model(session, finalist) for finalist in dropped),
        baselines=baselines,
        seconds=session.store.seconds(),
        notes=tuple(notes_on(session, constraint, evaluated, finalists, kept)),
        report=str(session.folder.report),
    )


def _untrained(session: Session, candidate: Evaluated) -> FinalModel:
    return finalist(session, candidate.architecture, candidate.accuracy)


def _model(session: Session, final_model: FinalModel) -> Model:
    network, metric = final_model.network, session.settings.metric
    trained, exported = final_model.trained, final_model.exported
    kind: AccuracyKind = "validation" if trained else session.search_kind
    figures: dict[AccuracyKind, float | None] = {session.search_kind: final_model.searched}
    if trained:
        figures |= {"validation": trained.validation[metric], "test": trained.test[metric]}
    return Model(
        id=final_model.id,
        name=final_model.name,
        architecture=network.document,
        accuracy=AccuracyFigure(value=figures[kind] or 0.0, kind=kind),
        accuracies=Accuracies.model_validate(figures),
        scores=Scores(validation=trained.validation, test=trained.test) if trained else Scores(),
        latency_ms=replace(final_model.latency, measured=final_model.measured_ms),
        energy_mj=_energy(session, final_model),
        resolution=final_model.resolution,
        precision=final_model.file_precision(session),
        quantised=final_model.quantised,
        params=network.params,
        macs=network.macs,
        peak_memory_bytes=network.peak_memory_bytes,
        onnx=str(exported.path) if exported else None,
        max_abs_error=exported.max_abs_error if exported else None,
        weights_sha256=final_model.weights_sha256,
        note=final_model.note or guessing_text(session.dataset, trained.test if trained else {}),
        normalisation=network.normalisation,
        began_from=network.began_from,
    )


def _energy(session: Session, final_model: FinalModel) -> Energy | None:
    """Also of a baseline, though it is of a space of its own: energies are known by block."""
    network, energies = final_model.network, session.predictor_in(final_model.precision).energies
    if not isinstance(network, OfSpace):
        return None
    return energy_of(network.space.blocks(network.architecture), energies)


def _with_leaders(session: Session, kept: Sequence[FinalModel]) -> tuple[Model, ...]:
    """The models of the front; `leads` marks those that no other one matches in every objective."""
    models = [_model(session, final_model) for final_model in kept]
    errors = [1 - model.accuracy.value for model in models]
    costs = session.problem.costs_of([final_model.searched_as(session) for final_model in kept])
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
