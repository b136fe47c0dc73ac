"""The image files of a folder, their classes, and what in it is passed over."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import DataError
from edgenas.formats import UNPRINTABLE
from edgenas.images.reading import UnreadableImageError, opened

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".gif", ".avif", ".jp2", ".tga",
    ".ppm", ".pgm", ".pbm", ".pnm", ".tif", ".tiff",
}  # fmt: skip
"""A file with such a suffix claims to be an image, and is a broken one if it is not. Others are looked into."""

THUMBNAILS = {"@eadir", "__macosx", "@recycle", "#recycle", "$recycle.bin"}
"""Folders that network drives and archives add."""

OF_THE_SYSTEM = {".ds_store", "thumbs.db", "desktop.ini"}
"""Files that lie in every folder and that nobody misses."""

_REMEDIES = {
    "HEIC": "convert them to JPEG",
    "hidden": "rename them if they are meant",
    "outside class folders": "move them into one",
    "link to a folder": "put the folder itself there",
}
"""What to do about files that are passed over for this reason."""

NAMED = 3
"""Names shown in a message about many."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Image files with their labels, int64 (N,), training images first, then those of validation, then the test images.

    `counts` says how many of each there are; what there is none of is split off the training images. `passed_over`
    gives a reason for each file that is not taken, `remarks` say what else the owner of the images should know.
    """

    root: Path
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    labels: NDArray[np.int64]
    counts: tuple[int, int, int]
    passed_over: dict[str, str]
    remarks: tuple[str, ...] = ()

    @property
    def train(self) -> int:
        """Number of training images."""
        return self.counts[0]

    def name(self, index: int) -> str:
        """Where an image lies below the root."""
        return name_below(self.root, self.paths[index])


class ClassFolders:
    """The images in class folders below one folder; names of classes are in Unicode's composed form.

    Attributes:
        images: image files of each class that has some, in a stable order.
        empty: classes without images.
        inner: names of the folders in each class folder.
        passed_over: why files and folders are not taken, by their place below the root.

    Args:
        root: of the data set.
        folder: holds a folder for each class.

    Raises:
        DataError: a class folder is a link to one of its parents, or its name is not UTF-8.
        OSError: a folder cannot be listed.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.passed_over: dict[str, str] = {}
        self.inner: dict[str, tuple[str, ...]] = {}
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for entry in sorted(folder.iterdir()):
            is_folder = entry.is_dir()
            if reason := is_passed_over(entry):
                self._pass_over(entry, reason)
            elif is_folder:
                _check_class_folder(folder, entry)
                name = composed(entry.name)
                found[name] += self._images(entry)
                self.inner[name] = tuple(sorted(each.name for each in entry.iterdir() if each.is_dir()))
            else:
                self._pass_over(entry, _is_no_image(entry) or "outside class folders")
        self.empty = [name for name, paths in found.items() if not paths]
        self.images = {name: sorted(paths) for name, paths in sorted(found.items()) if paths}

    def _images(self, folder: Path) -> list[Path]:
        found = []
        for path, reason in files_below(folder):
            if reason is None:
                found.append(path)
            else:
                self._pass_over(path, reason)
        return found

    def _pass_over(self, path: Path, reason: str) -> None:
        if path.name.lower() not in OF_THE_SYSTEM:
            self.passed_over[name_below(self.root, path)] = reason


def files_below(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """Each file at any depth, in a stable order, with None if it is an image, else why it is passed over.

    Folders that are passed over are given as a whole.

    Raises:
        OSError: a folder cannot be listed.
    """
    for place, folders, files in os.walk(folder, onerror=_raise):
        at = Path(place)
        folders.sort()
        for name in tuple(folders):
            linked = "link to a folder" if (at / name).is_symlink() else None
            if reason := is_passed_over(at / name) or linked:
                folders.remove(name)
                yield at / name, reason
        for path in (at / name for name in sorted(files) if name.lower() not in OF_THE_SYSTEM):
            yield path, is_passed_over(path) or _is_no_image(path)


def _raise(error: OSError) -> None:
    raise error


def is_passed_over(path: Path) -> str | None:
    """Why a file or folder is passed over whatever it holds; `._x.jpg` are what macOS leaves on other drives."""
    if path.name.lower() in THUMBNAILS:
        return "of thumbnails"
    return "hidden" if path.name.startswith(".") else None


def _is_no_image(path: Path) -> str | None:
    """Why a file is no image, by its content unless its suffix says that it is one."""
    if path.suffix.lower() in SUFFIXES:
        return None
    try:
        with opened(path):
            return None
    except UnreadableImageError as error:
        return error.reason


def _check_class_folder(part: Path, folder: Path) -> None:
    """Names must be text that JSON, and a terminal, can hold; and a link to a parent would put every class into one."""
    if part.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{folder}: is a link to one of its parent folders", "remove the link")
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{part}: the name of class folder {folder.name!a} is not UTF-8", "rename the folder"
        ) from None
    if UNPRINTABLE.search(folder.name) or "\n" in folder.name:
        raise DataError(
            f"{part}: the name of class folder {folder.name!a} has control characters", "rename the folder"
        )


def composed(name: str) -> str:
    """A name with its accents composed (NFC): macOS writes the same name otherwise than other systems."""
    return unicodedata.normalize("NFC", name)


def name_below(root: Path, path: Path) -> str:
    """Where a file lies below a folder, as text that any file can hold; what is no text in it is escaped."""
    text = os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace")
    return UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)


def first_of(names: Sequence[str], most: int = NAMED) -> str:
    """The first few of many names, and how many others there are."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def passed_over_text(passed_over: dict[str, str]) -> str:
    """How many files are passed over and why, the first few named, and what to do."""
    by_reason: defaultdict[str, list[str]] = defaultdict(list)
    for name, reason in passed_over.items():
        by_reason[reason].append(name)
    parts = [
        f"{len(names)} {reason} ({first_of(names)}{f': {remedy}' if (remedy := _REMEDIES.get(reason)) else ''})"
        for reason, names in by_reason.items()
    ]
    return ", ".join(parts)
