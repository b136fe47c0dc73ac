"""`data=` as Python holds it: arrays and labels, data sets as of torchvision, data sets of Hugging Face."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.accuracy.class_labels import common_classes, labels_of
from edgenas.accuracy.dataset import MIN_STD, Dataset, dataset_from_arrays, split_indices
from edgenas.errors import DataError, InputError, first_line
from edgenas.images.arrays import Extent, array_of, channels_last, is_deep, pixels_of
from edgenas.images.decoding import supported_resolution
from edgenas.images.inspection import PARTS, Inspection, is_grey
from edgenas.images.layout import part_named
from edgenas.images.listing import composed, first_of
from edgenas.images.preparation import Preparation
from edgenas.progress import Phase, Progress, silent
from edgenas.vocabulary import Channels, Fit

READING = Phase("reading images", "images")

ARRAYS = "arrays"
"""The name of data that have none."""

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
    these, for training and test; or what Hugging Face calls a `Dataset`; or a mapping such as its `DatasetDict`, from
    names of splits (train, validation, test) to any of these.
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


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is given: images for training, those for validation and test if there are such, and what to say of them."""

    train: _Part
    validation: _Part | None = None
    test: _Part | None = None
    remarks: tuple[str, ...] = ()

    @property
    def named(self) -> dict[str, _Part]:
        """The parts that there are, by their names in `PARTS`."""
        parts = zip(PARTS, (self.train, self.validation, self.test), strict=True)
        return {name: part for name, part in parts if part is not None}


def dataset_from_object(
    data: LabelledImages,
    resolution: int | None = None,
    flip: bool | None = None,
    progress: Progress = silent,
    fit: Fit = "crop",
    channels: Channels | None = 3,
    inspected: bool = True,
) -> Dataset:
    """Make a data set of labelled images, each brought to size as a picture file is.

    Args:
        data: see `LabelledImages`.
        resolution: rows and columns; None for the images' own.
        flip: whether mirrored images keep their class; None: they do.
        progress: receives the progress of reading.
        fit: how an image becomes a square.
        channels: 1 for grey, 3 for RGB; None for 1 if all images are grey.
        inspected: whether `remarks` say what is noticed; False for what was inspected at another size.

    Raises:
        InputError: an object that is none of these.
        DataError: images or labels that cannot be used.
    """
    given = _parts(data)
    parts = given.named
    _check_names(given)
    size = resolution or _native_size(given.train)
    # Pillow's pictures may be of JPEG files, but whoever opened them decides how they are decoded.
    preparation = Preparation(fit=fit, channels=channels or 3, jpeg_draft=0)
    pixels, labels, ranges = _read(list(parts.values()), size, preparation, progress)
    name, names = given.train.name, given.train.names
    classes, numbers = common_classes(name, dict(zip(parts, labels, strict=True)), names)
    if channels is None and all(map(is_grey, pixels)):
        preparation = preparation.model_copy(update={"channels": 1})
        pixels = [np.ascontiguousarray(each[..., :1]) for each in pixels]
    arrays = dict(zip(parts, zip(pixels, numbers, strict=True), strict=True))
    train, validation, test = arrays[PARTS[0]], arrays.get(PARTS[1]), arrays.get(PARTS[2])
    made = dataset_from_arrays(name, classes, train, test, flip is None or flip, validation)
    if max(made.std) < MIN_STD:
        raise DataError(f"{name}: all training images show the same colour", "give other images")
    preparation = preparation.model_copy(update={"ranges": ranges})
    remarks = _remarks(given, made, train[1]) if inspected else ()
    return replace(made, preparation=preparation, remarks=remarks)


def _check_names(given: _Parts) -> None:
    names = given.train.names
    for part, other in given.named.items():
        if names and other.names and names != other.names:
            raise DataError(
                f"{given.train.name}: training has the classes {_some(names)}, the {part} {_some(other.names)}",
                "give all parts the same classes, in the same order",
            )


def _remarks(given: _Parts, made: Dataset, labels: NDArray[np.int64]) -> tuple[str, ...]:
    """What is noticed about the data.

    Args:
        given: the parts.
        made: the data set of them.
        labels: of the images given for training.
    """
    remarks = [*given.remarks, *made.remarks]
    if unused := [name for name in given.train.names or () if name not in made.classes]:
        remarks.insert(0, f"{given.train.name}: classes without images are ignored: {first_of(unused)}")
    return (*remarks, *_inspected(given, made, labels))


def _inspected(given: _Parts, made: Dataset, labels: NDArray[np.int64]) -> list[str]:
    """Images that are the same or show nothing, by their places in what was given."""
    inspection, names, all_labels, parts = Inspection(), [], [], []
    counts = [None if part is None else part.count for part in (given.validation, given.test)]
    splits = (made.train, made.validation, made.test)
    for part, split, indices in zip(PARTS, splits, split_indices(labels, *counts), strict=True):
        own = part in given.named and part != PARTS[0]
        names += [f"{part} image {i}" if own else f"image {i}" for i in indices.tolist()]
        for image in split.images.permute(0, 2, 3, 1).numpy():
            inspection.add(image)
        all_labels += split.labels.tolist()
        parts += [part] * len(split)
    return inspection.remarks(names, all_labels, parts, made.classes)


def _some(names: Sequence[Any]) -> str:
    return first_of(list(map(str, names)), 10)


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
            progress(READING, i, part.count)
    progress(READING, part.count, part.count)
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


def _parts(data: Any) -> _Parts:
    """The images for training, and those for validation and test if there are such."""
    if isinstance(data, Mapping):
        return _of_splits(data)
    if isinstance(data, tuple | list) and len(data) == 2 and all(map(_is_whole, data)):
        return _Parts(_part(data[0]), test=_part(data[1]))
    return _Parts(_part(data))


def _of_splits(splits: Mapping[Any, Any]) -> _Parts:
    """Of splits by their names, which are those that folders may have."""
    found: dict[str, Any] = {}
    for name in splits:
        part = part_named(str(name))
        if part in found:
            raise InputError(
                f"data: both {found[part]!s} and {name!s} are splits for {part}", "leave out one of them"
            )
        if part is not None:
            found[part] = name
    if "train" not in found:
        raise InputError(f"data: has no split 'train', but {_some(list(splits))}", _ACCEPTED)
    others = [name for name in splits if name not in found.values()]
    parts = {part: _part(splits[name]) for part, name in found.items()}
    train, validation, test = parts["train"], parts.get("validation"), parts.get("test")
    if test is None:  # as of folders: the only images kept aside are worth more as a test
        validation, test = None, validation
    remarks = (
        (f"{train.name}: splits that are not used: {first_of(list(map(str, others)))}",) if others else ()
    )
    return _Parts(train, validation, test, remarks)


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
    names = _names(classes) if isinstance(classes, list | tuple) else None
    name = ARRAYS if isinstance(data, list | tuple) else type(inner).__name__
    part = _Part(name, len(data), lambda i: _example(data, i, name), names=names)
    for i in range(min(READ_TWICE, part.count)):
        if not np.array_equal(array_of(part.read(i)[0]), array_of(part.read(i)[0])):
            raise DataError(
                f"{name}: image {i} is another each time", "leave out random transforms; --augment has such"
            )
    return part


def _names(given: Sequence[Any]) -> tuple[str, ...]:
    return tuple(composed(str(name)) for name in given)


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
        names=None if names is None else _names(names),
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
