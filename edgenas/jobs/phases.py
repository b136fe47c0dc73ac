"""The phases of a search in order, each going on from what an earlier session committed."""

import hashlib
import logging
import re
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Literal

import torch

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.load import load_dataset
from edgenas.accuracy.recipe import Recipe
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train, training_device
from edgenas.errors import EdgenasError
from edgenas.formats import write_json
from edgenas.jobs.cards import write_model_card
from edgenas.jobs.finalists import Finalist, export_finalist, measure_finalists, train_finalist
from edgenas.jobs.outcome import objectives, result_of, succeeded
from edgenas.jobs.plan import (
    RESERVE,
    Plan,
    default_recipes,
    finalist_recipe_within,
    image_seconds,
    plan_from_config,
)
from edgenas.jobs.session import Session, Settings
from edgenas.jobs.view import write_report
from edgenas.latency.predictor import LatencyPredictor, predictor_for
from edgenas.progress import Progress
from edgenas.run.config import RunConfig, versions
from edgenas.run.folder import open_run
from edgenas.run.result import SearchResult
from edgenas.run.store import Evaluation, RunStore
from edgenas.search.front import leaders
from edgenas.search.loop import Evaluated, search
from edgenas.search.problem import Problem
from edgenas.search.registry import searcher_for
from edgenas.space import SearchSpace

log = logging.getLogger(__name__)


def run_session(settings: Settings, progress: Progress) -> SearchResult:
    """Run or go on with a search until it is complete or interrupted; errors as `edgenas.search`."""
    make_searcher = (
        searcher_for(settings.searcher) if isinstance(settings.searcher, str) else settings.searcher
    )
    dataset = load_dataset(settings.data, settings.resolution, settings.flip, progress)
    space = settings.make_space(dataset.resolution, len(dataset.classes))
    predictor = predictor_for(space, settings.device, settings.missing)
    problem = Problem(space, predictor, settings.max_latency_ms)
    problem.check()
    config = _config(settings, dataset, predictor)
    with open_run(_default_name(config) if settings.run is None else settings.run, config) as (folder, store):
        if folder.front.is_file() and (done := folder.read_result()).status == "complete":
            log.warning("run %s is already complete: its result is shown", folder.name)
            return done
        torch_device = training_device()
        plan = _plan(config, space, dataset, store, torch_device)
        session = Session(
            config, make_searcher, folder, store, dataset, problem, plan, torch_device, progress
        )
        return _complete_or_interrupted(session)


def _complete_or_interrupted(session: Session) -> SearchResult:
    finalists: list[Finalist] = []
    status: Literal["complete", "interrupted"] = "complete"
    try:
        supernet = _trained_supernet(session)
        evaluated = _search(session, supernet)
        finalists = _finalists(session, supernet, evaluated)
    except KeyboardInterrupt:
        evaluated = list(session.known().values())
        status = "interrupted"
        session.store.record("interrupted")
    result = result_of(session, evaluated, finalists, status)
    for model in (*result.front, *result.dropped):
        if model.onnx:
            write_model_card(
                Path(model.onnx), session.folder, session.config, session.dataset, model, "fp32", versions()
            )
    write_report(session.folder, session.store, result)
    write_json(session.folder.front, result)  # last: a run with a complete result is not worked on again
    return result


def _config(settings: Settings, dataset: Dataset, predictor: LatencyPredictor) -> RunConfig:
    supernet, finalist = default_recipes(len(dataset.train))
    return RunConfig(
        device=settings.device,
        table_checksum=predictor.table_checksum,
        space=predictor.space.config(),
        data=dataset.name,
        data_fingerprint=dataset.fingerprint,
        flip=dataset.flip,
        max_latency_ms=settings.max_latency_ms,
        searcher=settings.searcher if isinstance(settings.searcher, str) else settings.searcher.__name__,
        evaluations=settings.evaluations,
        finalists=settings.finalists,
        supernet_recipe=supernet,
        finalist_recipe=finalist,
        time_budget_s=settings.time_budget_s,
        seed=settings.seed,
    )


