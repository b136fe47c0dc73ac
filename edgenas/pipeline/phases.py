"""The phases of a search in order, each resuming from what earlier sessions committed."""

import hashlib
import logging
import re
import time
from pathlib import Path
from typing import Literal

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.training import training_device
from edgenas.accuracy.training_recipe import (
    FinalistRecipe,
    SupernetRecipe,
    default_recipes,
    fine_tuning_recipes,
)
from edgenas.device import Device
from edgenas.errors import EdgenasError, InputError
from edgenas.formats import write_json
from edgenas.latency.network_predictor import NetworkPredictor
from edgenas.latency.predictor import predictor_for
from edgenas.pipeline.baselines import check_baselines, check_weights
from edgenas.pipeline.evaluators import custom_evaluator_maker, evaluator_for
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.finalist_training import train_and_export
from edgenas.pipeline.front_selection import succeeded
from edgenas.pipeline.model_cards import write_model_card
from edgenas.pipeline.pretrained import Pretrained, pretrained_for
from edgenas.pipeline.report_assembly import write_report
from edgenas.pipeline.result_assembly import result_of
from edgenas.pipeline.run_data import data_of
from edgenas.pipeline.session import Session
from edgenas.pipeline.spaces import space_for_images
from edgenas.pipeline.supernet_training import Trained, phase_budgets_s, trained_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.pipeline.warm_start import prior_for, save_prior
from edgenas.plugins import may_make
from edgenas.pretrained.weights import PretrainedWeights
from edgenas.searchers.loop import Evaluated, search
from edgenas.searchers.problem import Problem, objectives_from_text
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.registry import ALL_SEARCHERS, MakeSearcher, searcher_for
from edgenas.searchers.searcher import Searcher
from edgenas.settings.option import name_of
from edgenas.settings.search import SUPERNET, SearchSettings
from edgenas.settings.shared import NONE
from edgenas.space import Architecture, NetworkSpace
from edgenas.storage.run_config import DataRecord, RunConfig, versions
from edgenas.storage.run_folder import RUNS, RunFolder, open_run
from edgenas.storage.run_store import Evaluation
from edgenas.storage.search_result import SearchResult

MAX_DEATHS = 5
"""How often the process may die while evaluating an architecture before it is recorded as failed."""

AUGMENT, FINE_TUNING_AUGMENT = "crop", "resized-crop"
"""Augmentation by default, from random and from pretrained weights."""

log = logging.getLogger(__name__)


def run_session(settings: SearchSettings, device: Device, started_s: float) -> SearchResult:
    """Run or resume a search until it is complete or interrupted; raises the errors of `edgenas.search`.

    Args:
        settings: the settings of the search.
        device: the target device at its operating point.
        started_s: when the search was called, by `time.monotonic`.
    """
    make_searcher, make_evaluator = _make_searcher(settings), custom_evaluator_maker(settings)
    if settings.baselines:
        check_baselines(settings, device)
    data = data_of(settings)
    sizes = _sizes(settings, data.largest)
    pretrained = pretrained_for(settings, sizes[0])
    if pretrained is not None:
        data = data.normalised(pretrained.mean, pretrained.std)
    weights = None if pretrained is None else pretrained.read()
    dataset = data.largest
    space = space_for_images(settings, sizes, len(dataset.classes))
    predictor = predictor_for(space, device, settings.missing)
    objectives = objectives_from_text(settings.objective)
    settings_in_full = _with_defaults(settings, device, dataset, space, pretrained)
    config = _config(settings_in_full, device, dataset, predictor, weights)
    name = _default_name(config) if settings.run is None else settings.run
    prior_document = None if settings.warm_start is None else prior_for(name, settings.warm_start, space)
    warm_start = None if prior_document is None else prior_document.fingerprint
    config = config.with_settings(run=name).model_copy(update={"warm_start": warm_start})
    prior = None if prior_document is None else prior_document.prior(space)
    problem = Problem(space, predictor, settings.max_latency_ms, objectives, prior)
    problem.check()
    if not RunFolder(RUNS / name).front.is_file():  # what is finished needs no weights any more
        check_weights(settings)
    with open_run(name, config) as (folder, store):
        if folder.front.is_file() and (done := folder.read_result()).status == "complete":
            log.warning("run %s is already complete; this is its result", folder.name)
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
            dataset_on_device=dataset.on(torch_device),
            load_dataset_at=data.at,
            predictor=predictor,
            problem=problem,
            budget=Budget(settings.time_budget_s, before_s, started_s),
            torch_device=torch_device,
            progress=settings.progress,
            custom_evaluator=make_evaluator and make_evaluator(space, dataset, settings.seed),
            pretrained=weights,
        )
        if pretrained is not None:
            session.note(f"begins from {pretrained.title} (--pretrained {pretrained.name})")
        if prior_document is not None:
            save_prior(prior_document, folder)
            session.note(prior_document.text)
        return _complete_or_interrupted(session)


