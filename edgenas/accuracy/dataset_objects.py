"""`data=` as Python holds it: arrays and labels, data sets as of torchvision, data sets of Hugging Face."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.accuracy.class_labels import common_classes, labels_of
from edgenas.accuracy.dataset import MIN_STD, Dataset, dataset_from_arrays
from edgenas.errors import DataError, InputError, first_line
from edgenas.images.arrays import Extent, array_of, channels_last, is_deep, pixels_of
from edgenas.images.decoding import supported_resolution
from edgenas.images.inspection import PARTS, Inspection, is_grey
from edgenas.images.preparation import Preparation
from edgenas.progress import Progress, silent
from edgenas.vocabulary import Channels, Fit

log = logging.getLogger(__name__)

ARRAYS = "arrays"
"""The name of data that have none."""

TEST_SPLITS = ("test", "validation", "valid", "val")
IMAGE_COLUMNS = ("image", "img", "images", "picture")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target")

READ_TWICE = 3
"""So many first images show whether a data set makes others each time."""

_ACCEPTED = (
    "give (images, labels), a data set as of torchvision or Hugging Face, a pair of either for training and test, a "
    "name, a folder or a Dataset"
)


class LabelledImages(Protocol):
    """What a `Dataset` can be made of.

    `(images, labels)`, of NumPy, torch or lists; or anything that gives `(image, label)` for each index; or a pair of
    these, for training and test; or what Hugging Face calls a `Dataset` or a `DatasetDict`.
    """

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Part:
    """Labelled images, read when they are needed.

    Attributes:
        name: the data's own, or `ARRAYS`.
        count: how many.
        read: gives an image, in any form, and its label.
        array: all images, if they are one array: (N, height, width) or (N, height, width, C).
        labels: all labels, if they are known without reading the images.
        names: what the labels 0, 1, ... are called, if the data say.
    """

    name: str
    count: int
    read: Callable[[int], tuple[Any, Any]]
    array: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    names: tuple[str, ...] | None = None


def dataset_from_object(
    data: LabelledImages,
    resolution: int | None = None,
    flip: bool | None = None,
    progress: Progress = silent,
    fit: Fit = "crop",
    channels: Channels | None = 3,
) -> Dataset:
    """Make a data set of labelled images, each brought to size as a picture file is.

    Args:
        data: see `LabelledImages`.
        resolution: rows and columns; None for the images' own.
        flip: whether mirrored images keep their class; None: they do.
        progress: receives the progress of reading.
        fit: how an image becomes a square.
        channels: 1 for grey, 3 for RGB; None for 1 if all images are grey.

    Raises:
        InputError: an object that is none of these.
        DataError: images or labels that cannot be used.
    """
    train, test = _parts(data)
    parts = [train] if test is None else [train, test]
    if test is not None and train.names and test.names and train.names != test.names:
        raise DataError(
            f"{train.name}: training has the classes {_some(train.names)}, the test {_some(test.names)}",
            "give both the same classes, in the same order",
        )
    size = resolution or _native_size(train)
    preparation = Preparation(fit=fit, channels=channels or 3)
    pixels, labels, ranges = _read(parts, size, preparation, progress)
    classes, numbers = common_classes(train.name, labels, train.names)
    if channels is None and all(map(is_grey, pixels)):
        preparation = preparation.model_copy(update={"channels": 1})
        pixels = [np.ascontiguousarray(each[..., :1]) for each in pixels]
    arrays = list(zip(pixels, numbers, strict=True))
    given_test = None if test is None else arrays[1]
    made = dataset_from_arrays(train.name, classes, arrays[0], given_test, True if flip is None else flip)
    if max(made.std) < MIN_STD:
        raise DataError(f"{train.name}: all training images show the same colour", "give other images")
    preparation = preparation.model_copy(update={"ranges": ranges})
    return replace(made, preparation=preparation, remarks=_remarks(made))


def _remarks(dataset: Dataset) -> tuple[str, ...]:
    """Images that are the same or show nothing, by their places in the splits."""
    inspection, names, labels, parts = Inspection(), [], [], []
    for part, split in zip(PARTS, (dataset.train, dataset.validation, dataset.test), strict=True):
        for i, image in enumerate(split.images.permute(0, 2, 3, 1).numpy()):
            inspection.add(image)
            names.append(f"{part} image {i}")
        labels += split.labels.tolist()
        parts += [part] * len(split)
    return tuple(inspection.remarks(names, labels, parts, dataset.classes))


def _some(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))[:100]


_Read = tuple[list[NDArray[np.uint8]], list[NDArray[Any]], dict[str, tuple[float, float]]]


def _read(parts: Sequence[_Part], size: int, preparation: Preparation, progress: Progress) -> _Read:
    """Pixels and labels of each part, and the ranges of deep images: read again, once these are known of all."""
    extent = Extent(parts[0].name)
    found = [_shallow_pixels(part, size, preparation, extent, progress) for part in parts]
    ranges = extent.ranges()
    scaling = preparation.model_copy(update={"ranges": ranges})
    for part, (pixels, _, deep) in zip(parts, found, strict=True):
        for i in deep:
            pixels[i] = pixels_of(part.read(i)[0], size, scaling, f"{part.name}: image {i}")
    return [pixels for pixels, _, _ in found], [labels for _, labels, _ in found], ranges


def _shallow_pixels(
    part: _Part, size: int, preparation: Preparation, extent: Extent, progress: Progress
) -> tuple[NDArray[np.uint8], NDArray[Any], list[int]]:
    """Pixels, uint8 (N, size, size, channels), labels, and which images are deep: their pixels are still missing."""
    shape = (part.count, size, size, preparation.channels)
    array, labels = part.array, part.labels
    if array is not None and labels is not None and array.dtype == np.uint8 and array.shape == shape:
        extent.add(array)
        if array.flags.writeable:  # torch takes no other without a copy
            return array, labels, []
    pixels, found, deep = np.empty(shape, np.uint8), [], []
    for i in range(part.count):
        image, label = part.read(i)
        found.append(label)
        extent.add(image)
        if is_deep(image):
            deep.append(i)
        else:
            pixels[i] = pixels_of(image, size, preparation, f"{part.name}: image {i}")
        if i % 256 == 0:
            progress("reading images", i, part.count)
    progress("reading images", part.count, part.count)
    return pixels, labels_of(found, part.count, part.name) if labels is None else labels, deep


def _native_size(part: _Part) -> int:
    """The median shorter side of some images, rounded down as that of an image folder."""
    if part.array is not None:
        sides = [min(part.array.shape[1:3])]
    else:
        images = (part.read(i)[0] for i in range(0, part.count, max(1, part.count // 100)))
        sides = [_shorter_side(image, part.name) for image in images]
    return supported_resolution(int(np.median(sides)))


def _shorter_side(image: Any, name: str) -> int:
    if isinstance(image, Image.Image):
        return min(image.size)
    return int(min(channels_last(image, single=True, what=name).shape[:2]))


def _parts(data: Any) -> tuple[_Part, _Part | None]:
    """The images for training, and those for the test if there are such."""
    if isinstance(data, Mapping):
        return _of_splits(data)
    if isinstance(data, tuple | list) and len(data) == 2 and all(map(_is_whole, data)):
        return _part(data[0]), _part(data[1])
    return _part(data), None


def _of_splits(splits: Mapping[str, Any]) -> tuple[_Part, _Part | None]:
    if "train" not in splits:
        raise InputError(f"data: has no split 'train', but {_some(list(splits))}", _ACCEPTED)
    test = next((name for name in TEST_SPLITS if name in splits), None)
    if others := [name for name in splits if name not in ("train", test)]:
        log.warning("data: splits that are not used: %s", _some(others))
    return _part(splits["train"]), None if test is None else _part(splits[test])


def _is_whole(data: Any) -> bool:
    """Whether it has images and labels, rather than being either."""
    if isinstance(data, tuple | list):
        both = len(data) == 2 and all(map(_is_collection, data))
        return both or (len(data) > 0 and _is_example(data[0]))
    return _is_data_set(data)


def _is_example(item: Any) -> bool:
    """Whether it is an image with its label."""
    if not (isinstance(item, tuple | list) and len(item) == 2) or _is_collection(item[1]):
        return False
    return isinstance(item[0], Image.Image) or _is_array(item[0])


def _is_data_set(data: Any) -> bool:
    return _is_collection(data) and hasattr(data, "__getitem__") and not _is_array(data)


def _is_collection(data: Any) -> bool:
    sized = hasattr(data, "__len__") and not isinstance(data, str | bytes | type)
    return sized and getattr(data, "ndim", 1) > 0


def _is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "dtype")


def _part(data: Any) -> _Part:
    if isinstance(data, tuple | list) and not (len(data) > 0 and _is_example(data[0])):
        if len(data) != 2 or not all(map(_is_collection, data)):
            raise InputError(
                f"data: a {type(data).__name__} of {len(data)} that is not (images, labels)", _ACCEPTED
            )
        part = _of_pair(*data)
    elif not _is_data_set(data):
        raise InputError(f"data: cannot be of type {type(data).__name__}", _ACCEPTED)
    else:
        features = getattr(data, "features", None)
        part = _of_columns(data, features) if isinstance(features, Mapping) else _of_examples(data)
    if not part.count:
        raise DataError(f"{part.name}: has no images", "give some of each class")
    return part


def _of_pair(images: Any, labels: Any) -> _Part:
    if isinstance(images, Mapping):
        raise InputError(f"data: images cannot be of type {type(images).__name__}", _ACCEPTED)
    array = None
    if _is_array(images) and array_of(images).dtype != object:
        images = array = channels_last(images, single=False, what=ARRAYS)
    elif _is_array(images):  # of a column of pandas
        images = list(array_of(images))
    known = labels_of(labels, len(images), ARRAYS)
    return _Part(ARRAYS, len(images), lambda i: (images[i], None), array, known)


def _of_examples(data: Any) -> _Part:
    """Of anything that gives an image and its label for each index."""
    inner = data
    while not hasattr(inner, "classes") and hasattr(inner, "dataset"):  # of a subset
        inner = inner.dataset
    classes = getattr(inner, "classes", None)
    names = tuple(map(str, classes)) if isinstance(classes, list | tuple) else None
    name = ARRAYS if isinstance(data, list | tuple) else type(inner).__name__
    part = _Part(name, len(data), lambda i: _example(data, i, name), names=names)
    for i in range(min(READ_TWICE, part.count)):
        if not np.array_equal(array_of(part.read(i)[0]), array_of(part.read(i)[0])):
            raise DataError(
                f"{name}: image {i} is another each time", "leave out random transforms; --augment has such"
            )
    return part


def _example(data: Any, index: int, name: str) -> tuple[Any, Any]:
    item = _item(data, index, name)
    if not (isinstance(item, tuple | list) and len(item) == 2):
        raise InputError(
            f"data: item {index} of a {type(data).__name__} is a {type(item).__name__}, not an image and its label",
            _ACCEPTED,
        )
    return item[0], array_of(item[1])[()]


def _item(data: Any, index: int, name: str) -> Any:
    try:
        return data[index]
    except Exception as error:  # whatever code of others raises
        raise DataError(
            f"{name}: item {index} cannot be read ({type(error).__name__}: {first_line(error)})", _ACCEPTED
        ) from error


def _of_columns(data: Any, features: Mapping[str, Any]) -> _Part:
    """Of a data set of Hugging Face; its package is not needed."""
    info = getattr(data, "info", None)
    name = str(getattr(info, "dataset_name", None) or type(data).__name__)
    image = _column(name, features, "Image", IMAGE_COLUMNS)
    label = _column(name, features, "ClassLabel", LABEL_COLUMNS)
    rows = data.with_format(None) if hasattr(data, "with_format") else data  # without transforms
    labels = labels_of(list(rows[label]), len(rows), name)
    names = getattr(features[label], "names", None)
    return _Part(
        name,
        len(rows),
        lambda i: (_item(rows, i, name)[image], None),
        labels=labels,
        names=None if names is None else tuple(map(str, names)),
    )


def _column(name: str, features: Mapping[str, Any], kind: str, usual: Sequence[str]) -> str:
    """The column of a kind, or if there are several or none, one of a usual name."""
    found = [column for column, feature in features.items() if type(feature).__name__ == kind]
    if len(found) == 1:
        return found[0]
    for column in usual:
        if column in (found or features):
            return column
    raise DataError(
        f"{name}: which of its columns is the {usual[0]}? {_some(list(features))}",
        f"rename it: .rename_column(..., {usual[0]!r})",
    )
