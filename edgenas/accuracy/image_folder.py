"""Image folders: `train/<class>/*` and `test/<class>/*` (or `val/`), decoded once to uint8."""

import logging
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from edgenas.accuracy.dataset import Dataset, check_classes, check_counts, dataset_from_arrays
from edgenas.accuracy.decoded_cache import Listing, mapped_dataset
from edgenas.board import host
from edgenas.errors import DataError
from edgenas.progress import Progress

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"}

MAX_IN_MEMORY = 2 * 2**30
"""Bytes of decoded images; larger sets are memory-mapped from a file."""

MAX_UNREADABLE_SHARE = 0.02
"""Up to this share, broken files are skipped with a warning; more suggest that the folder itself is wrong."""

_DECODE_BATCH = 512
"""Images decoded per batch: enough to keep every core busy, few enough for memory."""

_BROKEN = (
    *(OSError, ValueError, SyntaxError, RuntimeError, ArithmeticError, LookupError, TypeError, EOFError),
    *(struct.error, Image.DecompressionBombError),
)
"""What Pillow, which goes by content and not by suffix, raises on files that are not valid images."""

_LAYOUT = "lay it out as train/<class>/*.jpg and test/<class>/*.jpg"

_Part = dict[str, list[Path]]
"""The image files of each class, in a stable order; only classes that have some."""


def dataset_from_folder(folder: Path, resolution: int | None, flip: bool, progress: Progress) -> Dataset:
    """Load an image folder; images are scaled to cover a square of `resolution`, then centre-cropped.

    Unreadable images are skipped with a warning that names and counts them. Sets of more than `MAX_IN_MEMORY`
    bytes are decoded once, into a file in the user's cache folder.

    Raises:
        DataError: no images, one class, a class with too few, a test class that training lacks, too many
            unreadable images, or no room for those of a large set.
    """
    try:
        listing = _listing(folder)
    except OSError as error:
        raise DataError(
            f"--data {folder}: {error.filename} cannot be listed ({error.strerror})",
            "make the folder readable, or choose another",
        ) from None
    check_counts(str(folder), listing.classes, listing.labels[: listing.train])
    size = resolution or _native_resolution(listing.paths[: listing.train])
    if len(listing.paths) * size**2 * 3 > MAX_IN_MEMORY:
        return mapped_dataset(listing, size, flip, partial(_decode, size=size, progress=progress))
    train, test = (
        (listing.paths[part], listing.labels[part])
        for part in (slice(listing.train), slice(listing.train, None))
    )
    return dataset_from_arrays(
        str(folder),
        listing.classes,
        _in_memory(*train, size, progress),
        _in_memory(*test, size, progress) if test[0] else None,
        flip,
    )


def _listing(folder: Path) -> Listing:
    train = _part(folder / "train")
    if not train:
        raise DataError(f"--data {folder}: has no images under train/<class>/", _LAYOUT)
    check_classes(str(folder), list(train))
    test, val = _part(folder / "test"), _part(folder / "val")
    if test and val:
        log.warning("%s/val is ignored: test/ exists, and validation is split off train/", folder)
    elif not test and not val:
        log.warning("%s has no test/ or val/ folder: a fifth of train/ is held out as test", folder)
    held_out = test or val
    if strange := sorted(set(held_out) - set(train)):
        raise DataError(
            f"{folder / ('test' if test else 'val')}: class {strange[0]!r} does not occur under train/",
            "use the same class folders in both",
        )
    if held_out and (absent := sorted(set(train) - set(held_out))):
        log.warning(
            "%s has no images of class %r: it is missing from all test figures",
            folder / ("test" if test else "val"),
            absent[0],
        )
    pairs = [
        (path, label)
        for part in (train, held_out)
        for label, name in enumerate(train)
        for path in part.get(name, ())
    ]
    paths = [path for path, _ in pairs]
    labels = np.array([label for _, label in pairs], np.int64)
    return Listing(folder, tuple(train), paths, labels, sum(map(len, train.values())))


def _part(part: Path) -> _Part:
    """The images of each class folder; warns of images outside class folders, and of empty class folders."""
    if not part.is_dir():
        return {}
    found: _Part = {}
    empty: list[str] = []
    for entry in sorted(part.iterdir()):
        if entry.name.startswith(".") or not entry.is_dir():
            continue
        _check_class_folder(part, entry)
        if images := _images(entry):
            found[entry.name] = images
        else:
            empty.append(entry.name)
    loose = [entry.name for entry in sorted(part.iterdir()) if _is_image(entry.name) and not entry.is_dir()]
    if loose:
        log.warning("%s: images outside class folders are ignored: %s", part, _first(loose))
    if empty and found:
        log.warning("%s: class folders without images are ignored: %s", part, _first(empty))
    return found


