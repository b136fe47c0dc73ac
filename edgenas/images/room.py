"""How much memory pictures take while they are decoded, in all threads together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

MAX_PIXELS = 104_000_000
"""Of one picture in RGB, which then takes some 420 MB; a JPEG of more is decoded smaller."""

_COPIES = {"1": 1, "L": 1, "RGB": 1, "P": 2, "CMYK": 2, "YCbCr": 2}
"""By mode, how much memory a pixel takes on its way to RGB, as a multiple of one in RGB; of others, and of what is
transparent, four times as much."""


def pixels_of(image: Image.Image) -> int:
    """Pixels in RGB that take as much memory as decoding an opened picture."""
    width, height = image.size
    return width * height * (4 if image.has_transparency_data else _COPIES.get(image.mode, 4))


class Room:
    """An amount that threads share: who wants more than is left waits, unless nobody has any."""

    def __init__(self, amount: int) -> None:
        self._left, self._most = amount, amount
        self._changed = threading.Condition()

    @contextmanager
    def taking(self, amount: int) -> Iterator[None]:
        """Hold an amount, at most the whole."""
        amount = min(amount, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()


decoding = Room(MAX_PIXELS)
"""Pixels that are decoded at the same time."""
