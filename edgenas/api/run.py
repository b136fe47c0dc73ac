"""Classifying pictures with an exported file, as it says itself; how many are right, if their classes are known."""

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgenas.api.labelled_pictures import labelled_pictures
from edgenas.board import host
from edgenas.errors import InputError, UnknownNameError
from edgenas.exporting.classifying import Classifier, classifier_from_file
from edgenas.formats import Document
from edgenas.images.listing import composed, files_below, first_of
from edgenas.images.reading import UnreadableImageError, quietly
from edgenas.progress import Phase, Progress
from edgenas.settings.keywords import taking
from edgenas.settings.run_model import RunModelSettings
from edgenas.units import counted

log = logging.getLogger(__name__)

CLASSIFYING = Phase("classifying", "pictures")

_NOT_MISSED = ("hidden", "of thumbnails")
"""What lies in folders without anybody meaning it."""


class Prediction(Document):
    """The most probable class of a picture; `expected` is that of its folder, if it is from `check`."""

    file: str
    class_: str = Field(validation_alias="class", serialization_alias="class")
    probability: float
    expected: str | None = None


class ClassCount(Document):
    """How many pictures of a class there were, and how many of them were found to be of it."""

    class_: str = Field(validation_alias="class", serialization_alias="class")
    images: int
    right: int


class Skipped(Document):
    """A file that is no picture, or cannot be read."""

    file: str
    reason: str


class RunResult(Document):
    """The classes of pictures.

    Attributes:
        predictions: of `images`, then of `check`.
        accuracy: share of the pictures of `check` whose class was found; None without.
        classes: the same for each class that has pictures; None without `check`.
        skipped: files that are no readable pictures.
    """

    predictions: tuple[Prediction, ...]
    accuracy: float | None
    classes: tuple[ClassCount, ...] | None
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    path: Path
    expected: str | None = None


@taking(RunModelSettings)
def run(settings: RunModelSettings) -> RunResult:
    """Classify pictures with an exported ONNX file, which says itself how they are prepared and what its classes are.

    Files that are no pictures are skipped with a warning.

    Raises:
        InputError: the file was not exported by edgenas; there are no pictures, or none can be read; a class folder
            is of no class of the model.
        DeviceError: ONNX Runtime cannot run the file.
    """
    classifier = classifier_from_file(Path(settings.model))
    check = None if settings.check is None else Path(settings.check)
    with quietly([]):
        given = list(_listed(settings.paths, check, classifier.classes))
    if not given:
        raise InputError("there are no pictures to classify", "name some, or a folder that holds some")
    pictures = [each for each in given if isinstance(each, _Picture)]
    predictions, unreadable = _classified(pictures, classifier, settings.progress)
    if skipped := [*(each for each in given if isinstance(each, Skipped)), *unreadable]:
        some = first_of([f"{each.file} ({each.reason})" for each in skipped])
        if not predictions:
            raise InputError(
                f"none of {counted(len(given), 'files')} can be classified: {some}", "give other files"
            )
        log.warning("skipped %d of %d files: %s", len(skipped), len(given), some)
    return _result(predictions, skipped, check)


def _result(predictions: Sequence[Prediction], skipped: Sequence[Skipped], check: Path | None) -> RunResult:
    checked = [(each.expected, each.class_) for each in predictions if each.expected is not None]
    if check is not None and not checked:
        raise InputError(f"--check {check}: none of its pictures can be read", "give another folder")
    images = Counter(expected for expected, _ in checked)
    right = Counter(expected for expected, found in checked if expected == found)
    counts = [ClassCount(class_=name, images=count, right=right[name]) for name, count in images.items()]
    return RunResult(
        predictions=tuple(predictions),
        accuracy=right.total() / len(checked) if checked else None,
        classes=tuple(counts) if checked else None,
        skipped=tuple(skipped),
    )


def _classified(
    pictures: Sequence[_Picture], classifier: Classifier, progress: Progress
) -> tuple[list[Prediction], list[Skipped]]:
    predictions: list[Prediction] = []
    skipped: list[Skipped] = []
    with quietly([]), ThreadPoolExecutor(host.cores()) as pool:
        for start in range(0, len(pictures), classifier.at_once):
            progress(CLASSIFYING, start, len(pictures))
            some = pictures[start : start + classifier.at_once]
            found = list(zip(some, pool.map(partial(_read, classifier=classifier), some), strict=True))
            readable = [(picture, pixels) for picture, pixels in found if isinstance(pixels, np.ndarray)]
            skipped += [
                Skipped(file=_text(picture.path), reason=reason)
                for picture, reason in found
                if isinstance(reason, str)
            ]
            rows = classifier.probabilities(pixels for _, pixels in readable)
            for (picture, _), row in zip(readable, rows, strict=True):
                predictions.append(_prediction(picture, row, classifier.classes))
    progress(CLASSIFYING, len(pictures), len(pictures))
    return predictions, skipped


def _read(picture: _Picture, classifier: Classifier) -> NDArray[np.uint8] | str:
    """The pixels of a picture, or why it has none."""
    try:
        return classifier.read(picture.path)
    except UnreadableImageError as error:
        return error.reason


def _prediction(picture: _Picture, row: NDArray[np.float32], classes: tuple[str, ...]) -> Prediction:
    best = int(row.argmax())
    return Prediction(
        file=_text(picture.path),
        class_=classes[best],
        probability=float(row[best]),
        expected=picture.expected,
    )


def _listed(
    paths: Sequence[Path], check: Path | None, classes: tuple[str, ...]
) -> Iterator[_Picture | Skipped]:
    """The pictures that are named, then those to check, with what is passed over among them."""
    try:
        for path in paths:
            yield from _given(path)
        if check is not None:
            yield from _checked(check, classes)
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be listed ({error.strerror})", "give a folder that can"
        ) from None


def _given(path: Path) -> Iterator[_Picture | Skipped]:
    """A file, or all of a folder but for hidden ones and thumbnails."""
    if not path.is_dir():
        yield _Picture(path)
        return
    for file, reason in files_below(path):
        if reason is None:
            yield _Picture(file)
        elif reason not in _NOT_MISSED:
            yield Skipped(file=_text(file), reason=reason)


def _checked(folder: Path, classes: tuple[str, ...]) -> Iterator[_Picture | Skipped]:
    """The pictures of a folder with the model's names of their classes.

    Raises:
        InputError: it has none, or one that is no class of the model.
    """
    known = {composed(name): name for name in classes}
    found = labelled_pictures(folder)
    for name, paths in found.images.items():
        if name not in known:
            what = f"class folder in {found.folder}:"
            raise UnknownNameError(what, name, known, f"the model knows {first_of(classes, 10)}")
        yield from (_Picture(path, known[name]) for path in paths)
    for path, reason in found.passed_over.items():
        if reason not in _NOT_MISSED:
            yield Skipped(file=_text(path), reason=reason)
    if found.remark:
        log.warning("%s", found.remark)


def _text(path: Path) -> str:
    """A path as text that JSON can hold; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
