"""Images of folders, decoded once into a file in the user's cache folder; large ones are mapped from there."""

import contextlib
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import Field

from edgenas.accuracy.dataset import ChannelStatistics, check_counts
from edgenas.accuracy.splits import Indices
from edgenas.errors import DataError, FileFormatError, InputError
from edgenas.formats import Document, read_json, write_bytes, write_json
from edgenas.images.decoding import TooManyUnreadableError, decoded
from edgenas.images.inspection import PARTS, Inspection
from edgenas.images.listing import Listing, name_below
from edgenas.images.preparation import Preparation
from edgenas.images.ranges import ranges_of
from edgenas.images.reading import may_pass
from edgenas.progress import Progress
from edgenas.user_folders import cache_folder
from edgenas.vocabulary import Channels, Fit

log = logging.getLogger(__name__)

CACHE_VERSION = 2
"""To be raised when decoding, ordering or storage changes: older cache files are then ignored."""

MAX_IN_MEMORY = 2 * 2**30
"""Bytes of decoded images; larger sets are memory-mapped."""

MAX_CACHE_BYTES = 64 * 2**30
"""Above that, the files that were not used for longest are deleted."""


ABANDONED_S = 24 * 3600
"""After that, a file that is not complete is one of a session that was killed."""


class CacheRecord(Document):
    """What is known of a complete cache file; written last."""

    schema_: Literal["edgenas.decoded/2"] = Field(default="edgenas.decoded/2", alias="schema")
    preparation: Preparation
    skipped: dict[int, str] = Field(description="why images are left out, by their place in the file's order")
    grey: bool = Field(description="whether all channels of every image are equal")
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digests: tuple[str, ...] = Field(description="of the images that are in the file, in its order")
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Images to decode: indices into a listing, split by split, and what is to become of them."""

    listing: Listing
    splits: tuple[Indices, Indices, Indices]
    resolution: int
    fit: Fit
    channels: Channels

    @cached_property
    def path(self) -> Path:
        """The cache file."""
        return cache_folder() / "decoded" / f"{self._key()}.u8"

    @property
    def order(self) -> Indices:
        """Indices of all images in the order of the file."""
        return np.concatenate(self.splits)

    def shape(self, skipped: int) -> tuple[int, int, int, int]:
        """Of all images, without those skipped."""
        return (len(self.order) - skipped, self.resolution, self.resolution, self.channels)

    def nbytes(self, skipped: int = 0) -> int:
        """Bytes of all images, without those skipped."""
        return int(np.prod(self.shape(skipped), dtype=np.int64))

    def _key(self) -> str:
        """Changes with any name, size or modification time, but not if the folder is moved."""
        asked = (
            CACHE_VERSION,
            PIL.__version__,
            self.resolution,
            self.fit,
            self.channels,
            self.listing.counts,
        )
        digest = hashlib.sha256(repr(asked).encode())
        for path in self.listing.paths:
            digest.update(b"\0" + os.fsencode(path.relative_to(self.listing.root)))
            try:
                state = path.stat()
                digest.update(f"\0{state.st_size} {state.st_mtime_ns}".encode())
            except OSError:  # a broken link is skipped while decoding
                digest.update(b"\0")
        return digest.hexdigest()[:32]


def decoded_images(plan: Plan, progress: Progress) -> tuple[CacheRecord, NDArray[np.uint8]]:
    """The images of a plan, uint8 (N, R, R, C) without those that cannot be read, from the cache where they are there.

    Raises:
        DataError: too few images in a class, too many that cannot be read; or no room for those of a large set.
    """
    path = plan.path
    try:
        record = valid_record(plan) or _decode_under_lock(plan, path, progress)
        try:
            images = _read(plan, path, record)
        except FileNotFoundError:  # another session needed the room
            record = _decode_under_lock(plan, path, progress)
            images = _read(plan, path, record)
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problem = f"{path.parent}: decoded images cannot be stored there ({reason})"
        hint = "free some space there, or set XDG_CACHE_HOME to a writable folder"
        if plan.nbytes() > MAX_IN_MEMORY:
            raise DataError(problem, hint) from None
        log.warning("%s, so they are decoded in every session; %s", problem, hint)
        return _in_memory(plan, progress)
    with contextlib.suppress(OSError):
        os.utime(path)  # the latest to be used is the last to be deleted
    return record, images


def valid_record(plan: Plan) -> CacheRecord | None:
    """The record of an existing cache file of the right size, else None."""
    path = plan.path
    if not _record_of(path).exists():
        return None
    try:
        record = read_json(_record_of(path), CacheRecord)
        if path.stat().st_size == plan.nbytes(len(record.skipped)):
            return record
        found = f"has {path.stat().st_size} bytes, not {plan.nbytes(len(record.skipped))}"
    except FileFormatError as error:
        found = f"has a damaged record ({error.problem})"
    except OSError as error:
        found = f"cannot be read ({error.strerror})"
    log.warning("%s %s: decoding the images again", path, found)
    return None


def without_skipped(splits: tuple[Indices, ...], skipped: dict[int, str]) -> list[Indices]:
    """The splits without the skipped positions, which count through all splits."""
    left = np.ones(sum(map(len, splits)), dtype=bool)
    left[list(skipped)] = False
    parts = np.split(left, np.cumsum([len(split) for split in splits])[:-1])
    return [split[part] for split, part in zip(splits, parts, strict=True)]


def _record_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _read(plan: Plan, path: Path, record: CacheRecord) -> NDArray[np.uint8]:
    shape = plan.shape(len(record.skipped))
    if plan.nbytes() > MAX_IN_MEMORY:
        # Read-only: the system refuses a writable private mapping that is larger than its memory.
        return np.memmap(path, np.uint8, "r", shape=shape)
    return np.fromfile(path, np.uint8).reshape(shape)


def _in_memory(plan: Plan, progress: Progress) -> tuple[CacheRecord, NDArray[np.uint8]]:
    content = bytearray()
    record = _decode(plan, progress, content.extend)
    return record, np.frombuffer(content, np.uint8).reshape(plan.shape(len(record.skipped)))


def _decode_under_lock(plan: Plan, path: Path, progress: Progress) -> CacheRecord:
    """Decode under a lock, which the system releases if this process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        log.warning("%s: waiting for another session that is decoding these images", plan.listing.root)
        held = lock.acquire()
    with held:
        return valid_record(plan) or _decode_to_file(plan, path, progress)


