"""A data set from a folder of images."""

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgenas.accuracy.dataset import (
    MIN_STD,
    Dataset,
    ImageFiles,
    Split,
    check_classes,
    check_counts,
    imbalance,
)
from edgenas.accuracy.decoded_cache import CacheRecord, Plan, decoded_images, valid_record, without_skipped
from edgenas.accuracy.splits import (
    MAX_VALIDATION_IMAGES,
    Indices,
    shuffled,
    split_off_by_name,
    split_off_validation,
)
from edgenas.errors import DataError
from edgenas.images.decoding import native_resolution
from edgenas.images.layout import listing_of
from edgenas.images.listing import Listing, first_of, passed_over_text
from edgenas.images.reading import HEIC, quietly
from edgenas.progress import Progress
from edgenas.vocabulary import Channels, Fit


def dataset_from_folder(
    folder: Path,
    resolution: int | None,
    flip: bool,
    progress: Progress,
    fit: Fit = "crop",
    channels: Channels | None = None,
) -> Dataset:
    """Load an image folder.

    Images are decoded once, into a file in the user's cache folder. Those that cannot be read are skipped; `remarks` of
    the data set tell of them, and of all else that is noticed.

    Args:
        folder: in one of the usual layouts.
        resolution: rows and columns; None for that of the images.
        flip: whether mirrored images keep their class.
        progress: receives the decoding progress.
        fit: how a picture becomes a square.
        channels: None for 1 if all images are grey, else 3.

    Raises:
        DataError: no images, one class, a class with too few, a test class that training lacks, too many
            unreadable images, images that all look the same, or no room for those of a large set.
    """
    with quietly([]):
        listing = listing_of(folder)
    check_classes(str(folder), listing.classes)
    check_counts(str(folder), listing.classes, listing.labels[: listing.train])
    size = resolution or native_resolution(listing.paths[: listing.train])
    plan = planned(listing, size, fit, channels)
    record, images = decoded_images(plan, progress)
    taken: Channels = channels or (1 if record.grey else 3)
    if max(record.std) < MIN_STD:
        raise DataError(
            f"--data {folder}: all training images show the same colour (first: {listing.name(0)})",
            "look at one; export them as 8-bit PNG or JPEG",
        )
    parts = without_skipped(plan.splits, record.skipped)
    train, validation, test = _tensors(images[..., :taken], [listing.labels[part] for part in parts])
    return Dataset(
        name=str(folder),
        classes=listing.classes,
        train=train,
        validation=validation,
        test=test,
        mean=record.mean[:taken],
        std=record.std[:taken],
        flip=flip,
        fingerprint=_fingerprint(listing, parts, record),
        preparation=record.preparation.model_copy(update={"channels": taken}),
        remarks=_remarks(plan, record),
        files=_files(plan, record),
    )


def planned(listing: Listing, size: int, fit: Fit, channels: Channels | None) -> Plan:
    """What is to be decoded of a folder.

    Grey images that were decoded as RGB are not decoded again for the sake of one channel.
    """
    plan = Plan(listing, _splits(listing), size, fit, 3)
    if channels != 1 or ((known := valid_record(plan)) is not None and known.grey):
        return plan
    return replace(plan, channels=1)


def _splits(listing: Listing) -> tuple[Indices, Indices, Indices]:
    """Training, validation and test images, as indices: folders of their own, or split off the training images."""
    own = np.split(np.arange(len(listing.paths)), np.cumsum(listing.counts)[:-1])
    labels, (order, validation, test) = listing.labels, own
    if not len(test):
        order, test = split_off_by_name(labels[: listing.train], [listing.name(i) for i in order])
    if len(validation):
        few = validation[shuffled(len(validation))][:MAX_VALIDATION_IMAGES]
        return order[shuffled(len(order))], few, test
    return (*split_off_validation(labels, order), test)


def _tensors(images: NDArray[np.uint8], labels: list[NDArray[np.int64]]) -> list[Split]:
    array = images if isinstance(images, np.memmap) else np.ascontiguousarray(images)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        tensor = torch.from_numpy(array).permute(0, 3, 1, 2)
    pieces = torch.split(tensor, [len(each) for each in labels])
    return [Split(piece, torch.from_numpy(each)) for piece, each in zip(pieces, labels, strict=True)]


def _fingerprint(listing: Listing, parts: list[Indices], record: CacheRecord) -> str:
    """Of images and labels split by split, wherever the folder lies and whatever its files are called."""
    digest = hashlib.sha256(str([len(part) for part in parts]).encode())
    digest.update("".join(record.digests).encode())
    for part in parts:
        digest.update(listing.labels[part].data)
    return digest.hexdigest()[:16]


def _files(plan: Plan, record: CacheRecord) -> ImageFiles:
    listing = plan.listing
    readable = np.delete(plan.order, list(record.skipped)).tolist()
    return ImageFiles(
        digests={listing.name(i): digest for i, digest in zip(readable, record.digests, strict=True)},
        refused={**listing.passed_over, **_skipped(plan, record)},
    )


def _skipped(plan: Plan, record: CacheRecord) -> dict[str, str]:
    """Why images are left out, by their place in the folder."""
    return {plan.listing.name(int(plan.order[place])): reason for place, reason in record.skipped.items()}


def _remarks(plan: Plan, record: CacheRecord) -> tuple[str, ...]:
    listing, skipped = plan.listing, _skipped(plan, record)
    remarks = [*listing.remarks]
    if listing.passed_over:
        remarks.append(f"passed over: {passed_over_text(listing.passed_over)}")
    if skipped:
        convert = "; convert those in HEIC to JPEG" if HEIC in skipped.values() else ""
        named = first_of([f"{name} ({reason})" for name, reason in sorted(skipped.items())])
        remarks.append(
            f"{len(skipped)} of {len(plan.order)} images cannot be read and are skipped: {named}{convert}"
        )
    if listing.counts[1] > MAX_VALIDATION_IMAGES:
        remarks.append(f"{MAX_VALIDATION_IMAGES} of {listing.counts[1]} validation images are used")
    if unequal := imbalance(listing.root.name, listing.classes, listing.labels[: listing.train]):
        remarks.append(unequal)
    return (*remarks, *record.remarks)