def _default_name(config: RunConfig) -> str:
    """The same settings give the same name, so that repeating a command goes on with its run."""
    digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:6]
    data = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(config.data).name)[:40]
    return f"{config.device.name}-{data}-{config.max_latency_ms:.10g}ms-{digest}"


def _plan(
    config: RunConfig, space: SearchSpace, dataset: Dataset, store: RunStore, device: torch.device
) -> Plan:
    if known := store.last_event("plan"):
        return Plan.model_validate(known)
    plan = plan_from_config(config, space, dataset, device)
    store.record("plan", **plan.model_dump(mode="json"))
    return plan


def _trained_supernet(session: Session) -> Supernet:
    supernet = Supernet(session.space, session.config.seed).to(session.torch_device)
    with session.store.timed("supernet"):
        train(
            supernet,
            lambda images, rng: supernet(images, session.space.sample(rng)),
            session.dataset,
            session.plan.supernet,
            session.config.seed,
            Checkpoint(session.folder.supernet),
            session.progress,
            phase="supernet",
        )
    return supernet


def _search(session: Session, supernet: Supernet) -> list[Evaluated]:
    evaluator = SupernetEvaluator(supernet, session.dataset)

    def commit(result: Evaluated) -> None:
        latency = session.problem.predictor.predict(result.architecture)
        session.store.add(
            Evaluation(
                id=result.architecture.id,
                choices=result.architecture.choices,
                accuracy=result.accuracy,
                kind=evaluator.kind,
                predicted_ms=latency.predicted_ms,
                low_ms=latency.low_ms,
                high_ms=latency.high_ms,
                provenance=latency.provenance,
                reason=result.reason,
                seconds=result.seconds,
            )
        )

    with session.store.timed("search"):
        return search(
            session.problem,
            session.make_searcher(session.problem, session.config.seed),
            evaluator.evaluate,
            session.plan.evaluations,
            session.known(),
            commit,
            session.progress,
        )


def _with_finalist_plan(session: Session, supernet: Supernet, chosen: list[Evaluated]) -> Session:
    """Under a time budget, plan the finalists' training with the time left and their own speed; once."""
    budget_s, store = session.config.time_budget_s, session.store
    if budget_s is None:
        return session
    if (known := store.last_event("finalist plan")) is None:
        turns = cycle([supernet.extract(candidate.architecture) for candidate in chosen])
        recipe = session.plan.finalist
        image_s = image_seconds(lambda images: next(turns)(images), session.dataset, recipe.batch_size)
        left_s = (1 - RESERVE) * budget_s - sum(store.seconds().values())
        recipe = finalist_recipe_within(recipe, left_s, image_s * len(session.dataset.train), len(chosen))
        known = recipe.model_dump(mode="json")
        store.record("finalist plan", **known)
    plan = session.plan.model_copy(update={"finalist": Recipe.model_validate(known)})
    return replace(session, plan=plan)


def _finalists(session: Session, supernet: Supernet, evaluated: list[Evaluated]) -> list[Finalist]:
    valid = succeeded(evaluated)
    if not valid:
        raise EdgenasError(
            f"every evaluation failed, the first because: {evaluated[0].reason}",
            "mend that, and search under a new --run",
        )
    chosen = [valid[i] for i in leaders(objectives(valid), session.config.finalists)]
    session = _with_finalist_plan(session, supernet, chosen)
    finalists = []
    with session.store.timed("finalists"):
        for number, candidate in enumerate(chosen, start=1):
            phase = f"finalist {number}/{len(chosen)}"
            finalists.append(train_finalist(session, supernet, candidate, phase))
    with session.store.timed("export"):
        exported = []
        for number, finalist in enumerate(finalists):
            session.progress("export", number, len(finalists))
            exported.append(export_finalist(session, finalist))
        session.progress("export", len(finalists), len(finalists))
        return measure_finalists(session, exported)
