"""The phases of a search in order, each resuming from what earlier sessions committed."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgenas.accuracy.dataset import Dataset, ImageFiles
from edgenas.accuracy.training import training_device
from edgenas.device import Device
from edgenas.device.target import searched_target_of
from edgenas.errors import EdgenasError, InputError
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.model_files import write_with_card
from edgenas.formats import write_bytes, write_json
from edgenas.inputs.precisions import check_comparable, check_tables, precisions_for
from edgenas.inputs.pretrained import Pretrained, pretrained_for
from edgenas.inputs.run_data import data_of
from edgenas.inputs.spaces import format_channels, space_for_images
from edgenas.latency.network_predictor import ArchitecturePredictor
from edgenas.latency.precision_predictor import by_precision, without_outdone
from edgenas.latency.predictor import predictor_for
from edgenas.pipeline.baselines import check_baselines, check_weights
from edgenas.pipeline.configuration import configuration_of, default_name
from edgenas.pipeline.early_checks import check_before_images
from edgenas.pipeline.evaluators import custom_evaluator_maker, evaluator_for
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.finalist_training import train_and_export
from edgenas.pipeline.front_selection import succeeded
from edgenas.pipeline.result_assembly import result_of
from edgenas.pipeline.session import Session
from edgenas.pipeline.supernet_training import Trained, phase_budgets_s, trained_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.pipeline.warm_start import PriorDocument, prior_for, save_prior
from edgenas.plugins import may_make
from edgenas.progress import Progress, evaluations_of
from edgenas.reporting.judging import JUDGING, record_judgements
from edgenas.searchers.loop import Evaluated, search
from edgenas.searchers.problem import Problem, objectives_from_text
from edgenas.searchers.registry import ALL_SEARCHERS, MakeSearcher, searcher_for
from edgenas.searchers.searcher import Searcher
from edgenas.searchers.starting_with import StartingWith
from edgenas.settings.option import name_of
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture, NetworkSpace
from edgenas.storage.run_folder import RunFolder, open_run
from edgenas.storage.run_names import RUNS
from edgenas.storage.run_store import Evaluation, RunStore
from edgenas.storage.search_result import SearchResult
from edgenas.vocabulary import Precision

MAX_DEATHS = 5
"""How often the process may die while evaluating an architecture before it is recorded as failed."""

log = logging.getLogger(__name__)


def run_session(settings: SearchSettings, device: Device, started_s: float) -> SearchResult:
    """Run or resume a search until it is complete or interrupted; raises the errors of `edgenas.search`.

    Args:
        settings: the settings of the search.
        device: the target device at its operating point.
        started_s: when the search was called, by `time.monotonic`.
    """
    make_searcher, make_evaluator = make_searcher_for(settings), custom_evaluator_maker(settings)
    precisions = precisions_for(settings, device)
    device = device.at(precisions[0])
    if settings.baselines:
        check_baselines(settings, device)
    check_before_images(settings, device, precisions)
    data = data_of(settings)
    _check_channels(settings, data.largest)
    sizes = sizes_for(settings, data.largest.resolution)
    pretrained = beginning_for(settings, sizes[0])
    if pretrained is not None:
        pretrained = pretrained.with_channels(data.largest.channels)
        data = data.normalised(pretrained.mean, pretrained.std)
    weights = None if pretrained is None else pretrained.read()
    dataset = data.largest
    space = space_for_images(settings, sizes, len(dataset.classes), dataset.channels)
    predictor = predictor_of(settings, device, space, precisions)
    objectives = objectives_from_text(settings.objective)
    config = configuration_of(settings, device, dataset, predictor, pretrained, weights)
    name = default_name(config) if settings.run is None else settings.run
    prior_document = (
        None if settings.warm_start is None else prior_for(name, settings.warm_start, predictor.space)
    )
    warm_start = None if prior_document is None else prior_document.fingerprint
    config = config.with_settings(run=name).model_copy(update={"warm_start": warm_start})
    prior = None if prior_document is None else prior_document.prior(predictor.space)
    problem = Problem(
        predictor.space, predictor, settings.max_latency_ms, objectives, prior, predictor.outdone
    )
    problem.check()
    if not RunFolder(RUNS / name).front.is_file():  # what is finished needs no weights any more
        check_weights(settings)
    files = dataset.files
    with open_run(name, config, None if files is None else files.digests) as (folder, store):
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
            progress=_Watching(store, settings.progress),
            custom_evaluator=make_evaluator and make_evaluator(space, dataset, settings.seed),
            pretrained=weights,
        )
        if prior_document is not None:
            save_prior(prior_document, folder)
        _note_beginnings(session, pretrained, precisions, prior_document)
        return _complete_or_interrupted(session)


@dataclass(frozen=True, slots=True)
class _Watching:
    """Progress that ends the search once its folder is gone, rather than after all is trained."""

    store: RunStore
    progress: Progress

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        self.store.check_place()
        self.progress(phase, done, total, detail)

    def evaluated(self, latency_ms: float, accuracy: float) -> None:
        """Pass on what a callback may want to know in addition (`SearchProgress`)."""
        evaluations_of(self.progress)(latency_ms, accuracy)


def _note_beginnings(
    session: Session,
    pretrained: Pretrained | None,
    precisions: Sequence[Precision],
    prior: PriorDocument | None,
) -> None:
    """Say what is to know of the images, what training and search begin from, and which precisions are left out."""
    for remark in session.dataset.remarks:
        session.note(remark)
    files = session.dataset.files
    if files is not None and files.refused:
        _list_refused(session, files)
    if pretrained is not None:
        session.note(f"begins from {pretrained.title} (--pretrained {pretrained.name})")
    searched = session.predictor.parts
    for each in precisions:
        if each not in searched:
            session.note(
                f"{each} is not searched: every network of the space would be slower in it than in a more exact one"
            )
    if prior is not None:
        session.note(prior.text(",".join(searched)))


def predictor_of(
    settings: SearchSettings, device: Device, space: NetworkSpace, precisions: Sequence[Precision]
) -> ArchitecturePredictor:
    """Of the networks in all precisions, or in those of any that may pay.

    Raises:
        InputError: their latencies cannot be compared.
    """
    check_tables(settings, device, space)
    found = by_precision(
        space, precisions, lambda each: predictor_for(space, device.at(each), settings.missing)
    )
    check_comparable(found)
    return without_outdone(found) if settings.precisions == () else found


def _list_refused(session: Session, files: ImageFiles) -> None:
    """Write a list of the files of the image folder that are not used."""
    listing = session.folder.refused_images
    lines = [f"{name}\t{reason}\n" for name, reason in sorted(files.refused.items())]
    write_bytes(listing, "".join(lines).encode())
    session.note(f"all files that are not used are listed in {listing}")


def beginning_for(settings: SearchSettings, resolution: int) -> Pretrained | None:
    """What to begin from; see `pretrained_for`.

    Raises:
        InputError: nothing, but only the classifier is to be trained.
    """
    found = pretrained_for(settings, resolution)
    if found is None and settings.tune == "classifier":
        raise InputError(
            f"--tune classifier needs pretrained weights, but images of {resolution} px begin from random ones",
            "give --pretrained efficientnet-lite0, or larger images",
        )
    return found


def make_searcher_for(settings: SearchSettings) -> MakeSearcher | None:
    """The factory of the searcher; None for the gradient searcher.

    Raises:
        InputError: an unknown searcher, an object that makes none, or one that cannot use `--warm-start`.
    """
    make_searcher: MakeSearcher | None = None
    if not isinstance(settings.searcher, str):
        make_searcher = settings.searcher
    elif not settings.uses_gradients:
        make_searcher = searcher_for(settings.searcher, ALL_SEARCHERS)
    if make_searcher is not None and not may_make(make_searcher, Searcher, 2):
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


def _check_channels(settings: SearchSettings, dataset: Dataset) -> None:
    """Raise InputError if images are not as asked for: those of files are brought to it, those of arrays are not."""
    if settings.channels not in (None, dataset.channels):
        found = format_channels(dataset.channels)
        raise InputError(
            f"--channels {settings.channels}: data set {dataset.name} has images of {found}",
            f"leave out --channels, or give images of {settings.channels}",
        )


def sizes_for(settings: SearchSettings, native: int) -> tuple[int, ...]:
    """The image sizes that are searched; those of the data if nothing else says."""
    if isinstance(settings.space, NetworkSpace) and settings.resolution is None:
        return settings.space.resolutions
    return settings.resolutions or (native,)


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
            path, device = Path(model.onnx), session.device_for_file(model.precision)
            content, form = path.read_bytes(), ExportForm(searched_target_of(device), model.precision)
            write_with_card(
                path, content, session.folder, session.config, device, session.dataset, model, form
            )
    from edgenas.reporting.report_assembly import write_report  # whose libraries take a second to import

    _judge(session, result)
    result = result.model_copy(update={"seconds": session.store.seconds()})
    write_report(session.folder, session.store, result, session.space)
    if status == "complete":
        session.folder.largest_network.unlink(missing_ok=True)
    write_json(session.folder.front, result)  # last: it marks the run as complete
    return result


def _judge(session: Session, result: SearchResult) -> None:
    """What the exported files make of the test images; an interruption, or the end of the budget, ends this alone."""
    try:
        with session.store.timed(JUDGING):
            record_judgements(
                session.folder, result.front, session.dataset_at, session.progress, session.budget.is_spent
            )
    except KeyboardInterrupt:
        log.warning("the models are not judged on the test images: interrupted; `edgenas report` does it")


def _made(make_searcher: MakeSearcher, session: Session) -> Searcher:
    searcher = make_searcher(session.problem, session.settings.seed)
    if not isinstance(searcher, Searcher):
        raise InputError(
            f"searcher {name_of(session.settings.searcher)} made a {type(searcher).__name__}, not a Searcher",
            "give a class derived from Searcher, or a function of (problem, seed) that returns one",
        )
    return StartingWith([session.whole_network], searcher) if session.whole_network else searcher


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
