"""Image folders larger than memory: decoded once into a file in the user's cache folder, then memory-mapped."""

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
    ChannelStatistics,
    Dataset,
    Split,
    check_counts,
    split_off_test,
    split_off_validation,
    warn_of_imbalance,
)
from edgenas.errors import DataError, FileFormatError
from edgenas.formats import Document, read_json, write_json

log = logging.getLogger(__name__)

CACHE_VERSION = 1
"""To be raised when decoding, ordering or storage changes: older cache files are then ignored."""

Decode = Callable[[Sequence[Path]], Iterator[NDArray[np.uint8] | None]]
"""Decodes files, in order, to images, uint8 (R, R, 3); None for unreadable ones."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Image files of a folder with their labels, int64 (N,): `train` training images, then the test images.

    Without test images, test is split off the training images.
    """

    root: Path
    classes: tuple[str, ...]
    paths: list[Path]
    labels: NDArray[np.int64]
    train: int


class _CacheRecord(Document):
    """Metadata of a complete cache file; written last."""

    schema_: Literal["edgenas.decoded/1"] = Field(default="edgenas.decoded/1", alias="schema")
    skipped: tuple[int, ...] = Field(description="positions, in the file's order, of unreadable images")
    mean: tuple[float, ...] = Field(min_length=3, max_length=3)
    std: tuple[float, ...] = Field(min_length=3, max_length=3)
    fingerprint: str


@dataclass(frozen=True, slots=True)
class _CachePlan:
    """The cache file and its contents: indices into the listing, split by split."""

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
    """Make a data set whose images are memory-mapped from a cache file, which is written first if missing.

    Splits are decided before decoding, so that each is contiguous in the file and nothing is held in memory. The
    cache key is made of the images' names, sizes and modification times.

    Raises:
        DataError: too few images in a class, or a cache folder that is full or not writable.
    """
    plan = _plan(listing, resolution)
    record = _valid_record(plan)
    if record is None:
        record = _decode_under_lock(listing, plan, decode)
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


def _plan(listing: Listing, resolution: int) -> _CachePlan:
    labels, own_test = listing.labels, np.arange(listing.train, len(listing.paths))
    order, cut = split_off_test(labels[: listing.train], cut_test=len(own_test) == 0)
    splits = (*split_off_validation(labels, order), own_test if len(own_test) else cut)
    folder = platformdirs.user_cache_path("edgenas") / "decoded"
    return _CachePlan(folder / f"{_key(listing, resolution)}.u8", resolution, splits)


def _key(listing: Listing, resolution: int) -> str:
    """Changes with any name, size or modification time, but not if the folder is moved."""
    digest = hashlib.sha256(f"{CACHE_VERSION} {resolution} {listing.train}".encode())
    for path in listing.paths:
        digest.update(b"\0" + os.fsencode(path.relative_to(listing.root)))
        try:
            state = path.stat()
            digest.update(f"\0{state.st_size} {state.st_mtime_ns}".encode())
        except OSError:  # a broken link is skipped while decoding
            digest.update(b"\0")
    return digest.hexdigest()[:32]


def _valid_record(plan: _CachePlan) -> _CacheRecord | None:
    """The record of an existing cache file of the right size, else None."""
    if not plan.record.exists():
        return None
    try:
        record = read_json(plan.record, _CacheRecord)
        if plan.path.stat().st_size == plan.nbytes(len(record.skipped)):
            return record
        found = f"has {plan.path.stat().st_size} bytes, not {plan.nbytes(len(record.skipped))}"
    except FileFormatError as error:
        found = f"has a damaged record ({error.problem})"
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    log.warning("%s %s: decoding the images again", plan.path, found)
    return None


def _decode_under_lock(listing: Listing, plan: _CachePlan, decode: Decode) -> _CacheRecord:
    """Decode under a lock, which the system releases if this process is killed."""
    try:
        plan.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(plan.path.with_suffix(".lock"))
        try:
            held = lock.acquire(blocking=False)
        except Timeout:
            log.warning("%s: waiting for another session that is decoding these images", listing.root)
            held = lock.acquire()
        with held:
            return _valid_record(plan) or _decode_to_file(listing, plan, decode)
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"{plan.path.parent}: decoded images cannot be stored there ({reason})",
            "free some space there, or set XDG_CACHE_HOME to a writable folder",
        ) from None


def _decode_to_file(listing: Listing, plan: _CachePlan, decode: Decode) -> _CacheRecord:
    _check_space(plan)
    log.warning(
        "%s is large: its decoded images, %.3g GB, are cached in %s",
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


def _check_space(plan: _CachePlan) -> None:
    needed, free = plan.nbytes(0), shutil.disk_usage(plan.path.parent).free
    if needed > free:
        raise DataError(
            f"{plan.path.parent}: decoded images need {needed / 1e9:.3g} GB, {free / 1e9:.3g} GB are free",
            "free some space there, choose a lower --resolution, or set XDG_CACHE_HOME to a larger disk",
        )


def _write(
    listing: Listing, plan: _CachePlan, decode: Decode, write: Callable[[memoryview], int]
) -> _CacheRecord:
    """Plain writes, not a mapping: on a full disk a write raises, whereas a mapping kills the process."""
    order, train = plan.order, len(plan.splits[0])
    of_training = order < listing.train  # a test folder's broken files are counted on their own
    images = chain(
        *(
            decode([listing.paths[i] for i in order[part]])
            for part in (of_training, ~of_training)
            if part.any()
        )
    )
    statistics, digest, skipped = ChannelStatistics(3), hashlib.sha256(), []
    for place, image in enumerate(images):
        if image is None:
            skipped.append(place)
            continue
        write(image.data)
        digest.update(image.data)
        if place < train:
            statistics.add(image)
    readable = np.delete(order, skipped)
    check_counts(str(listing.root), listing.classes, listing.labels[readable[readable < listing.train]])
    for part in _without_skipped(plan.splits, skipped):
        digest.update(f"{part.shape}".encode())
        digest.update(listing.labels[part].data)
    return _CacheRecord(
        skipped=tuple(skipped),
        mean=statistics.mean(),
        std=statistics.std(),
        fingerprint=digest.hexdigest()[:16],
    )


def _without_skipped(splits: Sequence[NDArray[np.int64]], skipped: Sequence[int]) -> list[NDArray[np.int64]]:
    """The splits without the skipped positions, which count through all splits."""
    left = np.ones(sum(map(len, splits)), dtype=bool)
    left[list(skipped)] = False
    parts = np.split(left, np.cumsum([len(split) for split in splits])[:-1])
    return [split[part] for split, part in zip(splits, parts, strict=True)]


def _mapped(listing: Listing, plan: _CachePlan, record: _CacheRecord) -> list[Split]:
    parts = _without_skipped(plan.splits, record.skipped)
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
