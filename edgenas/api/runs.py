"""Which runs are there, how far are they, and how do they differ?"""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from edgenas.api.run_comparison import EqualLatency, SettingDifference, differing_settings, side_by_side
from edgenas.errors import EdgenasError, UnknownNameError
from edgenas.file_content import check_is_file
from edgenas.formats import Document
from edgenas.settings.option import name_of
from edgenas.storage.run_config import RunDocument
from edgenas.storage.run_folder import RESTORE_WEIGHTS, RunFolder
from edgenas.storage.run_lock import is_locked
from edgenas.storage.run_names import NO_RUNS, RUNS, run_names
from edgenas.storage.run_store import RunStore
from edgenas.storage.search_result import AccuracyFigure, SearchResult
from edgenas.storage.store_problems import damaged

Status = Literal["running", "complete", "interrupted", "unfinished", "damaged"]


class RunInfo(Document):
    """A run, complete or not; of a damaged one, what could be read, and the `problem`.

    `status`: `running` while a process works on it; `interrupted` after Ctrl-C, with a result; `unfinished` without
    one, as after a failure. `evaluations` are those made so far, `best_accuracy` the most accurate model of the front,
    or the best evaluation while there is none; of which kind it is, says `accuracy_kind`. `models` are on the front.
    """

    name: str
    status: Status
    device: str | None = None
    data: str | None = None
    max_latency_ms: float | None = None
    evaluations: int | None = None
    best_accuracy: float | None = None
    accuracy_kind: str | None = None
    models: int | None = None
    hypervolume: float | None = None
    created_at: str | None = None
    age_s: float | None = None
    size_bytes: int
    problem: str = ""


class RunsResult(Document):
    """Runs, the newest first.

    Attributes:
        runs: those named, in that order, or all.
        result: of a single one that is named; None without a result.
        differences: of several that are named: the settings in which they differ.
        fronts: of several that are named, and can be compared: the best accuracy of each at equal latency.
        notes: what to know of the comparison.
    """

    runs: tuple[RunInfo, ...]
    result: SearchResult | None = None
    differences: tuple[SettingDifference, ...] = ()
    fronts: tuple[EqualLatency, ...] = ()
    notes: tuple[str, ...] = ()


class _Known(NamedTuple):
    """What is known of a run."""

    info: RunInfo
    document: RunDocument | None = None
    result: SearchResult | None = None


def runs(*names: str | Path) -> RunsResult:
    """Describe all runs under `runs/`; show one by its name, or compare several.

    Args:
        names: of the runs.

    Raises:
        UnknownNameError: there is no such run.
    """
    folders = run_folders(names)
    known = [_described(folder, whole=bool(names)) for folder in folders]
    if not names:
        known.sort(key=lambda each: each.info.created_at or "", reverse=True)
    found = tuple(each.info for each in known)
    if len(names) == 1:
        return RunsResult(runs=found, result=known[0].result)
    documents = {each.info.name: each.document for each in known if each.document}
    if not names or len(documents) < 2:
        return RunsResult(runs=found)
    fronts, notes = side_by_side(documents, {each.info.name: each.result for each in known if each.result})
    return RunsResult(runs=found, differences=differing_settings(documents), fronts=fronts, notes=notes)


def run_folders(names: Sequence[str | Path] = ()) -> list[RunFolder]:
    """The folders of the runs named, each once; without names, of all.

    Raises:
        UnknownNameError: there is no such run under `runs/`.
    """
    there = {name: RunFolder(RUNS / name) for name in run_names()}
    # A shell completes `runs/photos/` where `photos` is meant.
    asked = [path.name if (path := Path(name)).parent == RUNS else str(name) for name in names]
    for name in asked:
        if name not in there:
            raise UnknownNameError("run", name, there, "" if there else NO_RUNS)
    return [there[name] for name in dict.fromkeys(asked)] if names else list(there.values())


def _described(folder: RunFolder, whole: bool) -> _Known:
    """What is known of a run; `whole` reads its weights too, of which a list only looks whether they are there."""
    known: dict[str, Any] = {"name": folder.name, "size_bytes": size_bytes(folder.path)}
    running, document, result = is_locked(folder.path), None, None
    try:
        document = folder.read_document()
        known |= _asked(document)
        if folder.front.is_file():
            result = folder.read_result()
            known |= _found(result)
            _check(folder, result, whole)
        else:
            known |= _so_far(folder)
    except EdgenasError as error:
        known |= {"status": "damaged", "problem": str(error)}
    if running and known["status"] != "complete":
        known["status"] = "running"
    return _Known(RunInfo(**known), document, result)


def _check(folder: RunFolder, result: SearchResult, whole: bool) -> None:
    """Raise FileFormatError if what a result rests on is damaged."""
    if not folder.has_store:
        raise damaged(folder.store, "it is missing or empty")
    RunStore(folder.store, writable=False).close()
    for model in result.front:
        if whole and model.weights_sha256:
            folder.read_weights(model.id, model.weights_sha256)
        elif model.weights_sha256:
            check_is_file(folder.weights(model.id), missing=RESTORE_WEIGHTS)


def _asked(document: RunDocument) -> dict[str, Any]:
    settings = document.config.settings
    age = datetime.now(UTC) - datetime.fromisoformat(document.created_at)
    return {
        "device": document.config.device.name,
        "data": name_of(settings.data),
        "max_latency_ms": settings.max_latency_ms,
        "created_at": document.created_at,
        "age_s": max(age.total_seconds(), 0.0),
    }


def _found(result: SearchResult) -> dict[str, Any]:
    best = max((model.accuracy for model in result.front), key=lambda each: each.value, default=None)
    return {
        "status": result.status,
        "evaluations": result.evaluations,
        "models": len(result.front),
        "hypervolume": result.hypervolume,
        **_best(best),
    }


def _so_far(folder: RunFolder) -> dict[str, Any]:
    """Of a run without a result, which may be in progress."""
    if not folder.has_store:
        return {"status": "unfinished", "evaluations": 0}
    with closing(RunStore(folder.store, writable=False)) as store:
        made = store.evaluations()
    figures = [(each.accuracy, each.kind) for each in made if each.accuracy is not None]
    value, kind = max(figures, default=(None, None))
    best = None if value is None else AccuracyFigure.model_validate({"value": value, "kind": kind})
    return {"status": "unfinished", "evaluations": len(made), **_best(best)}


def _best(figure: AccuracyFigure | None) -> dict[str, Any]:
    return {} if figure is None else {"best_accuracy": figure.value, "accuracy_kind": figure.kind}


def size_bytes(folder: Path) -> int:
    """Of its files; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total