def _check_class_folder(part: Path, folder: Path) -> None:
    """Names must be valid UTF-8 for JSON, and a link to a parent would put every class into one."""
    if part.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{folder}: is a link to one of its parent folders", "remove the link")
    try:
        folder.name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{part}: the name of class folder {folder.name!a} is not UTF-8", "rename the folder"
        ) from None


def _images(folder: Path) -> list[Path]:
    """Image files in a stable order; hidden ones (`._x.jpg` of macOS) are not images."""
    found: list[Path] = []
    links: list[str] = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        found += [Path(root, name) for name in files if _is_image(name)]
        links += [str(Path(root, name)) for name in folders if Path(root, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".")]
    if links:
        log.warning("links to folders inside a class are not followed: %s", _first(sorted(links)))
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _native_resolution(paths: list[Path]) -> int:
    """The median shorter side of a sample of images, rounded down to a supported resolution (16-64, 96-224)."""
    sides = []
    for path in filter(Path.is_file, paths[:: max(1, len(paths) // 100)]):
        try:
            with _large_images_allowed(), Image.open(path) as image:
                sides.append(min(image.size))
        except _BROKEN:
            continue
    side = int(np.median(sides)) if sides else 32
    if side < 96:
        return int(np.clip(side // 8 * 8, 16, 64))
    return min(side // 32 * 32, 224)


def _in_memory(
    paths: list[Path], labels: NDArray[np.int64], size: int, progress: Progress
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images, (N, size, size, 3), and labels, (N,), of the readable files."""
    images = np.empty((len(paths), size, size, 3), np.uint8)
    readable = np.ones(len(paths), dtype=bool)
    for i, image in enumerate(_decode(paths, size, progress)):
        if image is None:
            readable[i] = False
        else:
            images[i] = image
    return (images, labels) if readable.all() else (images[readable], labels[readable])


def _decode(paths: Sequence[Path], size: int, progress: Progress) -> Iterator[NDArray[np.uint8] | None]:
    """Images, (size, size, 3), in the order of the files, None for unreadable ones; decoded batch by batch.

    Raises:
        DataError: too many cannot be read.
    """
    unreadable: list[str] = []
    progress("decoding images", 0, len(paths))
    with ThreadPoolExecutor(host.cores()) as pool:
        for start in range(0, len(paths), _DECODE_BATCH):
            some = paths[start : start + _DECODE_BATCH]
            with _large_images_allowed():
                images = list(pool.map(partial(_read, size=size), some))
            for path, image in zip(some, images, strict=True):
                if isinstance(image, str):
                    unreadable.append(f"{path} ({image})")
                yield None if isinstance(image, str) else image
            done = start + len(some)
            _check_unreadable(unreadable, done, len(paths))
            progress("decoding images", done, len(paths))
    if unreadable:
        log.warning(
            "%d of %d images cannot be read and are skipped: %s",
            *(len(unreadable), len(paths), _first(unreadable)),
        )


@contextmanager
def _large_images_allowed() -> Iterator[None]:
    """Silence Pillow's warning above 89 million pixels; it still raises above twice as many."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


def _check_unreadable(unreadable: list[str], done: int, total: int) -> None:
    if len(unreadable) == total or len(unreadable) > max(1, MAX_UNREADABLE_SHARE * total):
        count = f"{'at least ' if done < total else ''}{len(unreadable)} of {total}"
        raise DataError(
            f"{count} images cannot be read: {_first(unreadable)}", "remove or replace the broken files"
        )


def _read(path: Path, size: int) -> NDArray[np.uint8] | str:
    """Decode one image to RGB, (size, size, 3), or return the reason it is unreadable."""
    if not path.is_file():  # reading a pipe would block
        return "broken link" if path.is_symlink() else "not a file"
    try:
        with Image.open(path) as image:
            return fitted(image, size)
    except UnidentifiedImageError:
        return "not an image" if path.stat().st_size else "empty"
    except PermissionError:
        return "no permission"
    except Image.DecompressionBombError:
        return "too many pixels"
    except _BROKEN:
        return "damaged"


def fitted(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """What a network sees of a picture: turned as its EXIF says, RGB, its middle square scaled; (size, size, 3)."""
    picture = _rgb(ImageOps.exif_transpose(image))
    return np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR))


def _rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB; 16-bit pixels are scaled to 8 bits (Pillow would clip them)."""
    if image.mode.startswith("I"):
        image = Image.fromarray(np.clip(np.asarray(image) // 256, 0, 255).astype(np.uint8))
    return image.convert("RGB")
