"""Every step from a file on disk to the input of an exported network, as its card and the file itself tell it."""

from typing import Annotated, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from edgenas.accuracy.dataset import Dataset
from edgenas.images import preparing
from edgenas.images.preparation import Preparation

T = TypeVar("T")

MAX_RESOLUTION = 4096
"""Far above the size of any search: a larger one would only fill the memory."""

ORIENTATION = "EXIF; as stored where that cannot be read"
COLOUR = "by Pillow's convert; embedded profiles are ignored"

GEOMETRY = {
    "crop": "the square in the middle, as long as the shorter side, its edge half a pixel in where the longer one is "
    "longer by an odd number, is scaled to the input's size",
    "pad": "the longer side is scaled to the input's, the shorter one in proportion, rounded, at least 1; that is laid "
    "in the middle of the padding's colour, an odd pixel of which is to the right or below",
    "stretch": "each side is scaled to the input's, whatever the shape",
}
"""How each fit is done, to the pixel."""

_LAYOUTS = {3: "NCHW, RGB, float32", 1: "NCHW, grey, float32"}


def _always(value: T) -> AfterValidator:
    """What is done alike for every picture: a file that says otherwise was made by another version."""

    def check(given: T) -> T:
        if given != value:
            raise ValueError(f"must be {value!r}, which is all that this version of edgenas does")
        return given

    return AfterValidator(check)


class Preprocessing(Preparation):
    """From a file to the input; docs/deploy.md has the steps in their order.

    What earlier versions did not tell has a default.

    Attributes:
        orientation: what the picture is turned upright by.
        alpha_on: the colour under what is transparent.
        colour: how any mode becomes RGB or grey.
        padding: colour of the margins.
        geometry: how the fit is done, to the pixel.
        interpolation: of the scaling; with antialiasing, as `antialias` says.
        resolution: height and width.
        scale: what values 0 to 255 are multiplied by.
        mean: subtracted then, of each channel.
        std: divided by at last, of each channel.
        layout: order of the axes and channels, and type.
    """

    orientation: Annotated[str, _always(ORIENTATION)] = ORIENTATION
    alpha_on: Annotated[str, _always(preparing.ALPHA_ON)] = preparing.ALPHA_ON
    colour: Annotated[str, _always(COLOUR)] = COLOUR
    padding: Annotated[str, _always(preparing.PADDING)] = preparing.PADDING
    geometry: str = ""
    interpolation: Literal["bilinear"] = "bilinear"
    antialias: Literal[True] = True
    resolution: int = Field(ge=1, le=MAX_RESOLUTION)
    scale: Annotated[float, _always(1 / 255)] = 1 / 255
    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]
    layout: str = _LAYOUTS[3]

    @model_validator(mode="after")
    def _of_these_channels(self) -> Self:
        if self.layout != _LAYOUTS[self.channels]:
            raise ValueError(f"layout must be {_LAYOUTS[self.channels]!r} with {self.channels} channels")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(f"mean and std must have {self.channels} values")
        return self

    def normalised(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The input for prepared pixels, uint8 (N, resolution, resolution, channels): float32, channels second."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        return np.ascontiguousarray(((pixels / np.float32(255) - mean) / std).transpose(0, 3, 1, 2))


def preprocessing_of(
    preparation: Preparation, resolution: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Preprocessing:
    """What is done to the pictures of a network: as for its data set, at its own size, normalised as it needs."""
    return Preprocessing(
        **dict(preparation),
        geometry=GEOMETRY[preparation.fit],
        resolution=resolution,
        mean=mean,
        std=std,
        layout=_LAYOUTS[preparation.channels],
    )


def preprocessing_for(dataset: Dataset) -> Preprocessing:
    """What was done to the images of a data set, whose size and normalisation are a network's."""
    return preprocessing_of(dataset.preparation, dataset.resolution, dataset.mean, dataset.std)
