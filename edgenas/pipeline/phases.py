"""The phases of a search in order, each going on from what an earlier session committed."""

import hashlib
import logging
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.training import training_device
from edgenas.accuracy.training_recipe import default_recipes
from edgenas.device import Device
from edgenas.errors import EdgenasError, InputError
from edgenas.formats import write_json
from edgenas.latency.predictor import LatencyPredictor, predictor_for
from edgenas.pipeline.evaluators import evaluator_for, own_evaluator
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.finalist_training import bring_out
from edgenas.pipeline.front_selection import succeeded
from edgenas.pipeline.model_cards import write_model_card
from edgenas.pipeline.report_assembly import write_report
from edgenas.pipeline.result_assembly import result_of
from edgenas.pipeline.scaled_baselines import check_baselines
from edgenas.pipeline.session import Session
from edgenas.pipeline.spaces import space_for_images
from edgenas.pipeline.supernet_training import Trained, planned_s, trained_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.pipeline.warm_start import keep, prior_for
from edgenas.searchers.loop import Evaluated, search
from edgenas.searchers.problem import Problem, objectives_from_text
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.registry import ALL_SEARCHERS, MakeSearcher, searcher_for
from edgenas.settings.declaration import name_of
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture, SearchSpace
from edgenas.storage.run_config import DataRecord, RunConfig, versions
from edgenas.storage.run_folder import open_run
from edgenas.storage.run_store import Evaluation
from edgenas.storage.search_result import SearchResult

MAX_DEATHS = 5
"""Of the process while it evaluates one architecture; such a one is then recorded as failed, not tried again."""

log = logging.getLogger(__name__)


def run_session(asked: SearchSettings, device: Device, started_s: float) -> SearchResult:
    """Run or resume a search until it is complete or interrupted; errors as `edgenas.search`.

    Args:
        asked: what the search is asked to do.
        device: the device asked for, at its operating point.
        started_s: when the search was asked for, by `time.monotonic`.
    """
    make_searcher = _make_searcher(asked)
    if asked.baselines:
        check_baselines(device)
    dataset = _dataset(asked)
    space = space_for_images(asked, dataset.resolution, len(dataset.classes))
    predictor = predictor_for(space, device, asked.missing)
    objectives = objectives_from_text(asked.objective)
    config = _config(_completed(asked, device, dataset), device, dataset, predictor)
    name = _default_name(config) if asked.run is None else asked.run
    begun = None if asked.warm_start is None else prior_for(name, asked.warm_start, space)
    config = config.with_settings(run=name).model_copy(update={"warm_start": begun and begun.fingerprint})
    prior = None if begun is None else begun.prior(space)
    problem = Problem(space, predictor, asked.max_latency_ms, objectives, prior)
    problem.check()
    with open_run(name, config) as (folder, store):
        if folder.front.is_file() and (done := folder.read_result()).status == "complete":
            log.warning("run %s is already complete: its result is shown", folder.name)
            return done
        torch_device = training_device()
        before_s = sum(store.seconds().values())
        store.record("phase", phase="start", seconds=time.monotonic() - started_s)
        session = Session(
            config=config,
            make_searcher=make_searcher,
            folder=folder,
            store=store,
            dataset=dataset,
            placed=dataset.on(torch_device),
            predictor=predictor,
            problem=problem,
            budget=Budget(asked.time_budget_s, before_s, started_s),
            torch_device=torch_device,
            progress=asked.progress,
            own_evaluator=own_evaluator(asked, space, dataset),
        )
        if begun is not None:
            keep(begun, folder)
            session.note(begun.text)
        return _complete_or_interrupted(session)


def _make_searcher(asked: SearchSettings) -> MakeSearcher | None:
    """What makes the searcher; None for the gradient searcher.

    Raises:
        InputError: no such searcher, or one that has no use for `--warm-start`.
    """
    make_searcher: MakeSearcher | None = None
    if not isinstance(asked.searcher, str):
        make_searcher = asked.searcher
    elif not asked.uses_gradients:
        make_searcher = searcher_for(asked.searcher, ALL_SEARCHERS)
    uses_prior = make_searcher is not None and getattr(make_searcher, "uses_prior", True)
    if asked.warm_start is not None and not uses_prior:
        raise InputError(
            f"--searcher {name_of(asked.searcher)} does not begin from what another run found",
            "use nsga2-surrogate, nsga2 or nsga3, or leave out --warm-start",
        )
    return make_searcher


def _dataset(asked: SearchSettings) -> Dataset:
    """The images; where a space is handed in, at its resolution.

    Raises:
        InputError: no such data, or an object that is none, or images of another size than asked for.
    """
    resolution = asked.resolution
    if isinstance(asked.space, SearchSpace) and resolution is None:
        resolution = asked.space.input_shape[1]
    if not isinstance(asked.data, Dataset):
        return load_dataset(name_of(asked.data), resolution, asked.flip, asked.progress)
    if resolution is not None and asked.data.resolution != resolution:
        raise InputError(
            f"data set {asked.data.name} has images of {asked.data.resolution} px, not {resolution}",
            f"give --resolution {asked.data.resolution}",
        )
    return asked.data if asked.flip is None else replace(asked.data, flip=asked.flip)


