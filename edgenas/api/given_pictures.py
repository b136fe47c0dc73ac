"""Pictures as Python holds them, for a trained network: paths, PIL images, arrays, tensors."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.errors import DataError, InputError
from edgenas.images.arrays import CHANNELS, ROUNDING, channels_last, is_deep, pixels_of
from edgenas.images.preparation import Preparation
from edgenas.images.reading import read_pixels
from edgenas.vocabulary import Channels

_PATH = (str, PathLike)
_ACCEPTED = "give a path, a PIL image, an array or a tensor, or several of them"


def listed(images: Any, channels: Channels) -> list[Any]:
    """One picture, or several, as a list.

    Args:
        images: as `TrainedModel.predict` takes them.
        channels: of the network; they decide whether three axes are many grey images or one in colour.
    """
    shape = images.shape if _is_array(images) else None
    if isinstance(images, (*_PATH, Image.Image)) or (shape is not None and _is_one(shape, channels)):
        return [images]
    if not isinstance(images, Iterable) or (shape is not None and len(shape) < 2):
        raise InputError(f"{images!r:.40} is not a picture", _ACCEPTED)
    return list(images)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or hasattr(value, "detach")  # a tensor of torch


def _is_one(shape: tuple[int, ...], channels: Channels) -> bool:
    if len(shape) != 3:
        return len(shape) == 2
    return shape[-1] in CHANNELS or shape[0] in (CHANNELS if channels == 3 else (1,))


def given_pixels(picture: Any, size: int, preparation: Preparation, what: str) -> NDArray[np.uint8]:
    """The pixels of a picture as a network sees them, uint8 (size, size, channels).

    Raises:
        DataError: it cannot be read, has another shape, or values of another range than those that were trained on.
        InputError: it is none.
    """
    if isinstance(picture, _PATH):
        return read_pixels(Path(picture), size, preparation)
    if _is_array(picture):
        array = channels_last(picture, single=True, what=what)
        if array.dtype == np.uint16:  # as files have it, whose range is not that of other whole numbers
            ranges = {**preparation.ranges, "I": preparation.ranges["I;16"]}
            preparation = preparation.model_copy(update={"ranges": ranges})
        _check_values(array, preparation, what)
    elif not isinstance(picture, Image.Image):
        raise InputError(f"{picture!r:.40} is not a picture", _ACCEPTED)
    return pixels_of(picture, size, preparation, what)


def _check_values(array: NDArray[Any], preparation: Preparation, what: str) -> None:
    """Refuse values that would become white, or black, because they are of another range."""
    if not is_deep(array):
        return
    if array.dtype.kind not in "uif":
        raise DataError(f"{what}: is of {array.dtype} values", "give numbers")
    low, high = preparation.ranges["F" if array.dtype.kind == "f" else "I"]
    least, most = float(array.min()), float(array.max())
    inside = low - ROUNDING * high <= least and most <= high * (1 + ROUNDING)  # not of NaN
    if not inside or 0 < most <= high / 255:
        raise DataError(
            f"{what}: values from {least:g} to {most:g}, where {low:g} to {high:g} is expected of {array.dtype}",
            "scale them, or give uint8 from 0 to 255",
        )
