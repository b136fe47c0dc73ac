"""Decoding many files, in parallel."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.board import host
from edgenas.errors import DataError
from edgenas.images.listing import first_of
from edgenas.images.preparation import Preparation
from edgenas.images.reading import UnreadableImageError, opened, quietly, read_pixels
from edgenas.progress import Progress

log = logging.getLogger(__name__)

MAX_UNREADABLE_SHARE = 0.02
"""Up to this share, broken files are skipped with a warning; more suggest that the folder itself is wrong."""

BATCH = 512
"""Images decoded per batch: enough to keep every core busy, few enough for memory."""

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
        DataError: too many cannot be read.
    """
    unreadable: list[str] = []
    said: list[str] = []
    started_s = time.monotonic()
    progress(phase, 0, len(paths))
    with ThreadPoolExecutor(host.cores()) as pool:
        for start in range(0, len(paths), BATCH):
            some = paths[start : start + BATCH]
            with quietly(said):
                images = list(pool.map(partial(_decoded, size=size, preparation=preparation), some))
            for path, image in zip(some, images, strict=True):
                if isinstance(image, str):
                    unreadable.append(f"{path} ({image})")
                yield image
            done = start + len(some)
            _check_unreadable(unreadable, done, len(paths))
            rate = done / max(time.monotonic() - started_s, 1e-9)
            progress(phase, done, len(paths), f"{rate:.3g} images/s")
    if said:
        log.warning("Pillow warned %d times while it decoded the images, first: %s", len(said), said[0])


def _decoded(path: Path, size: int, preparation: Preparation) -> Decoded:
    try:
        return read_pixels(path, size, preparation)
    except UnreadableImageError as error:
        return error.reason


def _check_unreadable(unreadable: list[str], done: int, total: int) -> None:
    if len(unreadable) == total or len(unreadable) > max(1, MAX_UNREADABLE_SHARE * total):
        count = f"{'at least ' if done < total else ''}{len(unreadable)} of {total}"
        raise DataError(
            f"{count} images cannot be read: {first_of(sorted(unreadable))}",
            "remove or replace the broken files",
        )


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
    side = int(np.median(sides)) if sides else 32
    if side < 96:
        return int(np.clip(side // 8 * 8, 16, 64))
    return min(side // 32 * 32, 224)
