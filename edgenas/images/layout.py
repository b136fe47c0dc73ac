"""How people lay out image folders: class folders, below folders for training, validation and test or alone."""

import difflib
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from edgenas.errors import DataError
from edgenas.images.listing import (
    SUFFIXES,
    ClassFolders,
    Listing,
    composed,
    first_of,
    is_passed_over,
    passed_over_text,
)
from edgenas.units import counted

_REST = r"([ _-]?(set|data|images?|imgs?))?"
_PARTS = {
    "train": re.compile(rf"train(ing)?{_REST}", re.IGNORECASE),
    "validation": re.compile(rf"val(id(ation)?)?{_REST}", re.IGNORECASE),
    "test": re.compile(rf"test(ing)?{_REST}", re.IGNORECASE),
}
"""Names of the folders of each part."""

MAX_DEPTH = 4
"""Folders that hold nothing but one other, as archives have them."""

LAYOUT = "lay it out as train/<class>/*.jpg and test/<class>/*.jpg, or as <class>/*.jpg"


def listing_of(folder: Path) -> Listing:
    """The images of a folder, whichever of the usual layouts it has.

    Raises:
        DataError: no images, or none where they are looked for; a test class that training lacks; two folders for
            one part; a name that is not UTF-8; a folder that cannot be listed.
    """
    try:
        found = {part: ClassFolders(folder, place) for part, place in part_folders(folder).items()}
        if "train" not in found or not found["train"].images:
            return _flat(folder, {part: each for part, each in found.items() if each.images})
        return _in_parts(folder, found)
    except OSError as error:
        raise DataError(
            f"--data {folder}: {error.filename} cannot be listed ({error.strerror})",
            "make the folder readable, or choose another",
        ) from None


def part_folders(
    folder: Path, option: str = "--data", parts: Collection[str] = tuple(_PARTS)
) -> dict[str, Path]:
    """The folder of each of the parts (train, validation, test) that has one.

    Args:
        folder: of the data set.
        option: that named it, for the error.
        parts: to look for.

    Raises:
        DataError: two folders for one part.
        OSError: the folder cannot be listed.
    """
    found: dict[str, Path] = {}
    for entry in sorted(folder.iterdir()):
        for part in parts:
            if _PARTS[part].fullmatch(entry.name) and entry.is_dir():
                if part in found:
                    raise DataError(
                        f"{option} {folder}: both {found[part].name}/ and {entry.name}/ are folders for {part}",
                        "keep one of them there",
                    )
                found[part] = entry
    return found


def _in_parts(folder: Path, found: dict[str, ClassFolders]) -> Listing:
    _check_parts(folder, found)
    validation, test = found.get("validation"), found.get("test")
    remarks = [text for each in found.values() for text in _remarks(each)]
    remarks += _beside(folder, {each.folder.name for each in found.values()})
    for each in (validation, test):
        remarks += [] if each is None else _compared(each, found["train"])
    if not (test and test.images):
        # The only images that were kept aside are worth more as a test than as a guide of the search.
        test, validation = validation, None
    if not (test and test.images):
        empty = [f"{each.folder.name}/" for part, each in found.items() if part != "train"]
        lack = (
            f"{first_of(empty)} has no class folders with images"
            if empty
            else "there is no test/ or val/ folder"
        )
        remarks.append(f"{lack}: a fifth of {found['train'].folder.name}/ is held out as test")
    return _listing(folder, (found["train"], validation, test), list(found.values()), remarks)


def _check_parts(folder: Path, found: dict[str, ClassFolders]) -> None:
    """Raise DataError for archives that were unpacked into themselves, and for a test folder of another name."""
    train = found["train"]
    for part, each in found.items():
        if (
            len(each.images) == 1
            and _PARTS[part].fullmatch(name := next(iter(each.images)))
            and each.inner[name]
        ):
            raise DataError(
                f"--data {folder}: {each.folder.name}/ holds nothing but another {name}/",
                "move that one level up",
            )
    if any(each.images for part, each in found.items() if part != "train"):
        return
    for other in folder.iterdir():
        if part_named(other.name) is not None or not other.is_dir() or is_passed_over(other):
            continue
        if {composed(each.name) for each in other.iterdir() if each.is_dir()} & train.images.keys():
            raise DataError(
                f"--data {folder}: {other.name}/ has the class folders of {train.folder.name}/ too",
                "rename it to test if it is that, or move it elsewhere",
            )


def _beside(folder: Path, parts: set[str]) -> list[str]:
    """What else lies in the folder of the parts, as a remark."""
    others = sorted(
        f"{each.name}/" if each.is_dir() else each.name
        for each in folder.iterdir()
        if each.name not in parts
        and (each.is_dir() or each.suffix.lower() in SUFFIXES)
        and not is_passed_over(each)
    )
    return [f"ignored beside {first_of(sorted(parts))}: {first_of(others)}"] if others else []