def _make_searcher(settings: SearchSettings) -> MakeSearcher | None:
    """The factory of the searcher; None for the gradient searcher.

    Raises:
        InputError: an unknown searcher, an object that makes none, or one that cannot use `--warm-start`.
    """
    make_searcher: MakeSearcher | None = None
    if not isinstance(settings.searcher, str):
        make_searcher = settings.searcher
    elif not settings.uses_gradients:
        make_searcher = searcher_for(settings.searcher, ALL_SEARCHERS)
    if make_searcher is not None and not may_make(make_searcher, Searcher):
        raise InputError(
            f"searcher: {settings.searcher!r:.60} does not make a Searcher",
            "give a name, a class derived from Searcher, or a function of (problem, seed)",
        )
    uses_prior = make_searcher is not None and getattr(make_searcher, "uses_prior", True)
    if settings.warm_start is not None and not uses_prior:
        raise InputError(
            f"--searcher {name_of(settings.searcher)} cannot start from the evaluations of another run",
            "use nsga2-surrogate, nsga2 or nsga3, or leave out --warm-start",
        )
    return make_searcher


def _sizes(settings: SearchSettings, dataset: Dataset) -> tuple[int, ...]:
    """The image sizes that are searched; those of the data if nothing else says."""
    if isinstance(settings.space, NetworkSpace) and settings.resolution is None:
        return settings.space.resolutions
    return settings.resolutions or (dataset.resolution,)


def _with_defaults(
    settings: SearchSettings,
    device: Device,
    dataset: Dataset,
    space: NetworkSpace,
    pretrained: Pretrained | None,
) -> SearchSettings:
    """The settings with defaults filled in and in normal form, so that equal searches have equal settings."""
    budget_s = settings.time_budget_s
    gradient: dict[str, object] = {}
    if settings.uses_gradients:
        recipe = _gradient_recipe(settings)
        gradient = {"gates": recipe.gates, "latency_loss": recipe.latency_loss}
    named = {name: name_of(getattr(settings, name)) for name in ("space", "searcher", "evaluator")}
    if named["space"] == "mbconv" and isinstance(settings.space, str) and pretrained is None:
        named["activation"] = settings.activation or "relu6"
    return settings.with_changes(
        device=device.name,
        threads=device.threads,
        precision=device.precision,
        batch=device.batch,
        power_mode=device.power_mode,
        data=dataset.name,
        resolution=space.resolutions,
        flip=dataset.flip,
        max_latency=f"{settings.max_latency_ms:.10g}ms",
        time_budget=None if budget_s is None else f"{budget_s:.10g}s",
        objective=",".join(objectives_from_text(settings.objective)),
        pretrained=NONE if pretrained is None else pretrained.name,
        **_training_defaults(settings, len(dataset.train), pretrained),
        **named,
        **gradient,
    )


def _training_defaults(
    settings: SearchSettings, training_images: int, pretrained: Pretrained | None
) -> dict[str, object]:
    supernet, finalist = _recipes(settings, training_images, pretrained is not None)
    augment: dict[str, object] = {"augment": supernet.augmentation.text}
    if settings.evaluator != SUPERNET:
        return augment
    return augment | {"sampling": supernet.sampling, "distillation": finalist.distillation}


def _complete_or_interrupted(session: Session) -> SearchResult:
    final_models: list[FinalModel] = []
    status: Literal["complete", "interrupted"] = "complete"
    try:
        trained = trained_supernet(session)
        evaluated = _search(session, trained)
        final_models = train_and_export(session, trained.supernet, evaluated)
    except KeyboardInterrupt:
        evaluated = list(session.stored_evaluations().values())
        status = "interrupted"
        session.store.record("interrupted")
    result = result_of(session, evaluated, final_models, status)
    for model in (*result.front, *result.dropped, *result.baselines):
        if model.onnx:
            write_model_card(
                Path(model.onnx), session.folder, session.config, session.dataset, model, "fp32", versions()
            )
    write_report(session.folder, session.store, result, session.space)
    write_json(session.folder.front, result)  # last: it marks the run as complete
    return result


