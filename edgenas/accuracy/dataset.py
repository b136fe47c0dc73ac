"""Data sets as uint8 tensors with a fixed split into training, validation and test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgenas.accuracy.splits import (
    MAX_VALIDATION_IMAGES,
    Indices,
    shuffled,
    split_off_test,
    split_off_validation,
)
from edgenas.errors import DataError
from edgenas.images.listing import composed
from edgenas.images.preparation import Preparation

MIN_IMAGES_PER_CLASS = 4

MIN_STD = 2 / 255
"""Standard deviation of the values of all training images, of 0 to 1, below which they all look alike."""

MAX_IMBALANCE = 10
"""Ratio of largest to smallest class above which plain accuracy misleads."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images, uint8, shape (N, C, R, R) with C = 3 (RGB) or 1 (grey), and labels, int64, shape (N,).

    Images are channels_last in memory; those of a large folder are mapped from a file and read-only.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Size of images and labels in bytes."""
        return self.images.nbytes + self.labels.nbytes

    def to(self, device: torch.device) -> "Split":
        """The same split on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """What is known of the files of an image folder.

    Attributes:
        digests: of the decoded pixels, by the file's place in the folder; equal for equal pixels.
        refused: why a file is not among the images, by its place.
    """

    digests: Mapping[str, str]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images to learn from (`train`), to guide the search (`validation`) and to use only once, at the end (`test`).

    `mean` and `std` are per channel, of the training images scaled to 0..1. `flip`: mirrored images keep their
    class. `fingerprint` changes with any image or label. `preparation`: how a picture becomes such an image.
    `remarks`: what the owner of the images should know, a sentence each. `files`: of an image folder, None otherwise.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    fingerprint: str
    preparation: Preparation = field(default_factory=Preparation)
    remarks: tuple[str, ...] = ()
    files: ImageFiles | None = None

    @property
    def resolution(self) -> int:
        """Rows and columns of the images."""
        return int(self.train.images.shape[-1])

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for grey images."""
        return int(self.train.images.shape[1])

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (N, C, R, R) to float32 with mean 0 and standard deviation 1 per channel, channels_last."""
        scale = 1 / (255 * torch.tensor(self.std, device=images.device)).view(1, -1, 1, 1)
        offset = (torch.tensor(self.mean, device=images.device) * 255).view(1, -1, 1, 1)
        return ((images.float() - offset) * scale).contiguous(memory_format=torch.channels_last)

    def on(self, device: torch.device) -> "Dataset":
        """The data set moved to a GPU, if it fits into a quarter of its free memory; otherwise the data set itself.

        On the GPU, batches need no copy from the host; otherwise the caller moves each batch.
        """
        splits = (self.train, self.validation, self.test)
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        if sum(split.nbytes for split in splits) > free // 4:
            return self
        train, validation, test = (split.to(device) for split in splits)
        return replace(self, train=train, validation=validation, test=test)


