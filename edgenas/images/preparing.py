"""From an opened picture to the pixels a network sees, decided here alone.

The card of a model shows these functions as they are: they need nothing but Pillow and NumPy.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ALPHA_ON = "#ffffff"
"""What is transparent is shown on white, as most programs show it."""

PADDING = "#808080"
"""Mid-grey: near zero once it is normalised."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture is turned upright, by its EXIF orientation."""


def pixels(
    image: Image.Image,
    size: int,
    fit: str,
    channels: int,
    ranges: Mapping[str, tuple[float, float]],
    draft: float,
) -> NDArray[np.uint8]:
    """The pixels of an opened picture, uint8 (size, size, channels)."""
    make_smaller(image, size, draft)
    return np.asarray(fitted(whole(image, channels, ranges), size, fit)).reshape(size, size, channels)


def make_smaller(image: Image.Image, size: int, draft: float) -> None:
    """Decode a JPEG at 1/2, 1/4 or 1/8 of its size, if both sides stay at least `draft` times `size`; 0: as it is."""
    if draft:
        image.draft(None, (round(draft * size), round(draft * size)))


def whole(image: Image.Image, channels: int, ranges: Mapping[str, tuple[float, float]]) -> Image.Image:
    """An opened picture, upright, in RGB or grey, at its own size."""
    image.load()
    return opaque(eight_bit(upright(image), ranges), channels)


def upright(image: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; as it is stored where that says nothing that can be read."""
    try:
        turn = TURNS.get(image.getexif().get(0x0112, 1))
    except Exception:
        turn = None
    return image if turn is None else image.transpose(turn)


def eight_bit(image: Image.Image, ranges: Mapping[str, tuple[float, float]]) -> Image.Image:
    """The picture with values 0 to 255; of more bits, the range of its mode is scaled to them."""
    mode = deep_mode(image)
    if mode not in ranges:
        return image
    return Image.fromarray(scaled(np.asarray(image, np.float32), *ranges[mode]))


def scaled(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """Values from `low` to `high` as 0 to 255; what is outside is clipped."""
    clipped = np.nan_to_num(np.clip(values, low, high), nan=low)
    return ((clipped - low) * (255 / (high - low)) + 0.5).astype(np.uint8)


def deep_mode(image: Image.Image) -> str:
    """Pillow's mode, the byte orders of 16 bits taken as one."""
    return "I;16" if image.mode.startswith("I;") else image.mode


def opaque(image: Image.Image, channels: int) -> Image.Image:
    """The picture in RGB or grey, without transparency; embedded colour profiles are ignored."""
    if image.has_transparency_data:
        image = image.convert("LA") if image.mode == "La" else image
        ground = Image.new("RGBA", image.size, ALPHA_ON)
        image = Image.alpha_composite(ground, converted(image, "RGBA"))
    return converted(image, "RGB" if channels == 3 else "L")


def converted(image: Image.Image, mode: str) -> Image.Image:
    """The picture in a mode; itself if it is in it already, as a copy may be large."""
    return image if image.mode == mode else image.convert(mode)


def fitted(image: Image.Image, size: int, fit: str) -> Image.Image:
    """The picture as a square: its centre ("crop"), all of it with margins ("pad"), or distorted ("stretch")."""
    width, height = image.size
    bilinear = Image.Resampling.BILINEAR  # Pillow's has antialiasing
    if fit == "stretch":
        return image.resize((size, size), bilinear)
    if fit == "pad":
        longer = max(width, height)
        inner = (max(1, round(size * width / longer)), max(1, round(size * height / longer)))
        square = Image.new(image.mode, (size, size), PADDING)
        square.paste(image.resize(inner, bilinear), ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return square
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return image.resize((size, size), bilinear, box=(left, top, left + side, top + side))
