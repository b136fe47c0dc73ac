"""What may differ, from one data set to another, in how a picture becomes pixels."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import AfterValidator, Field

from edgenas.formats import Document
from edgenas.images import preparing
from edgenas.vocabulary import Channels, Fit

Range = tuple[float, float]

DRAFT = 1.5
"""A JPEG file may be decoded smaller, while both sides stay at least this many times the input's."""

RANGES = {"I;16": (0.0, 65535.0), "I": (0.0, 65535.0), "F": (0.0, 1.0)}
"""Pillow's modes of more than 8 bits, and the values that become 0 and 255 where no data say otherwise."""


def _ranges(given: dict[str, Range]) -> dict[str, Range]:
    if set(given) != set(RANGES) or not all(low < high for low, high in given.values()):
        raise ValueError(f"must give a lower and a higher value for each of {', '.join(RANGES)}")
    return given


class Preparation(Document):
    """How a picture is brought to a network's input; everything else about it is the same for all data sets.

    `ranges` are, for each of Pillow's modes of more than 8 bits, the values that become 0 and 255. `jpeg_draft`: a JPEG
    is decoded at 1/2, 1/4 or 1/8 of its size where both sides stay at least this many times the input's; 0: never, as
    for data whose pictures were decoded by others.
    """

    fit: Fit = "crop"
    channels: Channels = 3
    ranges: Annotated[dict[str, Range], AfterValidator(_ranges)] = Field(default_factory=lambda: dict(RANGES))
    jpeg_draft: float = Field(default=DRAFT, ge=0)

    def make_smaller(self, image: Image.Image, size: int) -> None:
        """Let an opened JPEG be decoded smaller, where that is enough for pixels of this size."""
        preparing.make_smaller(image, size, self.jpeg_draft)

    def pixels(self, image: Image.Image, size: int) -> NDArray[np.uint8]:
        """The pixels of an opened picture, uint8 (size, size, channels); raises what Pillow raises."""
        return preparing.pixels(image, size, self.fit, self.channels, self.ranges, self.jpeg_draft)

    def whole_pixels(self, image: Image.Image) -> NDArray[np.uint8]:
        """The pixels of an opened picture at its own size, uint8 (H, W, channels); raises what Pillow raises."""
        found = np.asarray(preparing.whole(image, self.channels, self.ranges))
        return found.reshape(*found.shape[:2], self.channels)
