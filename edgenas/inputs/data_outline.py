"""How many images a search would have, and of which size, without decoding them."""

import time
from dataclasses import dataclass
from pathlib import Path

from edgenas.accuracy.dataset import Dataset, check_classes, check_counts
from edgenas.accuracy.dataset_sources import NAMES
from edgenas.accuracy.decoded_cache import Plan, valid_record
from edgenas.accuracy.image_folder import planned
from edgenas.images.decoding import decoded, native_resolution
from edgenas.images.layout import listing_of
from edgenas.images.preparation import Preparation
from edgenas.images.reading import quietly
from edgenas.inputs.run_data import data_of, fit_of
from edgenas.inputs.spaces import channels_for
from edgenas.progress import silent
from edgenas.settings.search import SearchSettings

PUBLISHED = {
    "cifar10": (45_000, 5_000, 10_000, 10, 3),
    "cifar100": (45_000, 5_000, 10_000, 100, 3),
    "fashion-mnist": (55_000, 5_000, 10_000, 10, 1),
}
"""Training, validation and test images, classes and channels, of what is downloaded."""

PUBLISHED_SIZE = 32

TIMED_IMAGES = 32
"""Images that are decoded to find out how long all take."""


@dataclass(frozen=True, slots=True)
class DataOutline:
    """What is known of a data set before it is loaded.

    Attributes:
        name: as in a run's settings.
        train: number of training images; of a folder, before unreadable ones are left out.
        validation: of those that guide the search.
        test: of those looked at once.
        classes: number of classes.
        channels: 1 or 3; where only the pixels tell, 3.
        resolution: rows and columns of the largest images that are searched.
        decoding_s: how long decoding takes; 0 if that was done before, or is not needed.
        cache_bytes: what decoded images will take on disk; 0 likewise.
    """

    name: str
    train: int
    validation: int
    test: int
    classes: int
    channels: int
    resolution: int
    decoding_s: float = 0.0
    cache_bytes: int = 0

    @property
    def nbytes(self) -> int:
        """Of all decoded images."""
        return (self.train + self.validation + self.test) * self.resolution**2 * self.channels


def outline_of(settings: SearchSettings, largest: int | None) -> DataOutline:
    """The outline of a search's data; nothing is downloaded or written.

    Args:
        settings: of the search.
        largest: rows and columns of the largest images that are searched; None for the data's own.

    Raises:
        InputError, DataError: as from the search itself, as far as the pixels are not needed to tell.
    """
    data = settings.data
    if isinstance(data, str) and data in PUBLISHED:
        train, validation, test, classes, native = PUBLISHED[data]
        channels = channels_for(settings) or native
        return DataOutline(data, train, validation, test, classes, channels, largest or PUBLISHED_SIZE)
    if isinstance(data, str | Path) and str(data) not in NAMES and Path(data).is_dir():
        return _of_folder(settings, Path(data).resolve(), largest)
    return _of_loaded(data_of(settings).largest)


def _of_loaded(dataset: Dataset) -> DataOutline:
    train, validation, test = len(dataset.train), len(dataset.validation), len(dataset.test)
    return DataOutline(
        dataset.name, train, validation, test, len(dataset.classes), dataset.channels, dataset.resolution
    )


def _of_folder(settings: SearchSettings, folder: Path, largest: int | None) -> DataOutline:
    with quietly([]):
        listing = listing_of(folder)
        check_classes(str(folder), listing.classes)
        check_counts(str(folder), listing.classes, listing.labels[: listing.train])
        size = largest or native_resolution(listing.paths[: listing.train])
    asked = channels_for(settings)
    plan = planned(listing, size, fit_of(settings), asked)
    known = valid_record(plan)
    train, validation, test = map(len, plan.splits)
    channels = asked or (1 if known is not None and known.grey else 3)
    decoding_s, cache_bytes = (0.0, 0) if known else (_decoding_seconds(plan), plan.nbytes())
    return DataOutline(
        str(folder), train, validation, test, len(listing.classes), channels, size, decoding_s, cache_bytes
    )


def _decoding_seconds(plan: Plan) -> float:
    """From the time that a few images take, spread over the set."""
    count = len(plan.listing.paths)
    some = plan.listing.paths[:: max(1, count // TIMED_IMAGES)]
    preparation = Preparation(fit=plan.fit, channels=plan.channels)
    start = time.monotonic()
    for _ in decoded(some, plan.resolution, preparation, silent):
        pass
    return (time.monotonic() - start) * count / len(some)
