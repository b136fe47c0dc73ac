"""Decoding many files, in parallel."""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.board import host
from edgenas.errors import DataError
from edgenas.images.listing import first_of
from edgenas.images.preparation import Preparation
from edgenas.images.reading import HEIC, UnreadableImageError, opened, quietly, read_pixels
from edgenas.progress import Phase, Progress
from edgenas.units import counted

log = logging.getLogger(__name__)

MAX_UNREADABLE_SHARE = 0.02
"""Up to this share, broken files are skipped with a warning; more suggest that the folder itself is wrong."""

BATCH = 256
"""Images between two reports of progress."""

AHEAD = 64
"""Images decoded ahead of what the caller has taken: enough to keep every core busy, few enough for memory."""


class TooManyUnreadableError(DataError):
    """More broken files than can be skipped.

    Args:
        unreadable: why, by path; those found so far.
        done: how many files were looked at.
        total: how many there are.
    """

    def __init__(self, unreadable: Mapping[Path, str], done: int, total: int) -> None:
        self.unreadable = unreadable
        count = f"{'at least ' if done < total else ''}{len(unreadable)} of {counted(total, 'images')}"
        named = first_of(sorted(f"{path} ({reason})" for path, reason in unreadable.items()))
        convert = ", and convert those in HEIC to JPEG" if HEIC in unreadable.values() else ""
        super().__init__(
            f"{count} cannot be read: {named}",
            f"remove or replace the broken files{convert}; up to {MAX_UNREADABLE_SHARE:.0%} would be skipped",
        )


Decoded = NDArray[np.uint8] | str
"""The pixels of a file, (size, size, channels), or why it has none."""


def decoded(
    paths: Sequence[Path],
    size: int,
    preparation: Preparation,
    progress: Progress,
    phase: str = "decoding images",
) -> Iterator[Decoded]:
    """The pixels of files, in their order; what other libraries say about them becomes one line.

    Pillow decodes without Python's lock, so threads are enough.

    Raises:
        TooManyUnreadableError: more than can be skipped.
    """
    unreadable: dict[Path, str] = {}
    said: list[str] = []
    phase = Phase(phase, "images")
    progress(phase, 0, len(paths))
    read = partial(_decoded, size=size, preparation=preparation)
    with quietly(said), ThreadPoolExecutor(host.cores()) as pool, ExitStack() as stack:
        waiting = deque(pool.submit(read, path) for path in paths[:AHEAD])
        stack.callback(lambda: [each.cancel() for each in waiting])  # or Ctrl-C would wait for all of them
        for done, path in enumerate(paths, start=1):
            image = waiting.popleft().result()
            waiting.extend(pool.submit(read, each) for each in paths[done + AHEAD - 1 : done + AHEAD])
            if isinstance(image, str):
                unreadable[path] = image
            yield image
            if done % BATCH == 0 or done == len(paths):
                _check_unreadable(unreadable, done, len(paths))
                progress(phase, done, len(paths))
    if said:
        log.warning("Pillow warned %d times while it decoded the images, first: %s", len(said), said[0])


def _decoded(path: Path, size: int, preparation: Preparation) -> Decoded:
    try:
        return read_pixels(path, size, preparation)
    except UnreadableImageError as error:
        return error.reason


def _check_unreadable(unreadable: Mapping[Path, str], done: int, total: int) -> None:
    broken = sum(reason != HEIC for reason in unreadable.values())  # HEIC is whole, but not for Pillow
    if len(unreadable) == total or broken > max(1, MAX_UNREADABLE_SHARE * total):
        raise TooManyUnreadableError(unreadable, done, total)


def native_resolution(paths: Sequence[Path]) -> int:
    """The median shorter side of a sample of images, rounded down to a supported resolution (16-64, 96-224)."""
    sides = []
    with quietly([]):
        for path in paths[:: max(1, len(paths) // 100)]:
            try:
                with opened(path) as image:
                    sides.append(min(image.size))
            except UnreadableImageError:
                continue
    return supported_resolution(int(np.median(sides)) if sides else 32)


def supported_resolution(side: int) -> int:
    """The largest resolution that the layouts of networks cover, up to the side of the images."""
    if side < 96:
        return int(np.clip(side // 8 * 8, 16, 64))
    return min(side // 32 * 32, 224)