def _decode_to_file(plan: Plan, path: Path, progress: Progress) -> CacheRecord:
    _make_room(plan, path)
    if plan.nbytes() > MAX_IN_MEMORY:
        log.warning(
            "%s is large: its decoded images, %.3g GB, are cached in %s",
            *(plan.listing.root, plan.nbytes() / 1e9, path),
        )
    part = path.with_suffix(".part")
    _record_of(path).unlink(missing_ok=True)
    try:
        with part.open("wb") as file:
            # Plain writes, not a mapping: on a full disk a write raises, whereas a mapping kills the process.
            record = _decode(plan, progress, file.write)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    if not any(map(may_pass, record.skipped.values())):  # what may pass is tried again in the next session
        _write_record(path, record)
    return record


def _write_record(path: Path, record: CacheRecord) -> None:
    try:
        write_json(_record_of(path), record)
    except InputError as error:
        raise OSError(error.problem) from None


def _make_room(plan: Plan, path: Path) -> None:
    """Delete what was not used for longest where the cache grows too large, and see whether the images fit.

    Raises:
        DataError: they do not, and are too large for the memory too.
        OSError: they do not, but fit into memory.
    """
    needed, files = plan.nbytes(), sorted(_files_in(path.parent), key=lambda each: each[1])
    kept = sum(size for _, _, size in files)
    for file, used_s, size in files:
        full = kept + needed > MAX_CACHE_BYTES or shutil.disk_usage(path.parent).free < needed
        abandoned = time.time() - used_s > ABANDONED_S
        if abandoned if file.suffix == ".part" else full:
            _record_of(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)
            kept -= size
    free = shutil.disk_usage(path.parent).free
    if needed > free and needed <= MAX_IN_MEMORY:
        raise OSError(f"{needed / 1e9:.3g} GB are needed, {free / 1e9:.3g} GB are free")
    if needed > free:
        raise DataError(
            f"{path.parent}: decoded images need {needed / 1e9:.3g} GB, {free / 1e9:.3g} GB are free",
            "free some space there, choose a lower --resolution, or set XDG_CACHE_HOME to a larger disk",
        )


def _files_in(folder: Path) -> list[tuple[Path, float, int]]:
    """The files with images, when each was last used, in seconds, and its size."""
    found = []
    for file in (*folder.glob("*.u8"), *folder.glob("*.part")):
        with contextlib.suppress(OSError):  # another session deletes too
            state = file.stat()
            found.append((file, state.st_mtime, state.st_size))
    return found


def _decode(plan: Plan, progress: Progress, write: Callable[[memoryview], object]) -> CacheRecord:
    listing, order = plan.listing, plan.order
    ranges = ranges_of(listing.paths, progress)
    preparation = Preparation(fit=plan.fit, channels=plan.channels, ranges=ranges)
    statistics, inspection, skipped = ChannelStatistics(plan.channels), Inspection(), {}
    for place, image in enumerate(_images(plan, preparation, progress)):
        if isinstance(image, str):
            skipped[place] = image
            continue
        write(image.data)
        inspection.add(image)
        if place < len(plan.splits[0]):
            statistics.add(image)
    readable = np.delete(order, list(skipped))
    labels = listing.labels[readable]
    check_counts(str(listing.root), listing.classes, labels[readable < listing.train])
    parts = np.repeat(PARTS, [len(split) for split in without_skipped(plan.splits, skipped)])
    names = [listing.name(i) for i in readable.tolist()]
    return CacheRecord(
        preparation=preparation,
        skipped=skipped,
        grey=inspection.grey,
        mean=statistics.mean(),
        std=statistics.std(),
        digests=tuple(inspection.digests),
        remarks=tuple(inspection.remarks(names, labels.tolist(), parts.tolist(), listing.classes)),
    )


def _images(plan: Plan, preparation: Preparation, progress: Progress) -> Iterator[NDArray[np.uint8] | str]:
    """The images in the file's order; each folder's broken files are counted on their own."""
    listing, order = plan.listing, plan.order
    folders = np.searchsorted(np.cumsum(listing.counts), order, side="right")
    for folder, part in enumerate(PARTS):
        if (of_folder := order[folders == folder]).size:
            paths = [listing.paths[i] for i in of_folder]
            what = "decoding images" if folder == 0 else f"decoding {part} images"
            try:
                yield from decoded(paths, plan.resolution, preparation, progress, what)
            except TooManyUnreadableError as error:
                raise DataError(error.problem, f"{error.hint}{_listed(plan, error.unreadable)}") from None


def _listed(plan: Plan, unreadable: Mapping[Path, str]) -> str:
    """Write a list of files that cannot be read, and say where it is; there is no run yet to keep it beside."""
    place = plan.path.with_suffix(".refused.txt")
    lines = [
        f"{name_below(plan.listing.root, path)}\t{reason}\n" for path, reason in sorted(unreadable.items())
    ]
    with contextlib.suppress(InputError):
        write_bytes(place, "".join(lines).encode())
        return f" (they are listed in {place})"
    return ""
