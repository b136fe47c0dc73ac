"""Data sets as uint8 tensors, split once and for all into training, validation and test."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgenas.errors import DataError

log = logging.getLogger(__name__)

SPLIT_SEED = 0
"""Splits do not depend on a run's seed: what is test for one search is test for all."""

VALIDATION_SHARE = 0.2
MAX_VALIDATION = 5000
MIN_IMAGES_PER_CLASS = 4

MAX_IMBALANCE = 10
"""Images of the largest class for each one of the smallest, above which plain accuracy misleads."""


@dataclass(frozen=True, slots=True)
class Split:
    """Images, uint8, shape (N, 3, R, R), and labels, int64, shape (N,).

    Images lie channels_last in memory; those of a large folder are mapped from a file: read them, never write.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def nbytes(self) -> int:
        """Bytes of images and labels."""
        return self.images.nbytes + self.labels.nbytes

    def to(self, device: torch.device) -> "Split":
        """The same split on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is learnt from (`train`), what the search may look at (`validation`), what is looked at once (`test`).

    `mean` and `std` are per channel, of the training images scaled to 0..1. `flip` says whether a mirrored
    image still shows its class. `fingerprint` changes with any image or label.
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

    @property
    def resolution(self) -> int:
        """Rows and columns of the images."""
        return int(self.train.images.shape[-1])

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, R, R) to float32 with mean 0 and deviation 1 a channel, in channels_last layout."""
        scale = 1 / (255 * torch.tensor(self.std, device=images.device)).view(1, -1, 1, 1)
        offset = (torch.tensor(self.mean, device=images.device) * 255).view(1, -1, 1, 1)
        return ((images.float() - offset) * scale).contiguous(memory_format=torch.channels_last)

    def on(self, device: torch.device) -> "Dataset":
        """The data set with images and labels on a GPU, where they fit in a quarter of its free memory.

        Batches are then cut on the GPU, without a copy for each. Else, as on any other device, the data set
        itself: the caller moves what it uses.
        """
        splits = (self.train, self.validation, self.test)
        if device.type != "cuda":
            return self
        free, _ = torch.cuda.mem_get_info(device)
        if sum(split.nbytes for split in splits) > free // 4:
            return self
        train, validation, test = (split.to(device) for split in splits)
        return replace(self, train=train, validation=validation, test=test)


class Colours:
    """Mean and deviation of each channel, counted image by image: exact, however many there are.

    Float32 sums would stand still at 2**24, which 40,000 images of 32 x 32 reach.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)

    def add(self, images: NDArray[np.uint8]) -> None:
        """Count the pixels of images, uint8 (..., 3)."""
        for channel, counts in enumerate(self._counts):
            counts += np.bincount(images[..., channel].ravel(), minlength=256)

    def mean(self) -> tuple[float, ...]:
        """Of values scaled to 0..1, a channel."""
        return tuple(self._moment(1).tolist())

    def std(self) -> tuple[float, ...]:
        """Of values scaled to 0..1, a channel; at least 0.001, so that it can be divided by."""
        variance = self._moment(2) - self._moment(1) ** 2
        return tuple(np.sqrt(np.maximum(variance, 1e-6)).tolist())

    def _moment(self, power: int) -> NDArray[np.float64]:
        moment: NDArray[np.float64] = self._counts @ (np.arange(256) / 255) ** power / self._counts.sum(1)
        return moment


