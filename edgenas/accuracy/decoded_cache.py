"""Image folders larger than memory: decoded once into a file of the user's cache folder, and mapped from there."""

import hashlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import platformdirs
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import Field

from edgenas.accuracy.dataset import (
    Colours,
    Dataset,
    Split,
    check_counts,
    training_order,
    validation_cut,
    warn_of_imbalance,
)
from edgenas.errors import DataError, FileFormatError
from edgenas.formats import Document, read_json, write_json

log = logging.getLogger(__name__)

FORMAT = 1
"""Raised when images are decoded, ordered or stored in another way: older files are then no longer opened."""

Decode = Callable[[Sequence[Path]], Iterator[NDArray[np.uint8] | None]]
"""Images, uint8 (R, R, 3), in the order of the files; None for each that cannot be read."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Image files of a folder with their labels, int64 (N,): the first `train` of them for training.

    Without others, test is cut from these.
    """

    root: Path
    classes: tuple[str, ...]
    paths: list[Path]
    labels: NDArray[np.int64]
    train: int


class _Record(Document):
    """What is known of a complete file of images; it is written last."""

    schema_: Literal["edgenas.decoded/1"] = Field(default="edgenas.decoded/1", alias="schema")
    skipped: tuple[int, ...] = Field(description="places, in the file's order, of images that cannot be read")
    mean: tuple[float, ...] = Field(min_length=3, max_length=3)
    std: tuple[float, ...] = Field(min_length=3, max_length=3)
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _Plan:
    """The file to make, and what goes where: indices into the listing, in the order of the splits."""

    path: Path
    resolution: int
    splits: tuple[NDArray[np.int64], ...]

    @property
    def record(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def order(self) -> NDArray[np.int64]:
        return np.concatenate(self.splits)

    def nbytes(self, skipped: int) -> int:
        return (sum(map(len, self.splits)) - skipped) * self.resolution**2 * 3


def mapped_dataset(listing: Listing, resolution: int, flip: bool, decode: Decode) -> Dataset:
    """Make a data set whose images are mapped from a file, decoded there unless an earlier session did.

    Which image is in which split is settled before decoding, so that every split is one stretch of the file and
    nothing is held in memory. The file is found again by the names, sizes and times of the images.

    Raises:
        DataError: too few images in a class, or a cache folder that is full or cannot be written.
    """
    plan = _plan(listing, resolution)
    record = _complete(plan)
    if record is None:
        record = _decoded_once(listing, plan, decode)
    else:
        log.info("images are mapped from %s", plan.path)
        if record.skipped:
            names = ", ".join(str(listing.paths[i]) for i in plan.order[list(record.skipped[:3])])
            log.warning("%d images cannot be read and are skipped: %s", len(record.skipped), names)
    warn_of_imbalance(str(listing.root), listing.classes, listing.labels[: listing.train])
    train, validation, test = _mapped(listing, plan, record)
    return Dataset(
        name=str(listing.root),
        classes=listing.classes,
        train=train,
        validation=validation,
        test=test,
        mean=record.mean,
        std=record.std,
        flip=flip,
        fingerprint=record.fingerprint,
    )


def _plan(listing: Listing, resolution: int) -> _Plan:
    labels, own_test = listing.labels, np.arange(listing.train, len(listing.paths))
    order, cut = training_order(labels[: listing.train], cut_test=len(own_test) == 0)
    splits = (*validation_cut(labels, order), own_test if len(own_test) else cut)
    folder = platformdirs.user_cache_path("edgenas") / "decoded"
    return _Plan(folder / f"{_key(listing, resolution)}.u8", resolution, splits)


def _key(listing: Listing, resolution: int) -> str:
    """Changes with any name, size or time of change; a moved folder keeps it."""
    digest = hashlib.sha256(f"{FORMAT} {resolution} {listing.train}".encode())
    for path in listing.paths:
        digest.update(b"\0" + os.fsencode(path.relative_to(listing.root)))
        try:
            state = path.stat()
            digest.update(f"\0{state.st_size} {state.st_mtime_ns}".encode())
        except OSError:  # a link to nothing is skipped when its turn comes
            digest.update(b"\0")
    return digest.hexdigest()[:32]


def _complete(plan: _Plan) -> _Record | None:
    """The record of a file that is there and as long as it must be."""
    if not plan.record.exists():
        return None
    try:
        record = read_json(plan.record, _Record)
        if plan.path.stat().st_size == plan.nbytes(len(record.skipped)):
            return record
        found = f"has {plan.path.stat().st_size} bytes, not {plan.nbytes(len(record.skipped))}"
    except FileFormatError as error:
        found = f"has a damaged record ({error.problem})"
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    log.warning("%s %s: the images are decoded again", plan.path, found)
    return None


def _decoded_once(listing: Listing, plan: _Plan, decode: Decode) -> _Record:
    """Decode under a lock, which the system releases should this process be killed."""
    try:
        plan.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(plan.path.with_suffix(".lock"))
        try:
            held = lock.acquire(blocking=False)
        except Timeout:
            log.warning("%s: waiting for another session that decodes these images", listing.root)
            held = lock.acquire()
        with held:
            return _complete(plan) or _decode_to_file(listing, plan, decode)
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{plan.path.parent}: decoded images cannot be kept there ({reason})",
            "free some space there, or let XDG_CACHE_HOME name a folder that you can write to",
        ) from None


