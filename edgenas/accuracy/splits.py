"""Which images guide the search and which are kept for the end, decided once for every run on the same images."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 0
"""Splits do not depend on the run's seed: every search has the same test images."""

VALIDATION_SHARE = 0.2
MAX_VALIDATION_IMAGES = 5000

Indices = NDArray[np.int64]


def split_off_test(labels: Indices, cut_test: bool) -> tuple[Indices, Indices]:
    """Indices of the images for training and validation, and of those held out as test.

    Args:
        labels: int64 (N,).
        cut_test: False if there is a separate test set: all images are kept, in their order.
    """
    if not cut_test:
        return np.arange(len(labels)), np.empty(0, np.int64)
    return _stratified(labels, VALIDATION_SHARE)


def split_off_by_name(labels: Indices, names: Sequence[str]) -> tuple[Indices, Indices]:
    """The same for files, by hashes of their names, so that nearly all of it stays so as others are added.

    Args:
        labels: int64 (N,).
        names: N names, each once.
    """
    order = np.array(
        sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode()).digest()), np.int64
    )
    in_test = _of_each_class(labels, order, VALIDATION_SHARE)
    return np.flatnonzero(~in_test), np.flatnonzero(in_test)


def split_off_validation(labels: Indices, order: Indices) -> tuple[Indices, Indices]:
    """Split `order`, from `split_off_test`, into training and validation, both in their final shuffled order."""
    kept, cut = _stratified(labels[order], min(VALIDATION_SHARE, MAX_VALIDATION_IMAGES / len(order)))
    return order[kept], order[cut]


def shuffled(count: int) -> Indices:
    """All of so many images, in one fixed random order: the first of them are a fair sample."""
    return np.random.default_rng([SPLIT_SEED, count]).permutation(count)


def _stratified(labels: Indices, share: float) -> tuple[Indices, Indices]:
    """Indices of the kept and of the split-off images, both in one fixed random order."""
    order = shuffled(len(labels))
    in_cut = _of_each_class(labels, order, share)
    return order[~in_cut[order]], order[in_cut[order]]


def _of_each_class(labels: Indices, order: Indices, share: float) -> NDArray[np.bool_]:
    """Which images are the first of their class in that order, up to a share of it, bool (N,).

    The share is taken per class, so that even a rare class has an image on both sides.
    """
    chosen = np.zeros(len(labels), dtype=bool)
    by_class = order[np.argsort(labels[order], kind="stable")]
    for members in np.split(by_class, np.cumsum(np.unique(labels, return_counts=True)[1])[:-1]):
        chosen[members[: int(np.clip(round(share * len(members)), 1, len(members) - 1))]] = True
    return chosen
