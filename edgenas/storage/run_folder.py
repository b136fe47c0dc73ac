"""A run's folder `runs/<name>/`: opened by one process at a time, resumed only for the same configuration."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgenas.errors import FileFormatError, InputError, RunConflictError, UnknownNameError
from edgenas.file_content import content_of
from edgenas.formats import hinted, parse_json, read_json, remove_parts, validate, write_json
from edgenas.settings.option import name_of
from edgenas.storage.earlier_formats import is_of_earlier_format, upgraded_run
from edgenas.storage.run_config import ImageManifest, RunConfig, RunDocument, versions
from edgenas.storage.run_lock import locked
from edgenas.storage.run_names import NO_RUNS, RUNS, is_run_name, run_names
from edgenas.storage.run_store import RunStore
from edgenas.storage.search_result import SearchResult
from edgenas.storage.store_problems import damaged

log = logging.getLogger(__name__)

EXPORTS = Path("exports")

MAX_WEIGHT_BYTES = 2**31 - 1
RESTORE_WEIGHTS = "restore the file, or search again"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of the files of one run."""

    path: Path

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.path.name

    @property
    def document(self) -> Path:
        """Configuration, versions, date."""
        return self.path / "run.json"

    @property
    def store(self) -> Path:
        """SQLite store."""
        return self.path / "run.sqlite"

    @property
    def prior(self) -> Path:
        """Evaluations of an earlier run, for a warm start."""
        return self.path / "prior.json"

    @property
    def supernet(self) -> Path:
        """Supernet weights and optimiser state."""
        return self.path / "supernet.safetensors"

    @property
    def largest_network(self) -> Path:
        """Training state of the supernet's largest network, where it is trained first."""
        return self.path / "largest-network.training.safetensors"

    @property
    def front(self) -> Path:
        """The result."""
        return self.path / "front.json"

    @property
    def report(self) -> Path:
        """HTML report."""
        return self.path / "report.html"

    @property
    def images(self) -> Path:
        """Which images the run was started on."""
        return self.path / "images.json"

    @property
    def refused_images(self) -> Path:
        """The files of the image folder that are not used, a line each."""
        return self.path / "refused-images.txt"

    @property
    def picture(self) -> Path:
        """PNG of the front."""
        return self.path / "front.png"

    @property
    def models(self) -> Path:
        """The folder of trained weights."""
        return self.path / "models"

    @property
    def comparison(self) -> Path:
        """HTML page that compares it with other runs."""
        return self.path / "comparison.html"

    @property
    def judged(self) -> Path:
        """How the exported files judge the test images."""
        return self.path / "judged.json"

    def weights(self, model: str) -> Path:
        """Trained weights of a model."""
        return self.models / f"{model}.safetensors"

    def training(self, model: str) -> Path:
        """Training state of an unfinished model."""
        return self.models / f"{model}.training.safetensors"

    @property
    def exports(self) -> Path:
        """The folder of its exported files."""
        return EXPORTS / self.name

    @property
    def has_results(self) -> bool:
        """Whether something has been trained or found, as its store must then tell."""
        return self.front.exists() or self.supernet.exists() or self.models.exists()

    @property
    def has_store(self) -> bool:
        """Whether there is a store with something in it."""
        return self.store.exists() and self.store.stat().st_size > 0

    def read_document(self) -> RunDocument:
        """Read `run.json`, including those of earlier versions of edgenas."""
        with hinted("restore it from a copy, or use another run"):
            return validate(upgraded_run(parse_json(self.document)), RunDocument, self.document)

    def resumable_document(self) -> RunDocument:
        """Read `run.json` of a run that is to be continued.

        Raises:
            RunConflictError: it is damaged, or of an earlier version of edgenas.
        """
        try:
            document = self.read_document()
        except FileFormatError as error:
            raise RunConflictError(error.problem, "use another --run, or delete the folder") from None
        if is_of_earlier_format(parse_json(self.document)):
            raise RunConflictError(
                f"run {self.name} was started by an earlier version of edgenas and cannot be resumed",
                "use another --run; its results can still be loaded, reported and exported",
            )
        return document

    def changes(self, digests: Mapping[str, str]) -> str:
        """How images differ from those the run was started on: `3 added`; empty if that is not known."""
        return read_json(self.images, ImageManifest).changes(digests) if self.images.is_file() else ""

    def follow(self, document: RunDocument, data: str) -> None:
        """Remember where the images of the run are now."""
        if document.config.settings.data != data:
            config = document.config.with_settings(data=data)
            write_json(self.document, document.model_copy(update={"config": config}))

    def read_result(self) -> SearchResult:
        """Read `front.json`."""
        with hinted("delete it and repeat the search, which writes it again from what the run holds"):
            return read_json(self.front, SearchResult)

    def read_weights(self, model: str, sha256: str | None, max_bytes: int = MAX_WEIGHT_BYTES) -> bytes:
        """The content of the file of a model's trained weights.

        Args:
            model: its id.
            sha256: of the file, by which other weights than the model's are told; None if that is not known.
            max_bytes: of the file.

        Raises:
            FileFormatError: it is missing, too large, or has another SHA-256.
        """
        path = self.weights(model)
        content = content_of(path, max_bytes, RESTORE_WEIGHTS, RESTORE_WEIGHTS)
        if sha256 not in (None, hashlib.sha256(content).hexdigest()):
            found = f"does not hold the weights that {model} was trained to (its SHA-256 differs)"
            raise FileFormatError(path, "", found, RESTORE_WEIGHTS)
        return content