def _config(
    settings: SearchSettings,
    device: Device,
    dataset: Dataset,
    predictor: NetworkPredictor,
    weights: PretrainedWeights | None,
) -> RunConfig:
    supernet, finalist = _recipes(settings, len(dataset.train), weights is not None)
    return RunConfig(
        settings=settings,
        device=device,
        table_checksum=predictor.table_checksum,
        space=predictor.space.config(),
        data=DataRecord(
            fingerprint=dataset.fingerprint, classes=dataset.classes, mean=dataset.mean, std=dataset.std
        ),
        pretrained=None if weights is None else weights.record,
        supernet_recipe=supernet,
        finalist_recipe=finalist,
        gradient_recipe=_gradient_recipe(settings) if settings.uses_gradients else None,
    )


def _recipes(
    settings: SearchSettings, training_images: int, pretrained: bool
) -> tuple[SupernetRecipe, FinalistRecipe]:
    """The recipes of supernet and finalists, changed by what is set."""
    make = fine_tuning_recipes if pretrained else default_recipes
    augment = settings.augment or (FINE_TUNING_AUGMENT if pretrained else AUGMENT)
    supernet, finalist = make(training_images, augmentation_from_text(augment))
    if settings.sampling is not None:
        supernet = supernet.model_copy(update={"sampling": settings.sampling})
    taught = 0.0 if settings.evaluator != SUPERNET else settings.distillation
    if taught is not None:
        finalist = finalist.model_copy(update={"distillation": taught})
    return supernet, finalist


def _gradient_recipe(settings: SearchSettings) -> GradientRecipe:
    given = {"gates": settings.gates, "latency_loss": settings.latency_loss}
    return GradientRecipe.model_validate({name: value for name, value in given.items() if value is not None})


def _default_name(config: RunConfig) -> str:
    """The name follows from the settings, so that repeating a command resumes its run.

    The evaluations of a run named by `--warm-start` do not affect it.
    """
    settings = config.settings
    content = config.model_dump_json(exclude={"warm_start"})
    digest = hashlib.sha256(content.encode()).hexdigest()[:6]
    data = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(name_of(settings.data)).name)[:40]
    return f"{config.device.name}-{data}-{settings.max_latency_ms:.10g}ms-{digest}"


def _made(make_searcher: MakeSearcher, session: Session) -> Searcher:
    searcher = make_searcher(session.problem, session.settings.seed)
    if not isinstance(searcher, Searcher):
        raise InputError(
            f"searcher {name_of(session.settings.searcher)} made a {type(searcher).__name__}, not a Searcher",
            "give a class derived from Searcher, or a function of (problem, seed) that returns one",
        )
    return searcher


def _search(session: Session, trained: Trained) -> list[Evaluated]:
    evaluator, store = evaluator_for(session, trained.supernet), session.store

    def evaluate(architecture: Architecture, to_beat: float | None) -> float:
        with store.attempt(architecture.id) as deaths:
            if deaths >= MAX_DEATHS:
                raise EdgenasError(f"edgenas was killed {deaths} times during its evaluation")
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
    until_s = time.monotonic() + phase_budgets_s(session)["search"] - store.seconds().get("search", 0.0)
    with store.timed("search"):
        evaluated = search(
            session.problem,
            _made(trained.make_searcher, session),
            evaluate,
            ended["evaluations"] if ended else session.settings.evaluations,
            session.stored_evaluations(),
            commit,
            session.progress,
            lambda: ended is None and time.monotonic() >= until_s,
        )
    if ended is None:
        store.record("search ended", evaluations=len(evaluated))
    if not evaluated:
        raise EdgenasError(
            f"searcher {name_of(session.settings.searcher)} proposed no architecture within the limit",
            "use another --searcher, or raise --max-latency",
        )
    if not succeeded(evaluated):
        raise EdgenasError(
            f"every evaluation failed, the first because: {evaluated[0].reason}",
            "fix the cause, and search under a new --run",
        )
    return evaluated
