"""Image folders: `train/<class>/*` and `test/<class>/*` (or `val/`), decoded once to uint8."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgenas.accuracy.dataset import Dataset, check_classes, dataset_from_arrays
from edgenas.device import host
from edgenas.errors import DataError
from edgenas.progress import Progress

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}

MAX_UNREADABLE_SHARE = 0.02
"""A few broken files are skipped and named; more say that something is wrong with the folder."""

_BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on files that are not, or not quite, images."""

_LAYOUT = "lay it out as train/<class>/*.jpg and test/<class>/*.jpg"


@dataclass(frozen=True, slots=True)
class _Listing:
    """Files of one part of a data set with their labels, in a stable order."""

    paths: list[Path]
    labels: list[int]


def dataset_from_folder(folder: Path, resolution: int | None, flip: bool, progress: Progress) -> Dataset:
    """Load an image folder; images are scaled to cover a square of `resolution` and cut at the centre.

    Unreadable images are skipped with a warning that names and counts them.

    Raises:
        DataError: no images, one class, a test class that training lacks, or too many unreadable images.
    """
    classes = _class_names(folder / "train")
    if not classes:
        raise DataError(f"--data {folder}: has no images under train/<class>/", _LAYOUT)
    check_classes(str(folder), classes)
    train = _listing(folder / "train", classes)
    held_out = next((folder / name for name in ("test", "val") if _class_names(folder / name)), None)
    if held_out == folder / "test" and _class_names(folder / "val"):
        log.warning("%s/val is not used: validation is cut from train/, and test/ is there", folder)
    if held_out is None:
        log.warning("%s has no test/ or val/ folder: a fifth of train/ is held out as test", folder)
    else:
        _check_same_classes(held_out, classes)
    size = resolution or _native_resolution(train.paths)
    test = _decode(_listing(held_out, classes), size, progress) if held_out else None
    return dataset_from_arrays(str(folder), classes, _decode(train, size, progress), test, flip)


def _class_names(part: Path) -> list[str]:
    """Names of the subfolders that hold at least one image."""
    if not part.is_dir():
        return []
    return sorted(sub.name for sub in part.iterdir() if sub.is_dir() and any(_images(sub)))


def _images(folder: Path) -> Iterable[Path]:
    """Image files in a stable order; hidden ones (`._x.jpg` of macOS) are not images."""
    files = (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)
    return (path for path in files if not path.name.startswith("."))


def _listing(part: Path, classes: list[str]) -> _Listing:
    pairs = [(path, label) for label, name in enumerate(classes) for path in _images(part / name)]
    return _Listing([path for path, _ in pairs], [label for _, label in pairs])


def _check_same_classes(held_out: Path, classes: list[str]) -> None:
    strange = sorted(set(_class_names(held_out)) - set(classes))
    if strange:
        raise DataError(
            f"{held_out}: class {strange[0]!r} does not occur under train/",
            "use the same class folders in both",
        )


def _native_resolution(paths: list[Path]) -> int:
    """The median shorter side of a sample of images, rounded down to what a layout covers (16-64, 96-224)."""
    sides = []
    for path in paths[:: max(1, len(paths) // 100)]:
        try:
            with Image.open(path) as image:
                sides.append(min(image.size))
        except _BROKEN:
            continue
    side = int(np.median(sides)) if sides else 32
    if side < 96:
        return int(np.clip(side // 8 * 8, 16, 64))
    return min(side // 32 * 32, 224)


def _decode(listing: _Listing, size: int, progress: Progress) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images, (N, size, size, 3), and labels, (N,), of the readable files."""
    images = np.empty((len(listing.paths), size, size, 3), np.uint8)
    unreadable: list[int] = []
    with ThreadPoolExecutor(host.cores()) as pool:
        for i, image in enumerate(pool.map(lambda path: _read(path, size), listing.paths)):
            if image is None:
                unreadable.append(i)
            else:
                images[i] = image
            if i % 200 == 0:
                progress("decoding images", i, len(listing.paths))
    progress("decoding images", len(listing.paths), len(listing.paths))
    if unreadable:
        _report_unreadable([listing.paths[i] for i in unreadable], len(listing.paths))
    kept = np.setdiff1d(np.arange(len(listing.paths)), unreadable)
    return images[kept], np.array(listing.labels, np.int64)[kept]


def _read(path: Path, size: int) -> NDArray[np.uint8] | None:
    """Decode one image to RGB, (size, size, 3); None when it cannot be read."""
    try:
        with Image.open(path) as image:
            picture = _rgb(ImageOps.exif_transpose(image))
            return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR))
    except _BROKEN:
        return None


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB; 16 bits a pixel are scaled to 8 (Pillow alone would clip them)."""
    if image.mode.startswith("I"):
        image = Image.fromarray(np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8))
    return image.convert("RGB")


def _report_unreadable(paths: list[Path], total: int) -> None:
    names = ", ".join(str(path) for path in paths[:3]) + (", ..." if len(paths) > 3 else "")
    if len(paths) == total or (len(paths) > MAX_UNREADABLE_SHARE * total and len(paths) > 1):
        raise DataError(
            f"{len(paths)} of {total} images cannot be read: {names}", "remove or replace the broken files"
        )
    log.warning("%d of %d images cannot be read and are skipped: %s", len(paths), total, names)