class ChannelStatistics:
    """Per-channel mean and standard deviation from histograms: exact for any number of images.

    Float32 sums would saturate at 2**24, which 40,000 images of 32 x 32 reach.
    """

    def __init__(self, channels: int) -> None:
        self._counts = np.zeros((channels, 256), np.int64)

    def add(self, images: NDArray[np.uint8]) -> None:
        """Add the pixels of images, uint8 (..., C), to the histograms."""
        for channel, counts in enumerate(self._counts):
            counts += np.bincount(images[..., channel].ravel(), minlength=256)

    def mean(self) -> tuple[float, ...]:
        """Mean per channel, of values scaled to 0..1."""
        return tuple(self._moment(1).tolist())

    def std(self) -> tuple[float, ...]:
        """Standard deviation per channel, of values scaled to 0..1; at least 0.001, as it is a divisor."""
        variance = self._moment(2) - self._moment(1) ** 2
        return tuple(np.sqrt(np.maximum(variance, 1e-6)).tolist())

    def _moment(self, power: int) -> NDArray[np.float64]:
        moment: NDArray[np.float64] = self._counts @ (np.arange(256) / 255) ** power / self._counts.sum(1)
        return moment


Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images, (N, R, R, C), and their labels, (N,)."""


def dataset_from_arrays(
    name: str,
    classes: Sequence[str],
    train: Arrays,
    test: Arrays | None,
    flip: bool,
    validation: Arrays | None = None,
) -> Dataset:
    """Make a data set from images, uint8 (N, R, R, 3) or (N, R, R, 1), and labels, int64 (N,).

    Where no images are given for validation or test, a stratified part of the training images is split off.

    Raises:
        DataError: arrays of another type or shape, labels without a class, fewer than two classes, or a class with too
            few training images.
    """
    given = {"train": train, "validation": validation, "test": test}
    for part, arrays in given.items():
        if arrays is not None:
            check_arrays(name, part, arrays, len(classes))
    check_classes(name, classes)
    check_counts(name, classes, train[1])
    counts = [None if arrays is None else len(arrays[1]) for arrays in given.values()]
    taken = [
        _taken(arrays or train, indices)
        for arrays, indices in zip(given.values(), split_indices(train[1], *counts[1:]), strict=True)
    ]
    images = train[0]
    statistics = ChannelStatistics(images.shape[3])
    for chunk in _chunks(np.arange(len(taken[0][1]))):
        statistics.add(taken[0][0][chunk])
    splits = [_split(*arrays) for arrays in taken]
    return Dataset(
        name=name,
        classes=tuple(map(composed, classes)),
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        mean=statistics.mean(),
        std=statistics.std(),
        flip=flip,
        fingerprint=_fingerprint(train, test is None, *taken[2 if validation is None else 1 :]),
        preparation=Preparation(channels=1 if images.shape[3] == 1 else 3, jpeg_draft=0),
        remarks=_remarks(name, classes, train[1], counts[1]),
    )


def split_indices(
    labels: NDArray[np.int64], validation: int | None, test: int | None
) -> tuple[Indices, Indices, Indices]:
    """The images of each split: indices of those given for it, or of those given for training if there are none.

    Args:
        labels: of the images given for training.
        validation: how many images are given for validation.
        test: how many are given for the test.
    """
    order, cut = split_off_test(labels, cut_test=test is None)
    in_test = cut if test is None else np.arange(test)
    if validation is None:
        return (*split_off_validation(labels, order), in_test)
    return order[shuffled(len(order))], shuffled(validation)[:MAX_VALIDATION_IMAGES], in_test


def check_arrays(name: str, part: str, arrays: Arrays, classes: int) -> None:
    """Raise DataError unless they are square uint8 images, RGB or grey, and as many labels, each of a class."""
    images, labels = (np.asarray(each) for each in arrays)
    where = f"{name}: {part}"
    square = images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] == images.shape[2]
    if images.dtype != np.uint8 or not square:
        raise DataError(
            f"{where} images are {images.dtype} of shape {images.shape}",
            "give uint8 of shape (N, R, R, 3) or (N, R, R, 1), values 0 to 255",
        )
    if labels.shape != (len(images),) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{where} labels are {labels.dtype} of shape {labels.shape} for {len(images)} images",
            f"give whole numbers of shape ({len(images)},)",
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise DataError(
            f"{where} labels reach from {labels.min()} to {labels.max()} for {classes} classes",
            f"give labels 0 to {classes - 1}",
        )


def check_classes(name: str, classes: Sequence[str]) -> None:
    """Raise DataError for fewer than two classes."""
    if len(classes) < 2:
        found = f"only one class, {classes[0]!r}" if classes else "no class"
        raise DataError(
            f"{name}: {found}",
            "give images of at least two classes; in a folder, two class folders under train/",
        )


def check_counts(name: str, classes: Sequence[str], labels: NDArray[np.int64]) -> None:
    """Raise DataError if a class has too few training images for one in every split."""
    for i, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < MIN_IMAGES_PER_CLASS:
            raise DataError(
                f"{name}: class {classes[i]!r} has {count} training images",
                f"give every class at least {MIN_IMAGES_PER_CLASS}",
            )


def imbalance(name: str, classes: Sequence[str], labels: NDArray[np.int64]) -> str | None:
    """A warning where always guessing the most common class would look like a good model."""
    counts = np.bincount(labels, minlength=len(classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] <= MAX_IMBALANCE * counts[least]:
        return None
    return (
        f"{name}: class {classes[most]!r} has {counts[most]} training images, class {classes[least]!r} only "
        f"{counts[least]}: accuracy says little about rare classes; --metric macro-f1 gives all classes equal weight"
    )


def _chunks(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Parts small enough to copy; at least one, even if empty."""
    return np.array_split(order, len(order) // 256 + 1)


def _split(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return Split(tensor, torch.from_numpy(labels.astype(np.int64)))


def _taken(arrays: Arrays, indices: Indices) -> Arrays:
    """The images with these indices and their labels; not copied if that is all, in their order."""
    images, labels = arrays
    if np.array_equal(indices, np.arange(len(labels))):
        return images, labels
    return images[indices], labels[indices]


def _fingerprint(train: Arrays, cut_test: bool, *others: Arrays) -> str:
    """Hash of what is left of the training images without those cut off as test, and of the images of other splits."""
    images, labels = train
    order, _ = split_off_test(labels, cut_test)
    digest = hashlib.sha256(str((len(order), *images.shape[1:])).encode())
    for chunk in _chunks(order):
        digest.update(np.ascontiguousarray(images[chunk]).data)  # a view may have another order of axes
    for array in (labels[order], *(array for arrays in others for array in arrays)):
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _remarks(
    name: str, classes: Sequence[str], labels: NDArray[np.int64], validation: int | None
) -> tuple[str, ...]:
    found = []
    if validation is not None and validation > MAX_VALIDATION_IMAGES:
        found.append(f"{name}: {MAX_VALIDATION_IMAGES} of {validation} validation images are used")
    if unequal := imbalance(name, classes, labels):
        found.append(unequal)
    return tuple(found)