def _flat(folder: Path, others: dict[str, ClassFolders]) -> Listing:
    """Class folders without parts above them."""
    classes = ClassFolders(folder, folder)
    times = Counter(classes.inner.values())
    shared = [name for name, below in classes.inner.items() if len(below) > 1 and times[below] > 1]
    parts = [name for name in classes.images if part_named(name) is not None]
    if others or shared or len(classes.images) < 2 or ("train" in map(part_named, parts) and len(parts) > 1):
        near_miss = _near_miss(folder, classes, shared, others)
        raise DataError(f"--data {folder}: has no images under train/<class>/{near_miss}", LAYOUT)
    remarks = ["there are class folders only: a fifth of the images is held out as test", *_remarks(classes)]
    return _listing(folder, (classes, None, None), [classes], remarks)


def _near_miss(
    folder: Path, classes: ClassFolders, shared: list[str], others: dict[str, ClassFolders]
) -> str:
    """What there is instead of a known layout, as the end of a sentence."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    for name in names:
        if any(_PARTS["train"].fullmatch(each.name) for each in (folder / name).iterdir() if each.is_dir()):
            return f", but {name}/ has a folder for training: give --data {folder / name}"
    near = difflib.get_close_matches("train", [name.lower() for name in names], n=1, cutoff=0.7)
    if near and not _PARTS["train"].fullmatch(near[0]):
        return (
            f", but a folder {next(name for name in names if name.lower() == near[0])}/: rename it to train"
        )
    parts = [f"{name}/" for name in classes.images if part_named(name) is not None]
    if not others and len(parts) > 1:
        return f", but {first_of(parts)} hold images without class folders"
    if (deeper := _deeper(folder)) is not None:
        return f", but {deeper.relative_to(folder)}/ has class folders: give --data {deeper}"
    if others:
        return f", but under {first_of([each.folder.name for each in others.values()])}/"
    if shared:
        return f", but {first_of(shared)} hold the same folders: name them train and test"
    if loose := [name for name, why in classes.passed_over.items() if why == "outside class folders"]:
        return f", but {counted(len(loose), 'images')} directly in it ({first_of(loose)})"
    if len(classes.images) == 1:
        return f", but only one folder with images, {next(iter(classes.images))}/"
    passed_over = passed_over_text(classes.passed_over)
    return f"; passed over: {passed_over}" if passed_over else ""


def _deeper(folder: Path) -> Path | None:
    """The first folder with several folders in it, below folders that hold nothing but one other."""
    place = folder
    for _ in range(MAX_DEPTH):
        inner = [each for each in place.iterdir() if each.is_dir() and not is_passed_over(each)]
        if len(inner) != 1 or part_named(inner[0].name) is not None:
            return place if len(inner) > 1 and place != folder else None
        place = inner[0]
    return None


def _remarks(part: ClassFolders) -> list[str]:
    if not (part.empty and part.images):
        return []
    empty = [str((part.folder / name).relative_to(part.root)) for name in part.empty]
    return [f"class folders without images are ignored: {first_of(empty)}"]


def _compared(part: ClassFolders, train: ClassFolders) -> list[str]:
    """What to say of a part that lacks a class.

    Raises:
        DataError: it has a class that training lacks.
    """
    if strange := sorted(set(part.images) - set(train.images)):
        near = difflib.get_close_matches(strange[0].lower(), [name.lower() for name in train.images], n=1)
        meant = [name for name in train.images if name.lower() in near]
        raise DataError(
            f"{part.folder}: class {strange[0]!r} does not occur under {train.folder.name}/"
            + (f", which has {meant[0]!r}" if meant else ""),
            "use the same class folders in both",
        )
    absent = sorted(set(train.images) - set(part.images)) if part.images else []
    if not absent:
        return []
    figures = "validation" if _PARTS["validation"].fullmatch(part.folder.name) else "test"
    return [
        f"{part.folder.name}/ has no images of class {absent[0]!r}: it is missing from all {figures} figures"
    ]


def _listing(
    folder: Path,
    parts: tuple[ClassFolders, ClassFolders | None, ClassFolders | None],
    looked_into: list[ClassFolders],
    remarks: list[str],
) -> Listing:
    classes = tuple(parts[0].images)
    pairs = [
        [(path, label) for label, name in enumerate(classes) for path in part.images.get(name, ())]
        if part
        else []
        for part in parts
    ]
    train, validation, test = map(len, pairs)
    together = [pair for part in pairs for pair in part]
    return Listing(
        root=folder,
        classes=classes,
        paths=tuple(path for path, _ in together),
        labels=np.array([label for _, label in together], np.int64),
        counts=(train, validation, test),
        passed_over={name: why for part in looked_into for name, why in part.passed_over.items()},
        remarks=tuple(remarks),
    )


def part_named(name: str) -> str | None:
    """The part (train, validation, test) that a folder or split of this name is, if it is one."""
    return next((part for part, names in _PARTS.items() if names.fullmatch(name)), None)