def find_run(run: str) -> RunFolder:
    """Find a run by name (under `./runs`) or by the path of its folder.

    Raises:
        UnknownNameError: there is no such run.
        InputError: it has no result yet.
    """
    given = Path(run)
    if given.name in ("", ".."):  # the last part is also the name of a folder in `exports/`
        given = given.resolve()
    for path in (RUNS / run, given):
        folder = RunFolder(path)
        if folder.document.is_file():
            if not folder.front.is_file():
                raise InputError(f"run {run} has no result yet", "let `edgenas search` finish it first")
            return folder
        if folder.has_results or folder.has_store:
            raise _without_document(folder)
    names = run_names()
    raise UnknownNameError("run", run, names, "" if names else NO_RUNS)


@contextmanager
def open_run(
    name: str, config: RunConfig, digests: Mapping[str, str] | None = None
) -> Iterator[tuple[RunFolder, RunStore]]:
    """Open a run exclusively, creating it if it is new; it is closed and unlocked on exit.

    Args:
        name: of the run.
        config: what it is, or must be if it exists.
        digests: of its images, by their place in the folder, if they come from one.

    Raises:
        RunConflictError: the run has another configuration, another process is using it, or the folder cannot be
            written.
    """
    check_name(name)
    folder = RunFolder(RUNS / name)
    with locked(folder.path):
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunConflictError(
                f"{folder.path}: cannot be written ({error.strerror})", "run from a folder you can write to"
            ) from None
        _check_or_write(folder, config, digests)
        if folder.has_results and not folder.has_store:
            raise damaged(folder.store, "it is missing or empty")
        for place in (folder.path, folder.exports):
            remove_parts(place)
        with closing(RunStore(folder.store)) as store:
            yield folder, store


def check_name(name: str) -> None:
    """Raise RunConflictError unless it can be the name of a run."""
    if not is_run_name(name):
        raise RunConflictError(
            f"--run {name!r} is not a valid run name", "use letters, digits, '.', '_' and '-'"
        )


def different_configuration(name: str, differences: list[str]) -> RunConflictError:
    """The refusal to continue a run with other options."""
    return RunConflictError(
        f"run {name} has a different configuration ({'; '.join(differences)})",
        "use another --run, or the options it was started with",
    )


def _without_document(folder: RunFolder) -> RunConflictError:
    return RunConflictError(
        f"{folder.path} holds a run without its run.json", "restore that file, or use another --run"
    )


def _check_or_write(folder: RunFolder, config: RunConfig, digests: Mapping[str, str] | None) -> None:
    if not folder.document.exists():
        if folder.has_results or folder.has_store:
            raise _without_document(folder)
        if digests is not None:
            write_json(folder.images, ImageManifest(digests=dict(digests)))
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(
            folder.document, RunDocument(name=folder.name, created_at=now, config=config, versions=versions())
        )
        return
    document = folder.resumable_document()
    stored, data = document.config, name_of(config.settings.data)
    if stored.data.fingerprint != config.data.fingerprint:
        _refuse_other_images(folder, data, digests or {}, same_place=stored.settings.data == data)
    if stored.lacks_rounding_of(config):
        raise RunConflictError(
            f"run {folder.name} was started by an earlier version of edgenas, which evaluated int8 networks in fp32",
            "use another --run; its results can still be loaded, reported and exported",
        )
    if differences := stored.differences(config):
        raise different_configuration(folder.name, differences)
    folder.follow(document, data)
    if document.versions != versions():
        log.warning("run %s was started with other library versions: the result may differ", folder.name)


def _refuse_other_images(folder: RunFolder, data: str, digests: Mapping[str, str], same_place: bool) -> None:
    """Raise RunConflictError where it is the images that differ, rather than what was asked for."""
    if folder.images.is_file():
        manifest = read_json(folder.images, ImageManifest)
        changes = manifest.changes(digests) if manifest.digests.keys() & digests.keys() else ""
    elif same_place and digests:
        raise RunConflictError(
            f"run {folder.name} was started by an earlier version of edgenas, which told images apart in another way",
            "use another --run; its results can still be loaded, reported and exported",
        )
    else:
        changes = ""
    if changes or same_place:
        raise RunConflictError(
            f"run {folder.name} was started on other images: those of {data} changed{changes and f' ({changes})'}",
            "restore them, or use another --run",
        )
