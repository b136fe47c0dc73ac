"""The phases of a search in order, each going on from what an earlier session committed."""

import hashlib
import logging
import re
import time
from pathlib import Path
from typing import Literal

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.evaluator import Evaluator, SupernetEvaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.trained_evaluator import TrainedEvaluator
from edgenas.accuracy.training import training_device
from edgenas.accuracy.training_recipe import default_recipes
from edgenas.errors import EdgenasError, InputError
from edgenas.formats import write_json
from edgenas.latency.predictor import LatencyPredictor, predictor_for
from edgenas.pipeline.finalist import Contender
from edgenas.pipeline.finalist_training import bring_out
from edgenas.pipeline.front_selection import result_of, succeeded
from edgenas.pipeline.model_cards import write_model_card
from edgenas.pipeline.report_assembly import write_report
from edgenas.pipeline.scaled_baselines import check_baselines
from edgenas.pipeline.session import Session, Settings
from edgenas.pipeline.supernet_training import Trained, planned_s, trained_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.pipeline.warm_start import keep, prior_for
from edgenas.progress import Progress
from edgenas.searchers.loop import Evaluated, search
from edgenas.searchers.problem import Problem
from edgenas.searchers.registry import ALL_SEARCHERS, MakeSearcher, name_of, searcher_for
from edgenas.space import Architecture
from edgenas.storage.run_config import RunConfig, versions
from edgenas.storage.run_folder import open_run
from edgenas.storage.run_store import Evaluation
from edgenas.storage.search_result import SearchResult

PROXY_SHARE = 0.25
"""Epochs of a finalist that the `trained` evaluator trains a candidate for."""

MAX_DEATHS = 5
"""Of the process while it evaluates one architecture; such a one is then recorded as failed, not tried again."""

log = logging.getLogger(__name__)


def run_session(settings: Settings, progress: Progress) -> SearchResult:
    """Run or go on with a search until it is complete or interrupted; errors as `edgenas.search`."""
    make_searcher = _make_searcher(settings)
    uses_prior = make_searcher is not None and getattr(make_searcher, "uses_prior", True)
    if settings.warm_start is not None and not uses_prior:
        raise InputError(
            f"--searcher {settings.searcher} does not begin from what another run found",
            "use nsga2-surrogate, nsga2 or nsga3, or leave out --warm-start",
        )
    if settings.baselines:
        check_baselines(settings.device)
    dataset = load_dataset(settings.data, settings.resolution, settings.flip, progress)
    space = settings.make_space(dataset.resolution, len(dataset.classes))
    predictor = predictor_for(space, settings.device, settings.missing)
    config = _config(settings, dataset, predictor)
    name = _default_name(config, settings.warm_start) if settings.run is None else settings.run
    begun = None if settings.warm_start is None else prior_for(name, settings.warm_start, space)
    config = config.model_copy(update={"warm_start": begun and begun.fingerprint})
    prior = None if begun is None else begun.prior(space)
    problem = Problem(space, predictor, settings.max_latency_ms, settings.objectives, prior)
    problem.check()
    with open_run(name, config) as (folder, store):
        if folder.front.is_file() and (done := folder.read_result()).status == "complete":
            log.warning("run %s is already complete: its result is shown", folder.name)
            return done
        device = training_device()
        before_s = sum(store.seconds().values())
        store.record("phase", phase="start", seconds=time.monotonic() - settings.started_s)
        session = Session(
            config=config,
            make_searcher=make_searcher,
            folder=folder,
            store=store,
            dataset=dataset,
            placed=dataset.on(device),
            predictor=predictor,
            problem=problem,
            budget=Budget(config.time_budget_s, before_s, settings.started_s),
            torch_device=device,
            progress=progress,
        )
        if begun is not None:
            keep(begun, folder)
            session.note(begun.text)
        return _complete_or_interrupted(session)


def _make_searcher(settings: Settings) -> MakeSearcher | None:
    if settings.gradient is not None:
        return None
    if isinstance(settings.searcher, str):
        return searcher_for(settings.searcher, ALL_SEARCHERS)
    return settings.searcher


