"""Labels as Python holds them, numbers or text, to classes and their numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import DataError
from edgenas.images.arrays import array_of
from edgenas.images.listing import composed

_WANTED = "give a whole number or a name for each image"


def labels_of(given: Any, count: int, what: str) -> NDArray[Any]:
    """Labels as whole numbers, truth values or text with accents composed, shape (N,).

    Raises:
        DataError: labels of another shape or kind, or not as many as images.
    """
    try:
        labels = array_of(given)
    except Exception:  # lists of lists of several lengths, objects that refuse
        raise DataError(f"{what}: the labels are no array", _WANTED) from None
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        one_hot = labels.ndim == 2 and len(labels) == count
        hint = "of one-hot labels give labels.argmax(1)" if one_hot else _WANTED
        raise DataError(f"{what}: labels of shape {labels.shape}", hint)
    if len(labels) != count:
        raise DataError(f"{what}: {len(labels)} labels for {count} images", _WANTED)
    return _of_simple_kind(labels, what)


def _of_simple_kind(labels: NDArray[Any], what: str) -> NDArray[Any]:
    if labels.dtype == object:
        labels = _of_objects(labels, what)
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels).all() and (labels == np.round(labels)).all()):
            raise DataError(f"{what}: some labels are fractions, NaN or infinite", _WANTED)
        labels = labels.astype(np.int64)
    # Of pandas and of NumPy 2, text may be of a kind of its own.
    labels = labels.astype(str) if labels.dtype.kind == "T" else labels
    if labels.dtype.kind not in "biuU":
        raise DataError(f"{what}: the labels are {labels.dtype}", _WANTED)
    return np.array(list(map(composed, labels.tolist())), str) if labels.dtype.kind == "U" else labels


def _of_objects(labels: NDArray[Any], what: str) -> NDArray[Any]:
    for kind in (str, bool | np.bool_, int | np.integer):
        if all(isinstance(label, kind) for label in labels):
            return np.array(labels.tolist())
    other = next((label for label in labels if not isinstance(label, str | int)), labels[0])
    raise DataError(f"{what}: the labels are of several kinds, one is a {type(other).__name__}", _WANTED)


def common_classes(
    what: str, labels: Mapping[str, NDArray[Any]], names: Sequence[str] | None
) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """The classes of the labels of the first part, training, and the labels of each part as numbers of these.

    Args:
        what: the data, for errors.
        labels: of each part, from `labels_of`.
        names: what the labels 0, 1, ... are called, if the data say; otherwise classes are called like their labels.

    Raises:
        DataError: one class, a label without a name, or one that does not occur in training.
    """
    known = np.unique(next(iter(labels.values())))
    if len(known) < 2:
        raise DataError(f"{what}: all labels are {str(known[0])!r}", "give images of at least two classes")
    for part, found in labels.items():
        of_other_kind = (found.dtype.kind == "U") != (known.dtype.kind == "U")
        if of_other_kind or not np.isin(found, known).all():
            strange = next(label for label in found if label not in known.tolist())
            raise DataError(
                f"{what}: {part} label {str(strange)!r} does not occur in training",
                "use the same labels in all parts",
            )
    numbers = [np.searchsorted(known, each).astype(np.int64) for each in labels.values()]
    return _names(what, known, names), numbers


def _names(what: str, known: NDArray[Any], names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None or known.dtype.kind == "U":
        found = tuple(map(str, known))
    else:
        if not 0 <= int(known[0]) <= int(known[-1]) < len(names):
            raise DataError(
                f"{what}: labels reach from {known[0]} to {known[-1]} for {len(names)} classes",
                f"give labels 0 to {len(names) - 1}, and leave out images without one",
            )
        found = tuple(str(names[int(label)]) for label in known)
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise DataError(f"{what}: the name of a class is not valid Unicode", "rename the class") from None
    return found
