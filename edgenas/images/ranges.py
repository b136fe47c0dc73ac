"""The values that pixels of more than 8 bits reach in a data set: what becomes white, and what becomes black."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgenas.images import preparing
from edgenas.images.preparation import Range
from edgenas.images.reading import UnreadableImageError, opened

LEVELS = (1.0, 255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""Floats from 0 to 1, and 8 to 16 bits: 12-bit cameras write into 16 bits, other programs 8-bit values into 32."""

SAMPLE = 200
"""Deep images that are looked at."""

_NEVER_DEEP = {".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".avif", ".bmp"}


def ranges_of(paths: Sequence[Path]) -> dict[str, Range]:
    """For each mode of more than 8 bits, the range that holds the values of a sample of the files.

    One range for all images of a mode: a range for each image would make dark ones as bright as others.
    """
    deep = [path for path in paths if path.suffix.lower() not in _NEVER_DEEP and _mode(path) is not None]
    extremes: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for path in deep[:: max(1, len(deep) // SAMPLE)]:
        try:
            with opened(path) as image:
                values = np.asarray(image, np.float64)
                found = extremes[preparing.deep_mode(image)]
        except UnreadableImageError:  # found again, and named, when it is decoded
            continue
        finite = values[np.isfinite(values)]
        if finite.size:
            found[:] = min(found[0], float(finite.min())), max(found[1], float(finite.max()))
    return {**preparing.RANGES, **{mode: _range(mode, *found) for mode, found in extremes.items()}}


def _mode(path: Path) -> str | None:
    """The mode of an image of more than 8 bits; None of another, and of what is none."""
    try:
        with opened(path) as image:
            return image.mode if preparing.deep_mode(image) in preparing.RANGES else None
    except UnreadableImageError:
        return None


def _range(mode: str, least: float, most: float) -> Range:
    levels = LEVELS if mode == "F" else LEVELS[1:]
    high = next((level for level in levels if most <= level), most)
    low = next((level for level in levels if -least <= level), -least) if least < 0 else 0.0
    return (-low, high) if low else (0.0, high)
