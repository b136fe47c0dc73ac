"""`--camera`: width and height of a camera's pictures."""

import re
from typing import Any

from edgenas.errors import InputError

MAX_SIDE = 32_768
"""Pixels of a side; far above any camera's."""


def parse_camera(value: Any, option: str) -> tuple[int, int]:
    """Width and height in pixels, of `640x480` or a pair of numbers.

    Raises:
        InputError: it is neither, or a side is out of bounds.
    """
    text = "x".join(map(str, value)) if isinstance(value, list | tuple) else value
    found = re.fullmatch(r"\s*(\d{1,6})\s*[xX]\s*(\d{1,6})\s*", text) if isinstance(text, str) else None
    sides = [int(each) for each in found.groups()] if found else []
    if not sides or not all(1 <= side <= MAX_SIDE for side in sides):
        raise InputError(
            f"{option}: {value!r:.60} is no width and height of 1 to {MAX_SIDE} pixels", "give 640x480"
        )
    return sides[0], sides[1]


def camera_setting(value: Any, option: str) -> str:
    """The plain form, `640x480`; errors as of `parse_camera`."""
    width, height = parse_camera(value, option)
    return f"{width}x{height}"