def dataset_from_arrays(
    name: str,
    classes: Sequence[str],
    train: tuple[NDArray[np.uint8], NDArray[np.int64]],
    test: tuple[NDArray[np.uint8], NDArray[np.int64]] | None,
    flip: bool,
) -> Dataset:
    """Make a data set from images, uint8 (N, R, R, 3), and labels, int64 (N,).

    Validation is cut from the training images, stratified; test too where none is given.

    Raises:
        DataError: fewer than two classes, or a class with too few training images.
    """
    images, labels = train
    check_classes(name, classes)
    check_counts(name, classes, labels)
    warn_of_imbalance(name, classes, labels)
    order, cut = training_order(labels, cut_test=test is None)
    test_images, test_labels = (images[cut], labels[cut]) if test is None else test
    kept, validation = validation_cut(labels, order)
    colours = Colours()
    for some in _chunks(kept):
        colours.add(images[some])
    return Dataset(
        name=name,
        classes=tuple(classes),
        train=_split(images[kept], labels[kept]),
        validation=_split(images[validation], labels[validation]),
        test=_split(test_images, test_labels),
        mean=colours.mean(),
        std=colours.std(),
        flip=flip,
        fingerprint=_fingerprint(images, order, labels[order], test_images, test_labels),
    )


def check_classes(name: str, classes: Sequence[str]) -> None:
    """Raise DataError where there is nothing to tell apart."""
    if len(classes) < 2:
        found = f"only one class, {classes[0]!r}" if classes else "no class"
        raise DataError(f"{name}: {found}", "give at least two class folders under train/")


def check_counts(name: str, classes: Sequence[str], labels: NDArray[np.int64]) -> None:
    """Raise DataError where a class has too few training images to have one in every split."""
    for i, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < MIN_IMAGES_PER_CLASS:
            raise DataError(
                f"{name}: class {classes[i]!r} has {count} training images",
                f"give every class at least {MIN_IMAGES_PER_CLASS}",
            )


def warn_of_imbalance(name: str, classes: Sequence[str], labels: NDArray[np.int64]) -> None:
    """Say where always guessing the commonest class would look like a good model."""
    counts = np.bincount(labels, minlength=len(classes))
    most, least = int(counts.argmax()), int(counts.argmin())
    if counts[most] > MAX_IMBALANCE * counts[least]:
        log.warning(
            "%s: class %r has %d training images, class %r only %d: accuracy says little about rare classes; "
            "--metric macro-f1 counts them like the others",
            *(name, classes[most], counts[most], classes[least], counts[least]),
        )


def training_order(labels: NDArray[np.int64], cut_test: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which images are for training and validation, and which are held out as test, both as indices.

    Args:
        labels: int64 (N,).
        cut_test: False where there are test images of their own: all are kept, in the order given.
    """
    if not cut_test:
        return np.arange(len(labels)), np.empty(0, np.int64)
    return _stratified(labels, VALIDATION_SHARE)


def validation_cut(
    labels: NDArray[np.int64], order: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut `order`, of `training_order`, into training and validation; each in its final, mixed order."""
    kept, cut = _stratified(labels[order], min(VALIDATION_SHARE, MAX_VALIDATION / len(order)))
    return order[kept], order[cut]


def _stratified(labels: NDArray[np.int64], share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the kept and of the cut images, both in one fixed random order.

    The share is cut from each class on its own, so that however rare it has an image on both sides.
    """
    order = np.random.default_rng([SPLIT_SEED, len(labels)]).permutation(len(labels))
    in_cut = np.zeros(len(labels), dtype=bool)
    by_class = order[np.argsort(labels[order], kind="stable")]
    for members in np.split(by_class, np.cumsum(np.unique(labels, return_counts=True)[1])[:-1]):
        in_cut[members[: int(np.clip(round(share * len(members)), 1, len(members) - 1))]] = True
    return order[~in_cut[order]], order[in_cut[order]]


def _chunks(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Parts small enough to copy; never none, of however few images."""
    return np.array_split(order, len(order) // 256 + 1)


def _split(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return Split(tensor, torch.from_numpy(labels.astype(np.int64)))


def _fingerprint(
    images: NDArray[np.uint8], order: NDArray[np.int64], *arrays: NDArray[np.uint8] | NDArray[np.int64]
) -> str:
    """Of the images in that order, never all copied at once, and of whole arrays."""
    digest = hashlib.sha256(str((len(order), *images.shape[1:])).encode())
    for some in _chunks(order):
        digest.update(images[some].data)
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
