"""From images that Python holds, arrays and tensors as well as Pillow's, to the pixels that a file would give."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgenas.errors import DataError
from edgenas.images import preparing
from edgenas.images.preparation import RANGES, Preparation, Range
from edgenas.images.ranges import LEVELS

CHANNELS = (1, 3, 4)
"""Grey, RGB, and RGB with transparency."""

ROUNDING = 1e-3
"""Resampling may leave 0..1 by a little."""

SHAPES = "give (height, width), (height, width, C) or (C, height, width) for each, C 1, 3 or 4"
_RANGES = "whole numbers from 0 to 255 or 65535, or others from 0 to 1 or 255"


class Extent:
    """The lowest and highest value of images, of whole numbers and of others, and what ranges they must have."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._ends: dict[str, tuple[float, float]] = {}

    def add(self, image: Any) -> None:
        """Take into account an image, or an array of many."""
        if not (isinstance(image, Image.Image) and not is_deep(image)):
            values = array_of(image)
            self._add(values, self._mode(values.dtype))

    def _mode(self, kind: np.dtype[Any]) -> str:
        """Pillow's mode of such values."""
        if kind.kind not in "buif":
            raise DataError(
                f"{self._what}: the images are of {kind} values", f"give {_RANGES}, or a list of pictures"
            )
        if kind == np.uint8:
            return "L"
        return "F" if kind.kind == "f" else "I"

    def _add(self, values: NDArray[Any], mode: str) -> None:
        if not values.size or values.dtype == np.bool_:
            return
        low, high = float(values.min()), float(values.max())
        if not np.isfinite((low, high)).all():  # NaN is the least and the greatest of what holds it
            raise DataError(
                f"{self._what}: the images have values that are NaN or infinite", f"give {_RANGES}"
            )
        least, most = self._ends.get(mode, (low, high))
        self._ends[mode] = (min(low, least), max(high, most))

    def ranges(self) -> dict[str, Range]:
        """For each of Pillow's deep modes, what becomes 0 and 255.

        Raises:
            DataError: a range that is none of the usual, of which all would be black or white.
        """
        self._checked(
            "L", self._whole_top, 255.0
        )  # says nothing about deep images: a file of these may be white at 65535
        whole = self._checked("I", self._whole_top, 65535.0)
        return {"I;16": (0.0, whole), "I": (0.0, whole), "F": (0.0, self._checked("F", self._other_top, 1.0))}

    def _checked(self, mode: str, top: Callable[[float, float], float | None], default: float) -> float:
        if mode not in self._ends:
            return default
        low, high = self._ends[mode]
        found = top(low, high)
        if found is None:
            raise DataError(
                f"{self._what}: the images' values reach from {low:g} to {high:g}", f"give {_RANGES}"
            )
        return found

    @staticmethod
    def _whole_top(low: float, high: float) -> float | None:
        usual = low >= 0 and high > 1  # 0 and 1 alone are a mask, not a picture
        return next((top for top in LEVELS[1:] if high <= top), None) if usual else None

    @staticmethod
    def _other_top(low: float, high: float) -> float | None:
        if low < -ROUNDING:
            return None
        if high <= 1 + ROUNDING:
            return 1.0
        return 255.0 if 127 < high <= 255 + ROUNDING * 255 else None


def is_deep(image: Any) -> bool:
    """Whether an image may have values other than 0 to 255, whose range its type alone does not tell."""
    if isinstance(image, Image.Image):
        return preparing.deep_mode(image) in RANGES
    return array_of(image).dtype not in (np.uint8, np.bool_)


def array_of(image: Any) -> NDArray[Any]:
    """An array, a tensor or a picture as an array, not copied where that is possible."""
    if hasattr(image, "detach"):  # of torch, which this room does not import
        image = image.detach().cpu()
        image = image.float() if str(image.dtype) == "torch.bfloat16" else image
        return np.asarray(image.numpy())
    return np.asarray(image)


def channels_last(images: Any, single: bool, what: str) -> NDArray[Any]:
    """A view of images as (..., height, width) or (..., height, width, C); where in doubt, tensors have channels first.

    Args:
        images: one image, or many of a size.
        single: whether it is one.
        what: the data, for the error.

    Raises:
        DataError: another shape.
    """
    array = array_of(images)
    shape = array.shape if single else array.shape[1:]
    if len(shape) == 2 and min(shape) > 0:
        return array
    if len(shape) == 3 and min(shape) > 0:
        first, last = shape[0] in CHANNELS, shape[2] in CHANNELS
        if first and (not last or hasattr(images, "detach")):
            return np.moveaxis(array, -3, -1)
        if last:
            return array
    raise DataError(f"{what}: images of shape {tuple(array.shape)}", SHAPES)


def as_picture(image: NDArray[Any], ranges: dict[str, Range]) -> Image.Image:
    """An image, (height, width) or (height, width, C), with values 0 to 255."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.dtype == np.bool_:
        image = image * np.uint8(255)
    elif image.dtype != np.uint8:
        image = preparing.scaled(image.astype(np.float32), *ranges["F" if image.dtype.kind == "f" else "I"])
    return Image.fromarray(np.ascontiguousarray(image))


def pixels_of(image: Any, size: int, preparation: Preparation, what: str) -> NDArray[np.uint8]:
    """The pixels of one image, as of a file that holds it: uint8 (size, size, channels)."""
    if not isinstance(image, Image.Image):
        image = as_picture(channels_last(image, single=True, what=what), preparation.ranges)
    try:
        image.load()  # whole: decoding it at a lower size would change the picture of whoever gave it
        return preparation.pixels(image, size)
    except Exception as error:  # decoders raise errors of any kind on damaged files
        raise DataError(f"{what}: cannot be read ({type(error).__name__})", "leave it out") from None
