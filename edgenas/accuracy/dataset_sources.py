"""`--data`: the bundled digits, torchvision's data sets by name, or a folder of images."""

import os
import tarfile
import zlib
from dataclasses import replace
from http.client import HTTPException
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from edgenas.accuracy.dataset import Dataset, Split, dataset_from_arrays
from edgenas.accuracy.image_folder import dataset_from_folder
from edgenas.errors import DataError, UnknownNameError, first_line
from edgenas.formats import UNPRINTABLE
from edgenas.images.preparation import Preparation
from edgenas.progress import Progress, silent
from edgenas.user_folders import cache_folder
from edgenas.vocabulary import Channels, Fit

_TORCHVISION = {  # name: class in torchvision.datasets, native resolution, mirrored images keep their class
    "cifar10": ("CIFAR10", 32, True),
    "cifar100": ("CIFAR100", 32, True),
    "fashion-mnist": ("FashionMNIST", 32, True),
}

NAMES = ("digits", *_TORCHVISION)
"""Data sets that are not folders."""

_DIGITS = "sklearn/datasets/data/digits.csv.gz"

_DAMAGED = (RuntimeError, ValueError, AssertionError, EOFError, tarfile.TarError, zlib.error)
"""What torchvision raises on truncated files and checksum mismatches."""


def load_dataset(
    data: str,
    resolution: int | None = None,
    flip: bool | None = None,
    progress: Progress = silent,
    fit: Fit = "crop",
    channels: Channels | None = 3,
) -> Dataset:
    """Load a data set by name or folder.

    Args:
        data: `digits`, `cifar10`, `cifar100`, `fashion-mnist` or a path.
        resolution: rows and columns to resize images to; None for the data's default.
        flip: whether mirrored images keep their class; None for the data's default.
        progress: receives the decoding progress.
        fit: how pictures of a folder become squares.
        channels: 1 for grey, 3 for RGB; None for 1 if all images are grey.

    Raises:
        DataError: unusable images, or a failed download.
        UnknownNameError: neither a known name nor a folder.
    """
    if data == "digits":
        return _digits(16 if resolution is None else resolution, bool(flip), channels or 1)
    if data in _TORCHVISION:
        return _from_torchvision(data, resolution, flip, channels)
    if os.path.isdir(data):  # noqa: PTH112 - unlike Path.is_dir, never raises (name too long, no permission)
        folder = _nameable(Path(data).resolve())
        return dataset_from_folder(
            folder, resolution, True if flip is None else flip, progress, fit, channels
        )
    if "/" in data or os.path.exists(data):  # noqa: PTH110
        raise DataError(f"--data {data}: is not a folder", "give a folder with train/<class>/*, or a name")
    known = f"known: {', '.join(NAMES)}, or the path of a folder"
    raise UnknownNameError("data set", data, NAMES, known)


def _nameable(folder: Path) -> Path:
    """The folder, if its path can be kept in a run's files.

    Raises:
        DataError: it is not UTF-8, or has control characters.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise DataError(f"--data {str(folder)!a}: the path is not UTF-8", "rename the folder") from None
    if UNPRINTABLE.search(str(folder)):
        raise DataError(f"--data {str(folder)!a}: the path has control characters", "rename the folder")
    return folder


def resized(images: NDArray[np.uint8], resolution: int, channels: Channels = 3) -> NDArray[np.uint8]:
    """Resize square images, (N, R, R) or (N, R, R, C), and convert them to RGB or grey, (N, r, r, channels)."""
    preparation = Preparation(channels=channels)
    pictures = (Image.fromarray(image.squeeze(2) if image.shape[2:] == (1,) else image) for image in images)
    return np.stack([preparation.pixels(picture, resolution) for picture in pictures])


def resized_dataset(dataset: Dataset, resolution: int) -> Dataset:
    """A data set at another size, for one given as arrays: its images are resized as decoded pictures are.

    A model of this size therefore sees a picture as if it had first been brought to the size of the arrays.
    """
    train, validation, test = (
        _resized_split(split, resolution) for split in (dataset.train, dataset.validation, dataset.test)
    )
    return replace(dataset, train=train, validation=validation, test=test)


def _resized_split(split: Split, resolution: int) -> Split:
    pixels = split.images.permute(0, 2, 3, 1).cpu().numpy()
    images = torch.from_numpy(resized(pixels, resolution, 1 if split.images.shape[1] == 1 else 3)).permute(
        0, 3, 1, 2
    )
    return Split(images, split.labels)


def _digits(resolution: int, flip: bool, channels: Channels) -> Dataset:
    """scikit-learn's 1,797 handwritten digits (UCI), 8x8 with values 0 to 16."""
    # The file alone: importing scikit-learn takes more than a second.
    table = np.loadtxt(str(distribution("scikit-learn").locate_file(_DIGITS)), delimiter=",")
    images = np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64)
    classes = [str(digit) for digit in range(10)]
    return dataset_from_arrays("digits", classes, (resized(images, resolution, channels), labels), None, flip)


def _from_torchvision(
    name: str, resolution: int | None, flip: bool | None, channels: Channels | None
) -> Dataset:
    kind, native, flips = _TORCHVISION[name]
    train, test = _downloaded(name, kind)
    taken = channels or (1 if np.ndim(train.data) == 3 else 3)
    arrays = (
        (resized(np.asarray(part.data), resolution or native, taken), np.asarray(part.targets, np.int64))
        for part in (train, test)
    )
    return dataset_from_arrays(
        name, list(train.classes), next(arrays), next(arrays), flips if flip is None else flip
    )


def _downloaded(name: str, kind: str) -> list[Any]:
    """torchvision's training and test sets, downloaded to the user's cache folder if needed."""
    import torchvision

    root = cache_folder() / name
    maker = getattr(torchvision.datasets, kind)
    try:
        root.mkdir(parents=True, exist_ok=True)
        return [maker(root=str(root), train=train, download=True) for train in (True, False)]
    except OSError as error:
        if error.errno is None or isinstance(error, ConnectionError | TimeoutError):  # URLError has no errno
            raise _not_downloaded(name, root, error) from None
        raise DataError(
            f"--data {name}: {root} cannot be used ({error.strerror})",
            "make it writable and check for free disk space, or set XDG_CACHE_HOME to another folder",
        ) from None
    except HTTPException as error:
        raise _not_downloaded(name, root, error) from None
    except _DAMAGED as error:
        if str(error).startswith("Error downloading"):  # MNIST family: every mirror failed
            raise _not_downloaded(name, root, error) from None
        raise DataError(
            f"--data {name}: the files in {root} are incomplete or damaged ({first_line(error)})",
            "delete that folder, connect to the internet and try again",
        ) from None


def _not_downloaded(name: str, root: Path, error: Exception) -> DataError:
    return DataError(
        f"--data {name}: cannot be downloaded to {root} ({first_line(error)})",
        "connect to the internet once, or give a folder of images",
    )
