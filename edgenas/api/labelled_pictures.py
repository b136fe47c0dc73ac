"""The pictures of `edgenas run --check FOLDER`, whose folders are their classes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.accuracy.splits import split_off_by_name
from edgenas.errors import InputError
from edgenas.images.layout import part_folders
from edgenas.images.listing import ClassFolders, name_below, passed_over_text


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """Pictures of each class.

    Attributes:
        folder: holds the class folders.
        images: by class.
        passed_over: files that are not taken, and why.
        remark: what whoever reads their accuracy should know; empty for nothing.
    """

    folder: Path
    images: dict[str, list[Path]]
    passed_over: dict[Path, str]
    remark: str = ""


def labelled_pictures(folder: Path) -> LabelledPictures:
    """Those that a training on the folder keeps for its test; all pictures if there are only class folders.

    Raises:
        InputError: it has no class folders with pictures, or two folders for one part.
        OSError: a folder cannot be listed.
    """
    for part in ("test", "validation"):
        if (found := _part(folder, part)) is not None:
            return _pictures(found, found.images)
    if (train := _part(folder, "train")) is not None:
        return _held_out(train)
    flat = ClassFolders(folder, folder)
    if not flat.images:
        rest = passed_over_text(flat.passed_over)
        raise InputError(
            f"--check {folder}: has no class folders with images"
            + (f"; passed over: {rest}" if rest else ""),
            "lay it out as test/<class>/*.jpg or <class>/*.jpg",
        )
    remark = (
        f"--check {folder}: all pictures in its class folders count; if the model was trained on this folder, it has "
        "seen most of them"
    )
    return _pictures(flat, flat.images, remark)


def _part(folder: Path, part: str) -> ClassFolders | None:
    """The class folders of a part; None if there is no such part, or it has no images."""
    place = part_folders(folder, "--check", (part,)).get(part)
    found = ClassFolders(folder, place) if place is not None else None
    return found if found is not None and found.images else None


def _held_out(train: ClassFolders) -> LabelledPictures:
    """Those that training holds out as test where no folder is meant for that."""
    pairs = [(name, path) for name, paths in train.images.items() for path in paths]
    _, labels = np.unique([name for name, _ in pairs], return_inverse=True)
    _, test = split_off_by_name(labels, [name_below(train.root, path) for _, path in pairs])
    images: dict[str, list[Path]] = {}
    for name, path in (pairs[i] for i in test):
        images.setdefault(name, []).append(path)
    what, hint = f"--check {train.root}", f"give {train.folder} to count all"
    if not images:
        raise InputError(f"{what}: {train.folder.name}/ has too few pictures to keep any aside", hint)
    remark = (
        f"{what}: has no test/ or val/, so the fifth of {train.folder.name}/ counts that a training on this folder "
        f"keeps aside; {hint}"
    )
    return _pictures(train, images, remark)


def _pictures(found: ClassFolders, images: dict[str, list[Path]], remark: str = "") -> LabelledPictures:
    passed_over = {found.root / name: reason for name, reason in found.passed_over.items()}
    return LabelledPictures(found.folder, images, passed_over, remark)
