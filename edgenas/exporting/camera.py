"""What a file with the preprocessing inside takes: pictures as a camera gives them."""

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgenas.formats import Document
from edgenas.settings.camera import MAX_SIDE, parse_camera
from edgenas.settings.export import ExportSettings
from edgenas.vocabulary import CameraLayout

IMAGE = "image"
"""Name of the input of such a file."""


class Camera(Document):
    """The pictures a file takes, uint8.

    Attributes:
        layout: order of the axes after the batch.
        width: in pixels; None with `height` for any size.
        height: in pixels.
    """

    layout: CameraLayout = "nhwc"
    width: int | None = Field(default=None, ge=1, le=MAX_SIDE)
    height: int | None = Field(default=None, ge=1, le=MAX_SIDE)

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height must be given together")
        return self

    @property
    def text(self) -> str:
        """For people: `uint8 nhwc of any size`, `uint8 nchw of 640x480`."""
        return f"uint8 {self.layout} of {f'{self.width}x{self.height}' if self.width else 'any size'}"

    def shape(self, channels: int) -> tuple[int | str, ...]:
        """The axes of the input after the batch; open ones by their name."""
        height, width = self.height or "height", self.width or "width"
        return (height, width, channels) if self.layout == "nhwc" else (channels, height, width)

    def likely_shape(self, channels: int, size: int) -> tuple[int, ...]:
        """The same, with a size in place of those that are open."""
        return tuple(axis if isinstance(axis, int) else size for axis in self.shape(channels))

    def takes(self, width: int, height: int) -> bool:
        """Whether pictures may have this size."""
        return self.width is None or (self.width, self.height) == (width, height)

    def arranged(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The input for one picture, uint8 (height, width, channels): with a batch axis, in the camera's layout."""
        order = (0, 1, 2) if self.layout == "nhwc" else (2, 0, 1)
        return np.ascontiguousarray(pixels.transpose(order)[None])


def camera_from(settings: ExportSettings) -> Camera | None:
    """The pictures that are asked for; None if files are to take prepared ones."""
    if settings.embed_preprocessing == "none":
        return None
    width, height = (None, None) if settings.camera is None else parse_camera(settings.camera, "--camera")
    return Camera(layout=settings.embed_preprocessing, width=width, height=height)
