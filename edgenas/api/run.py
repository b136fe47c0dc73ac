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

from edgenas.board import host
from edgenas.errors import InputError, UnknownNameError
from edgenas.exporting.classifying import AT_ONCE, Classifier, classifier_from_file
from edgenas.formats import Document
from edgenas.images.layout import part_folders
from edgenas.images.listing import ClassFolders, composed, files_below, first_of
from edgenas.images.reading import UnreadableImageError, quietly, read_pixels
from edgenas.progress import Progress
from edgenas.settings.keywords import taking
from edgenas.settings.run_model import RunModelSettings

log = logging.getLogger(__name__)

_NOT_MISSED = ("hidden", "thumbnails")
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
    given = [each for path in settings.paths for each in _given(path)]
    pictures = [each for each in given if isinstance(each, _Picture)]
    passed_over = [each for each in given if isinstance(each, Skipped)]
    if check is not None:
        pictures += _pictures_of_classes(check, classifier.classes)
    if not pictures and not passed_over:
        raise InputError("there are no pictures to classify", "name some, or a folder that holds some")
    predictions, unreadable = _classified(pictures, classifier, settings.progress)
    if skipped := [*passed_over, *unreadable]:
        some = first_of([f"{each.file} ({each.reason})" for each in skipped])
        text = f"{len(skipped)} of {len(pictures) + len(passed_over)} files cannot be read as images: {some}"
        if not predictions:
            raise InputError(text, "give other files")
        log.warning("%s; they are skipped", text)
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
        for start in range(0, len(pictures), AT_ONCE):
            progress("classifying", start, len(pictures))
            some = pictures[start : start + AT_ONCE]
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
    progress("classifying", len(pictures), len(pictures))
    return predictions, skipped


def _read(picture: _Picture, classifier: Classifier) -> NDArray[np.uint8] | str:
    """The pixels of a picture, or why it has none."""
    try:
        return read_pixels(picture.path, classifier.preprocessing.resolution, classifier.preprocessing)
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


def _given(path: Path) -> Iterator[_Picture | Skipped]:
    """A file, or all of a folder but for hidden ones and thumbnails."""
    if not path.is_dir():
        yield _Picture(path)
        return
    try:
        for file, reason in files_below(path):
            if reason is None:
                yield _Picture(file)
            elif reason not in _NOT_MISSED:
                yield Skipped(file=_text(file), reason=reason)
    except OSError as error:
        raise _not_listed(error) from None


def _pictures_of_classes(folder: Path, classes: tuple[str, ...]) -> Iterator[_Picture]:
    """The pictures of the class folders in the folder for the test, or in the folder itself.

    Raises:
        InputError: it has none, or one that is no class of the model.
    """
    known = {composed(name): name for name in classes}
    try:
        found = ClassFolders(folder, part_folders(folder).get("test", folder))
        if not found.images:
            found = ClassFolders(folder, folder)
    except OSError as error:
        raise _not_listed(error) from None
    if not found.images:
        raise InputError(
            f"--check {folder}: has no class folders with images",
            "lay it out as test/<class>/*.jpg or <class>/*.jpg",
        )
    for name, paths in found.images.items():
        if name not in known:
            what = f"class folder in {found.folder}:"
            raise UnknownNameError(what, name, known, f"the model knows {_some(classes)}")
        yield from (_Picture(path, known[name]) for path in paths)


def _not_listed(error: OSError) -> InputError:
    return InputError(f"{error.filename}: cannot be listed ({error.strerror})", "give a folder that can")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def _text(path: Path) -> str:
    """A path as text that JSON can hold; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