def _complete_or_interrupted(session: Session) -> SearchResult:
    contenders: list[Contender] = []
    status: Literal["complete", "interrupted"] = "complete"
    try:
        trained = trained_supernet(session)
        evaluated = _search(session, trained)
        contenders = bring_out(session, trained.supernet, evaluated)
    except KeyboardInterrupt:
        evaluated = list(session.known().values())
        status = "interrupted"
        session.store.record("interrupted")
    result = result_of(session, evaluated, contenders, status)
    for model in (*result.front, *result.dropped, *result.baselines):
        if model.onnx:
            write_model_card(
                Path(model.onnx), session.folder, session.config, session.dataset, model, "fp32", versions()
            )
    write_report(session.folder, session.store, result)
    write_json(session.folder.front, result)  # last: a run with a complete result is not worked on again
    return result


def _config(settings: Settings, dataset: Dataset, predictor: LatencyPredictor) -> RunConfig:
    supernet, finalist = default_recipes(len(dataset.train), settings.augmentation)
    return RunConfig(
        device=settings.device,
        table_checksum=predictor.table_checksum,
        space=predictor.space.config(),
        data=dataset.name,
        data_fingerprint=dataset.fingerprint,
        flip=dataset.flip,
        max_latency_ms=settings.max_latency_ms,
        searcher=settings.searcher if isinstance(settings.searcher, str) else name_of(settings.searcher),
        evaluator=settings.evaluator,
        metric=settings.metric,
        objectives=settings.objectives,
        evaluations=settings.evaluations,
        gradient=settings.gradient,
        finalists=settings.finalists,
        baselines=settings.baselines,
        supernet_recipe=supernet.model_copy(update={"sampling": settings.sampling}),
        finalist_recipe=finalist.model_copy(update={"distillation": settings.distillation}),
        time_budget_s=settings.time_budget_s,
        seed=settings.seed,
    )


def _default_name(config: RunConfig, warm_start: str | None) -> str:
    """The same settings give the same name, so that repeating a command goes on with its run.

    What the run named by `warm_start` has evaluated by now is no part of them.
    """
    asked = config.model_dump_json(exclude={"warm_start"}) + (warm_start or "")
    digest = hashlib.sha256(asked.encode()).hexdigest()[:6]
    data = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(config.data).name)[:40]
    return f"{config.device.name}-{data}-{config.max_latency_ms:.10g}ms-{digest}"


def _evaluator(session: Session, supernet: Supernet | None) -> Evaluator:
    config = session.config
    if supernet is not None:
        shifted = config.supernet_recipe.augmentation.crop
        return SupernetEvaluator(supernet, session.placed, config.metric, shifted)
    recipe = config.finalist_recipe
    return TrainedEvaluator(
        session.space,
        session.placed,
        recipe.model_copy(update={"epochs": max(1, round(PROXY_SHARE * recipe.epochs))}),
        config.seed,
        session.folder.training,
        session.torch_device,
        config.metric,
        session.progress,
    )


def _search(session: Session, trained: Trained) -> list[Evaluated]:
    evaluator, store = _evaluator(session, trained.supernet), session.store

    def evaluate(architecture: Architecture, rival: float | None) -> float:
        with store.attempt(architecture.id) as deaths:
            if deaths >= MAX_DEATHS:
                raise EdgenasError(f"edgenas was killed {deaths} times while evaluating it")
            return evaluator.evaluate(architecture, rival)

    def commit(result: Evaluated) -> None:
        store.add(
            Evaluation(
                id=result.architecture.id,
                choices=result.architecture.choices,
                accuracy=result.accuracy,
                kind=evaluator.kind,
                latency=session.predictor.predict(result.architecture),
                reason=result.reason,
                seconds=result.seconds,
            )
        )

    ended = store.last_event("search ended")
    until_s = time.monotonic() + planned_s(session)["search"] - store.seconds().get("search", 0.0)
    with store.timed("search"):
        evaluated = search(
            session.problem,
            trained.make_searcher(session.problem, session.config.seed),
            evaluate,
            ended["evaluations"] if ended else session.config.evaluations,
            session.known(),
            commit,
            session.progress,
            lambda: ended is None and time.monotonic() >= until_s,
        )
    if ended is None:
        store.record("search ended", evaluations=len(evaluated))
    if not evaluated:
        raise EdgenasError(
            f"searcher {session.config.searcher} asked for no architecture within the limit",
            "use another --searcher, or raise --max-latency",
        )
    if not succeeded(evaluated):
        raise EdgenasError(
            f"every evaluation failed, the first because: {evaluated[0].reason}",
            "fix that, and search under a new --run",
        )
    return evaluated
