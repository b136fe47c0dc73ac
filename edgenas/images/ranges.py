"""The values that pixels of more than 8 bits reach in a data set: what becomes white, and what becomes black."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgenas.board import host
from edgenas.images import preparing
from edgenas.images.preparation import RANGES, Range
from edgenas.images.reading import UnreadableImageError, opened, quietly
from edgenas.progress import Phase, Progress, silent

LEVELS = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Floats from 0 to 1, and 8 to 16 bits: 12-bit cameras write into 16 bits, other programs 8-bit values into 32."""

REPORTED = 256
"""Images between two reports of progress; so many need none."""

_NEVER_DEEP = {".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".avif", ".bmp"}


def ranges_of(paths: Sequence[Path], progress: Progress = silent) -> dict[str, Range]:
    """For each mode of more than 8 bits, the range that holds the values of all files.

    One range for all images of a mode: a range for each image would make dark ones as bright as others. Test images
    count too, or those of a mode that training lacks would come out black.
    """
    candidates = [path for path in paths if path.suffix.lower() not in _NEVER_DEEP]
    extremes: dict[str, tuple[float, float]] = {}
    with quietly([]), ThreadPoolExecutor(host.cores()) as pool:
        for done, found in enumerate(pool.map(_extremes, candidates), start=1):
            if found is not None:
                mode, low, high = found
                least, most = extremes.get(mode, (0.0, 0.0))
                extremes[mode] = min(least, low), max(most, high)
            if done % REPORTED == 0 or REPORTED < done == len(candidates):
                progress(Phase("looking for more than 8 bits", "images"), done, len(candidates))
    return {**RANGES, **{mode: _range(mode, *found) for mode, found in extremes.items()}}


def _extremes(path: Path) -> tuple[str, float, float] | None:
    """Mode, lowest and highest value of an image of more than 8 bits; None of another, and of what is none."""
    try:
        with opened(path) as image:
            if (mode := preparing.deep_mode(image)) not in RANGES:
                return None
            values = np.asarray(image)
    except UnreadableImageError:  # found again, and named, when it is decoded
        return None
    if mode == "F":
        values = values[np.isfinite(values)]
    return (mode, float(values.min()), float(values.max())) if values.size else None


def _range(mode: str, least: float, most: float) -> Range:
    levels = LEVELS if mode == "F" else LEVELS[1:]
    high = next((level for level in levels if most <= level), most)
    low = next((level for level in levels if -least <= level), -least) if least < 0 else 0.0
    return (-low, high) if low else (0.0, high)
