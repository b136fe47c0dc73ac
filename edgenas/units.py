"""Quantities as people write them: "20ms" -> 20.0 milliseconds, "96..224" -> image sizes."""

import math
import re
from collections.abc import Sequence
from typing import Any

from edgenas.errors import InputError, UnitError

_DURATIONS_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3, "h": 3600e3}
RESOLUTION_STEP = 16
"""A range of image sizes holds the multiples of this."""

MAX_RESOLUTION, MAX_RESOLUTIONS = 4096, 16
"""Largest image size, and most sizes at once: each has its own latency model and, if trained, a decoded data set."""

_RESOLUTION_HINT = "write for example 160, 96..224 or 96,128,160"
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]*)\s*")


def parse_milliseconds(text: str, option: str) -> float:
    """Convert a duration such as `20ms`, `0.02s` or `10min` to milliseconds.

    Args:
        text: the user's text.
        option: name of the option or argument, for the error message.

    Raises:
        UnitError: no unit, an unknown unit, not finite, or not positive.
    """
    return _milliseconds(text, option, example="20ms or 0.02s")


def parse_seconds(text: str, option: str) -> float:
    """Convert a duration to seconds; see `parse_milliseconds`."""
    return _milliseconds(text, option, example="10min or 600s") / 1e3


def parse_resolutions(value: Any, option: str) -> tuple[int, ...]:
    """Image sizes in pixels, ascending, from `160`, `96..224` (multiples of 16) or `96,128,160`.

    Args:
        value: such text, a whole number, or a sequence of whole numbers.
        option: name of the option or argument, for the error message.

    Raises:
        InputError: anything else; sizes that are out of range, repeated, descending, or more than 16.
    """
    text = str(value) if isinstance(value, str | int) else ",".join(map(str, _whole_numbers(value, option)))
    first, dots, last = (part.strip() for part in text.partition(".."))
    listed = [first, last] if dots else text.split(",")
    if isinstance(value, bool) or not all(re.fullmatch(r"\s*[+-]?\d{1,9}\s*", part) for part in listed):
        raise InputError(f"{option}: {str(value)[:40]!r} is not an image size", _RESOLUTION_HINT)
    sizes = [int(part) for part in listed]
    for size in sizes:
        if size < 1:
            raise InputError(f"{option} {size} is too small", "give at least 1")
        if size > MAX_RESOLUTION:
            raise InputError(f"{option} {size} is too large", f"give at most {MAX_RESOLUTION}")
    if sizes != sorted(sizes):
        ascending = (".." if dots else ",").join(map(str, sorted(set(sizes))))
        raise InputError(f"{option} {text}: sizes must ascend", f"write {ascending}")
    if dots:
        sizes = _multiples(sizes[0], sizes[1], option)
    if len(set(sizes)) < len(sizes):
        repeated = next(size for size in sizes if sizes.count(size) > 1)
        raise InputError(f"{option} {text}: {repeated} is repeated", "list each size once")
    if len(sizes) > MAX_RESOLUTIONS:
        raise InputError(
            f"{option} {text}: {len(sizes)} sizes are too many", f"give at most {MAX_RESOLUTIONS}"
        )
    return tuple(sizes)


def resolution_setting(value: Any, option: str) -> int | str:
    """The normal form of image sizes: a number for one, else text that `parse_resolutions` reads.

    Raises:
        InputError: see `parse_resolutions`.
    """
    sizes = parse_resolutions(value, option)
    if len(sizes) == 1:
        return sizes[0]
    in_steps = all(size % RESOLUTION_STEP == 0 for size in sizes) and len(sizes) == 1 + (
        (sizes[-1] - sizes[0]) // RESOLUTION_STEP
    )
    return f"{sizes[0]}..{sizes[-1]}" if in_steps else ",".join(map(str, sizes))


def _whole_numbers(value: Any, option: str) -> Sequence[int]:
    """Items of a sequence, or a scalar, of whole numbers, numpy's included."""
    items = value if isinstance(value, list | tuple) or getattr(value, "ndim", 0) == 1 else [value]
    found = [item.item() if hasattr(item, "item") else item for item in items]
    if not found or not all(isinstance(item, int) and not isinstance(item, bool) for item in found):
        raise InputError(f"{option}: {value!r:.40} is not an image size", _RESOLUTION_HINT)
    return found


def _multiples(first: int, last: int, option: str) -> list[int]:
    """The sizes of a range."""
    for end in (first, last):
        if end % RESOLUTION_STEP:
            lowest, highest = (
                max(1, round(each / RESOLUTION_STEP)) * RESOLUTION_STEP for each in (first, last)
            )
            raise InputError(
                f"{option} {first}..{last}: {end} is not a multiple of {RESOLUTION_STEP}",
                f"write {lowest}..{highest}, or list the sizes: {first},{last}",
            )
    return list(range(first, last + 1, RESOLUTION_STEP))


def format_milliseconds(milliseconds: float) -> str:
    """Four significant digits with the unit: `0.1234 ms`, `20 ms`."""
    return f"{milliseconds:.4g} ms" if milliseconds < 1000 else f"{milliseconds:.0f} ms"


def format_seconds(seconds: float) -> str:
    """A duration for people: `8 s`, `4 min 05 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def format_count(count: float) -> str:
    """A large number for people: `16.2 M`, `340 k`."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= 0.9995 * factor:
            return f"{count / factor:.3g}{suffix}"
    return f"{count:g}"


def counted(number: int, things: str) -> str:
    """How many of what: `3 models`, `1 model`.

    Args:
        number: of things.
        things: a plural that only an s tells from the singular.
    """
    return f"{number} {things.removesuffix('s') if number == 1 else things}"


def _milliseconds(text: str, option: str, example: str) -> float:
    match = _QUANTITY.fullmatch(str(text))  # the Python API may pass a bare number
    if match is None:
        raise UnitError(f"{option}: {text!r} is not a quantity", f"write for example {example}")
    number, unit = float(match[1]), match[2]
    if not unit:
        raise UnitError(f"{option}: {text!r} has no unit", f"write for example {example}")
    if unit not in _DURATIONS_MS:
        raise UnitError(
            f"{option}: unknown unit {unit!r} in {text!r}", f"use one of {', '.join(_DURATIONS_MS)}"
        )
    value = number * _DURATIONS_MS[unit]
    if not (math.isfinite(value) and value > 0):
        raise UnitError(f"{option}: {text!r} is not positive and finite", f"write for example {example}")
    return value


def change_of_speed(ratio: float) -> str:
    """What a ratio of times says of a machine: `12% slower`, `5% faster`."""
    return f"{ratio - 1:.0%} slower" if ratio > 1 else f"{1 / ratio - 1:.0%} faster"
