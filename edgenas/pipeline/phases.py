"""The phases of a search in order, each resuming from what earlier sessions committed."""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgenas.accuracy.dataset import ImageFiles
from edgenas.device import Device
from edgenas.device.target import searched_target_of
from edgenas.errors import EdgenasError, InputError
from edgenas.exporting.export_form import ExportForm
from edgenas.exporting.model_files import write_with_card
from edgenas.formats import write_bytes, write_json
from edgenas.pipeline import worker
from edgenas.pipeline.baselines import check_weights
from edgenas.pipeline.early_checks import check_before_images
from edgenas.pipeline.evaluators import custom_evaluator_maker, evaluator_for
from edgenas.pipeline.final_model import FinalModel
from edgenas.pipeline.finalist_training import train_and_export
from edgenas.pipeline.front_selection import succeeded
from edgenas.pipeline.preparing import Prepared, make_searcher_for, prepared
from edgenas.pipeline.result_assembly import result_of
from edgenas.pipeline.session import Session
from edgenas.pipeline.supernet_training import Trained, phase_budgets_s, trained_supernet
from edgenas.pipeline.time_budget import Budget
from edgenas.pipeline.warm_start import save_prior
from edgenas.progress import Progress, evaluations_of
from edgenas.reporting.judging import JUDGING, record_judgements
from edgenas.searchers.loop import Evaluated, search
from edgenas.searchers.registry import MakeSearcher
from edgenas.searchers.searcher import Searcher
from edgenas.searchers.starting_with import StartingWith
from edgenas.settings.option import name_of
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture
from edgenas.storage.run_folder import open_run
from edgenas.storage.run_store import Evaluation, RunStore
from edgenas.storage.search_result import SearchResult

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
    make_searcher_for(settings)  # what can be refused without reading anything comes first
    custom_evaluator_maker(settings)
    check_before_images(settings, device)
    ready = prepared(settings, device)
    ready.problem.check()
    folder, files = ready.folder, ready.data.largest.files
    if not folder.front.is_file():  # what is finished needs no weights any more
        check_weights(settings)
    executor, digests = worker.executor_for(ready), None if files is None else files.digests
    with open_run(folder.name, ready.config, digests) as (folder, store), executor:
        if folder.front.is_file() and (done := folder.read_result()).status == "complete":
            log.warning("run %s is already complete; this is its result", folder.name)
            return done
        before_s = sum(store.seconds().values())
        store.record("phase", phase="start", seconds=time.monotonic() - started_s)
        budget = Budget(settings.time_budget_s, before_s, started_s)
        at_once = folder.read_document().config.settings.worker_count  # when it was started
        session = ready.session(store, budget, _Watching(store, settings.progress), executor, at_once)
        if ready.prior is not None:
            save_prior(ready.prior, folder)
        _note_beginnings(session, ready)
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


def _note_beginnings(session: Session, ready: Prepared) -> None:
    """Say what is to know of the images, what training and search begin from, and which precisions are left out."""
    for remark in session.dataset.remarks:
        session.note(remark)
    files = session.dataset.files
    if files is not None and files.refused:
        _list_refused(session, files)
    if (pretrained := ready.pretrained) is not None:
        session.note(f"begins from {pretrained.title} (--pretrained {pretrained.name})")
    searched = session.predictor.parts
    for each in ready.precisions:
        if each not in searched:
            session.note(
                f"{each} is not searched: every network of the space would be slower in it than in a more exact one"
            )
    if (prior := ready.prior) is not None:
        session.note(prior.text(",".join(searched)))


def _list_refused(session: Session, files: ImageFiles) -> None:
    """Write a list of the files of the image folder that are not used."""
    listing = session.folder.refused_images
    lines = [f"{name}\t{reason}\n" for name, reason in sorted(files.refused.items())]
    write_bytes(listing, "".join(lines).encode())
    session.note(f"all files that are not used are listed in {listing}")


def _complete_or_interrupted(session: Session) -> SearchResult:
    final_models: list[FinalModel] = []
    status: Literal["complete", "interrupted"] = "complete"
    try:
        trained = trained_supernet(session)
        evaluated = _search(session, trained)
        final_models = train_and_export(session, trained.supernet, evaluated)
    except KeyboardInterrupt:
        session.executor.shutdown(wait=False, cancel_futures=True)
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

    def evaluate_here(architecture: Architecture, to_beat: float | None) -> float:
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
            worker.evaluate if session.has_workers else evaluate_here,
            ended["evaluations"] if ended else session.settings.evaluations,
            session.stored_evaluations(),
            commit,
            session.progress,
            lambda: ended is None and time.monotonic() >= until_s,
            session.executor,
            session.at_once,
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