def _decode_to_file(listing: Listing, plan: _Plan, decode: Decode) -> _Record:
    _check_space(plan)
    log.warning(
        "%s is large: its decoded images, %.3g GB, are kept in %s for later sessions",
        *(listing.root, plan.nbytes(0) / 1e9, plan.path),
    )
    part = plan.path.with_suffix(".part")
    plan.record.unlink(missing_ok=True)
    try:
        with part.open("wb") as file:
            record = _write(listing, plan, decode, file.write)
            file.flush()
            os.fsync(file.fileno())
        part.replace(plan.path)
    finally:
        part.unlink(missing_ok=True)
    write_json(plan.record, record)
    return record


def _check_space(plan: _Plan) -> None:
    needed, free = plan.nbytes(0), shutil.disk_usage(plan.path.parent).free
    if needed > free:
        raise DataError(
            f"{plan.path.parent}: decoded images need {needed / 1e9:.3g} GB, {free / 1e9:.3g} GB are free",
            "free some space there, choose a lower --resolution, or let XDG_CACHE_HOME name a larger disk",
        )


def _write(listing: Listing, plan: _Plan, decode: Decode, write: Callable[[memoryview], int]) -> _Record:
    """Plain writes, not a mapping: on a full disk a write fails, a mapping kills the process."""
    order, train = plan.order, len(plan.splits[0])
    of_training = order < listing.train  # a test folder is decoded, and its broken files counted, on its own
    images = chain(
        *(
            decode([listing.paths[i] for i in order[part]])
            for part in (of_training, ~of_training)
            if part.any()
        )
    )
    colours, digest, skipped = Colours(), hashlib.sha256(), []
    for place, image in enumerate(images):
        if image is None:
            skipped.append(place)
            continue
        write(image.data)
        digest.update(image.data)
        if place < train:
            colours.add(image)
    readable = np.delete(order, skipped)
    check_counts(str(listing.root), listing.classes, listing.labels[readable[readable < listing.train]])
    for part in _without(plan.splits, skipped):
        digest.update(f"{part.shape}".encode())
        digest.update(listing.labels[part].data)
    return _Record(
        skipped=tuple(skipped),
        mean=colours.mean(),
        std=colours.std(),
        fingerprint=digest.hexdigest()[:16],
    )


def _without(splits: Sequence[NDArray[np.int64]], skipped: Sequence[int]) -> list[NDArray[np.int64]]:
    """The splits less the places, counted through all of them, that were skipped."""
    left = np.ones(sum(map(len, splits)), dtype=bool)
    left[list(skipped)] = False
    parts = np.split(left, np.cumsum([len(split) for split in splits])[:-1])
    return [split[part] for split, part in zip(splits, parts, strict=True)]


def _mapped(listing: Listing, plan: _Plan, record: _Record) -> list[Split]:
    parts = _without(plan.splits, record.skipped)
    shape = (sum(map(len, parts)), plan.resolution, plan.resolution, 3)
    # Read-only: the system refuses a writable private mapping that is larger than its memory.
    array = np.memmap(plan.path, np.uint8, "r", shape=shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        images = torch.from_numpy(array).permute(0, 3, 1, 2)
    pieces = torch.split(images, [len(part) for part in parts])
    return [
        Split(piece, torch.from_numpy(listing.labels[part]))
        for piece, part in zip(pieces, parts, strict=True)
    ]
