"""Quantities as people write them: "20ms" -> 20.0 milliseconds, "4MiB" -> 4194304 bytes."""

import math
import re

from edgenas.errors import UnitError

_DURATIONS_MS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "min": 60e3, "h": 3600e3}
_SIZES_BYTES = {"B": 1.0, "kB": 1e3, "KiB": 2.0**10, "MB": 1e6, "MiB": 2.0**20, "GB": 1e9, "GiB": 2.0**30}
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]*)\s*")


def parse_milliseconds(text: str, option: str) -> float:
    """Convert a duration such as `20ms`, `0.02s` or `10min` to milliseconds.

    Args:
        text: the user's text.
        option: name of the option or argument, for the error message.

    Raises:
        UnitError: no unit, an unknown unit, not finite, or not positive.
    """
    return _parse(text, option, _DURATIONS_MS, example="20ms or 0.02s")


def parse_seconds(text: str, option: str) -> float:
    """Convert a duration to seconds; see `parse_milliseconds`."""
    return _parse(text, option, _DURATIONS_MS, example="10min or 600s") / 1e3


def parse_bytes(text: str, option: str) -> int:
    """Convert a size such as `4MiB` or `500kB` to whole bytes, at least one."""
    return max(1, round(_parse(text, option, _SIZES_BYTES, example="4MiB or 500kB")))


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


def _parse(text: str, option: str, units: dict[str, float], example: str) -> float:
    match = _QUANTITY.fullmatch(str(text))  # the Python API may pass a bare number
    if match is None:
        raise UnitError(f"{option}: {text!r} is not a quantity", f"write for example {example}")
    number, unit = float(match[1]), match[2]
    if not unit:
        raise UnitError(f"{option}: {text!r} has no unit", f"write for example {example}")
    if unit not in units:
        raise UnitError(f"{option}: unknown unit {unit!r} in {text!r}", f"use one of {', '.join(units)}")
    value = number * units[unit]
    if not (math.isfinite(value) and value > 0):
        raise UnitError(f"{option}: {text!r} is not positive and finite", f"write for example {example}")
    return value