def _completed(asked: SearchSettings, device: Device, dataset: Dataset) -> SearchSettings:
    """The settings with what was left open filled in, and in one form: equal searches have equal settings."""
    budget_s = asked.time_budget_s
    gradient: dict[str, object] = {}
    if asked.uses_gradients:
        recipe = _gradient_recipe(asked)
        gradient = {"gates": recipe.gates, "latency_loss": recipe.latency_loss}
    named = {name: name_of(getattr(asked, name)) for name in ("space", "searcher", "evaluator")}
    if named["space"] == "mbconv" and isinstance(asked.space, str):
        named["activation"] = asked.activation or "relu6"
    return asked.with_changes(
        device=device.name,
        threads=device.threads,
        precision=device.precision,
        batch=device.batch,
        power_mode=device.power_mode,
        data=dataset.name,
        resolution=dataset.resolution,
        flip=dataset.flip,
        max_latency=f"{asked.max_latency_ms:.10g}ms",
        time_budget=None if budget_s is None else f"{budget_s:.10g}s",
        objective=",".join(objectives_from_text(asked.objective)),
        augment=augmentation_from_text(asked.augment).text,
        **named,
        **gradient,
    )


def _complete_or_interrupted(session: Session) -> SearchResult:
    final_models: list[FinalModel] = []
    status: Literal["complete", "interrupted"] = "complete"
    try:
        trained = trained_supernet(session)
        evaluated = _search(session, trained)
        final_models = bring_out(session, trained.supernet, evaluated)
    except KeyboardInterrupt:
        evaluated = list(session.known().values())
        status = "interrupted"
        session.store.record("interrupted")
    result = result_of(session, evaluated, final_models, status)
    for model in (*result.front, *result.dropped, *result.baselines):
        if model.onnx:
            write_model_card(
                Path(model.onnx), session.folder, session.config, session.dataset, model, "fp32", versions()
            )
    write_report(session.folder, session.store, result, session.space)
    write_json(session.folder.front, result)  # last: a run with a complete result is not worked on again
    return result


def _config(
    settings: SearchSettings, device: Device, dataset: Dataset, predictor: LatencyPredictor
) -> RunConfig:
    supernet, finalist = default_recipes(len(dataset.train), augmentation_from_text(settings.augment))
    return RunConfig(
        settings=settings,
        device=device,
        table_checksum=predictor.table_checksum,
        space=predictor.space.config(),
        data=DataRecord(
            fingerprint=dataset.fingerprint, classes=dataset.classes, mean=dataset.mean, std=dataset.std
        ),
        supernet_recipe=supernet.model_copy(update={"sampling": settings.sampling}),
        finalist_recipe=finalist.model_copy(update={"distillation": settings.distillation}),
        gradient_recipe=_gradient_recipe(settings) if settings.uses_gradients else None,
    )


def _gradient_recipe(settings: SearchSettings) -> GradientRecipe:
    given = {"gates": settings.gates, "latency_loss": settings.latency_loss}
    return GradientRecipe.model_validate({name: value for name, value in given.items() if value is not None})


def _default_name(config: RunConfig) -> str:
    """The same settings give the same name, so that repeating a command goes on with its run.

    What the run named by `--warm-start` has evaluated by now is no part of them.
    """
    settings = config.settings
    asked = config.model_dump_json(exclude={"warm_start"})
    digest = hashlib.sha256(asked.encode()).hexdigest()[:6]
    data = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name_of(settings.data)).name)[:40]
    return f"{config.device.name}-{data}-{settings.max_latency_ms:.10g}ms-{digest}"


def _search(session: Session, trained: Trained) -> list[Evaluated]:
    evaluator, store = evaluator_for(session, trained.supernet), session.store

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        with store.attempt(architecture.id) as deaths:
            if deaths >= MAX_DEATHS:
                raise EdgenasError(f"edgenas was killed {deaths} times while evaluating it")
            return evaluator.evaluate(architecture, to_beat)

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
            trained.make_searcher(session.problem, session.settings.seed),
            evaluate,
            ended["evaluations"] if ended else session.settings.evaluations,
            session.known(),
            commit,
            session.progress,
            lambda: ended is None and time.monotonic() >= until_s,
        )
    if ended is None:
        store.record("search ended", evaluations=len(evaluated))
    if not evaluated:
        raise EdgenasError(
            f"searcher {name_of(session.settings.searcher)} asked for no architecture within the limit",
            "use another --searcher, or raise --max-latency",
        )
    if not succeeded(evaluated):
        raise EdgenasError(
            f"every evaluation failed, the first because: {evaluated[0].reason}",
            "fix that, and search under a new --run",
        )
    return evaluated
