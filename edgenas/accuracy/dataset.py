"""Data sets as uint8 tensors, split once and for all into training, validation and test."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgenas.errors import DataError

SPLIT_SEED = 0
"""Splits do not depend on a run's seed: what is test for one search is test for all."""

VALIDATION_SHARE = 0.2
MAX_VALIDATION = 5000
MIN_IMAGES_PER_CLASS = 4


@dataclass(frozen=True, slots=True)
class Split:
    """Images, uint8, shape (N, 3, R, R), and labels, int64, shape (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


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
    _check_counts(name, classes, labels)
    if test is None:
        images, test_images, labels, test_labels = _stratified(images, labels, VALIDATION_SHARE)
        test = (test_images, test_labels)
    share = min(VALIDATION_SHARE, MAX_VALIDATION / len(labels))
    kept, validation_images, kept_labels, validation_labels = _stratified(images, labels, share)
    pixels = kept.reshape(-1, 3) / np.float32(255)
    return Dataset(
        name=name,
        classes=tuple(classes),
        train=_split(kept, kept_labels),
        validation=_split(validation_images, validation_labels),
        test=_split(*test),
        mean=tuple(float(m) for m in pixels.mean(0)),
        std=tuple(max(float(s), 1e-3) for s in pixels.std(0)),
        flip=flip,
        fingerprint=_fingerprint(images, labels, *test),
    )


def check_classes(name: str, classes: Sequence[str]) -> None:
    """Raise DataError where there is nothing to tell apart."""
    if len(classes) < 2:
        found = f"only one class, {classes[0]!r}" if classes else "no class"
        raise DataError(f"{name}: {found}", "give at least two class folders under train/")


def _check_counts(name: str, classes: Sequence[str], labels: NDArray[np.int64]) -> None:
    for i, count in enumerate(np.bincount(labels, minlength=len(classes))):
        if count < MIN_IMAGES_PER_CLASS:
            raise DataError(
                f"{name}: class {classes[i]!r} has {count} training images",
                f"give every class at least {MIN_IMAGES_PER_CLASS}",
            )


def _stratified(
    images: NDArray[np.uint8], labels: NDArray[np.int64], share: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Split (kept images, cut images, kept labels, cut labels), both in one fixed random order.

    The share is cut from each class on its own, so that however rare it has an image on both sides.
    """
    order = np.random.default_rng([SPLIT_SEED, len(labels)]).permutation(len(labels))
    in_cut = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        in_cut[members[: int(np.clip(round(share * len(members)), 1, len(members) - 1))]] = True
    kept, cut = order[~in_cut[order]], order[in_cut[order]]
    return images[kept], images[cut], labels[kept], labels[cut]


def _split(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Split:
    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return Split(tensor, torch.from_numpy(labels.astype(np.int64)))


def _fingerprint(*arrays: NDArray[np.uint8] | NDArray[np.int64]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
