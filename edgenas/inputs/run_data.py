"""The data set of a run at each image size that it searches."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.dataset_objects import LabelledImages, dataset_from_object
from edgenas.accuracy.dataset_sources import load_dataset, resized_dataset
from edgenas.errors import DataError, InputError
from edgenas.images.preparation import Preparation
from edgenas.inputs.spaces import channels_for
from edgenas.settings.search import SearchSettings
from edgenas.space import NetworkSpace
from edgenas.vocabulary import Channels, Fit

log = logging.getLogger(__name__)

KEPT_BYTES = 2 * 2**30
"""Data sets at sizes other than the largest are kept up to this many bytes, the latest first."""


class RunData:
    """The data set at the largest size, for training and search, and at the others for what is deployed.

    Smaller images for training are made by resizing batches: crops of the largest are the sharpest. What an exported
    file is evaluated on is decoded at its own size, as whoever uses the file does. All sizes are normalised like the
    largest.

    Args:
        largest: the data set at the largest size.
        load: loads it at another.
    """

    def __init__(self, largest: Dataset, load: Callable[[int], Dataset]) -> None:
        self.largest = largest
        self._load = load
        self._kept: dict[int, Dataset] = {}

    def normalised(self, mean: tuple[float, ...], std: tuple[float, ...]) -> "RunData":
        """The same images, normalised by these figures for each channel, of images scaled to 0..1."""
        return RunData(replace(self.largest, mean=mean, std=std), self._load)

    def at(self, resolution: int) -> Dataset:
        """The same images, in the same order, at another size.

        Raises:
            DataError: they have changed since the run was started, or cannot be loaded.
        """
        if resolution == self.largest.resolution:
            return self.largest
        found = self._kept.pop(resolution, None) or self._loaded(resolution)
        self._kept[resolution] = found
        while len(self._kept) > 1 and sum(map(_nbytes, self._kept.values())) > KEPT_BYTES:
            self._kept.pop(next(iter(self._kept)))
        return found

    def _loaded(self, resolution: int) -> Dataset:
        found = self._load(resolution)
        pairs = zip(_splits(found), _splits(self.largest), strict=True)
        if not all(torch.equal(mine.labels, largest.labels) for mine, largest in pairs):
            raise DataError(
                f"{found.name}: the images have changed while they were used",
                "restore them, or start a new --run",
            )
        return replace(found, mean=self.largest.mean, std=self.largest.std)


def data_of(settings: SearchSettings) -> RunData:
    """The data of a search, at the sizes of the space if that is an object.

    Raises:
        InputError: unknown or unusable data, or images of another size or fit than requested.
    """
    sizes = settings.resolutions
    if isinstance(settings.space, NetworkSpace) and sizes is None:
        sizes = settings.space.resolutions
    if isinstance(settings.data, Dataset):
        return _given(settings.data, sizes, settings)
    return loaded_data(settings.data, sizes[-1] if sizes else None, settings, channels_for(settings))


def fit_of(settings: SearchSettings) -> Fit:
    """How pictures become squares: as asked for, as they did for the images of a `Dataset`, or the usual way."""
    own = settings.data.preparation if isinstance(settings.data, Dataset) else Preparation()
    return settings.fit or own.fit


def loaded_data(
    data: str | Path | LabelledImages, size: int | None, settings: SearchSettings, channels: Channels | None
) -> RunData:
    """Data given by name, by folder or as images and labels, at the largest size; warns of what is noticed about them.

    Args:
        data: what to load.
        size: rows and columns; None for the data's own.
        settings: say how.
        channels: None for 1 if all images are grey.

    Raises:
        InputError, DataError, UnknownNameError: see `load_dataset` and `dataset_from_object`.
    """

    def load(resolution: int | None, channels: Channels | None, inspected: bool) -> Dataset:
        how = (resolution, settings.flip, settings.progress, fit_of(settings), channels)
        if isinstance(data, str | Path):
            return load_dataset(str(data), *how)
        return dataset_from_object(data, *how, inspected)

    largest = load(size, channels, inspected=True)
    _warn(largest)
    taken = largest.preparation.channels
    return RunData(largest, lambda resolution: load(resolution, taken, inspected=False))


def resized_data(dataset: Dataset) -> RunData:
    """Data given as an object: smaller images are resized from its own."""
    return RunData(dataset, lambda resolution: resized_dataset(dataset, resolution))


def _warn(dataset: Dataset) -> None:
    for remark in dataset.remarks:
        log.warning(remark)


def _given(dataset: Dataset, sizes: tuple[int, ...] | None, settings: SearchSettings) -> RunData:
    if sizes is not None and dataset.resolution != sizes[-1]:
        smaller = " as the largest" if len(sizes) > 1 else ""
        raise InputError(
            f"data set {dataset.name} has images of {dataset.resolution} px, not {sizes[-1]}",
            f"give --resolution {dataset.resolution}{smaller}",
        )
    if settings.fit not in (None, own := dataset.preparation.fit):
        raise InputError(
            f"--fit {settings.fit}: the pictures of data set {dataset.name} were prepared by --fit {own}",
            "leave out --fit, or give a data set prepared so",
        )
    _warn(dataset)
    return resized_data(dataset if settings.flip is None else replace(dataset, flip=settings.flip))


def _splits(dataset: Dataset) -> tuple[Split, Split, Split]:
    return dataset.train, dataset.validation, dataset.test


def _nbytes(dataset: Dataset) -> int:
    return sum(split.nbytes for split in _splits(dataset))
