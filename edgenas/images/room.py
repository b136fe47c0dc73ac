"""How much memory pictures take while they are decoded, in all threads together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

MAX_PIXELS = 48_000_000
"""Of one picture. Decoded, turned and converted they take some 400 MB; a JPEG of more is decoded smaller."""

_ONE_COPY = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
"""Modes that become RGB at once; others pass through one more picture or array of their size."""


def pixels_of(image: Image.Image) -> int:
    """Pixels that decoding an opened picture takes, counted twice where they take twice the memory."""
    width, height = image.size
    costly = image.mode not in _ONE_COPY or image.has_transparency_data
    return width * height * (2 if costly else 1)


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
