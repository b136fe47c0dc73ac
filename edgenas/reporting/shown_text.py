"""Figures as the report and the command line show them."""

import unicodedata
from itertools import groupby


def percent(share: float) -> str:
    """A share in percent, with one decimal below 10 %: `97 %`, `1.2 %`, `100 %`."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def accuracy_text(value: float | None) -> str:
    """An accuracy in percent, as the command line shows it; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{100 * value:.2f} %"


def rank_text(correlation: float | None) -> str:
    """A rank correlation; a dash where there is none."""
    return "\N{EN DASH}" if correlation is None else f"{correlation:.4f}"


def figure_ms(latency_ms: float) -> str:
    """Milliseconds with three significant digits and no unit: `0.610`, `12.3`, `1234`."""
    return f"{latency_ms:.0f}" if latency_ms >= 99.95 else f"{latency_ms:#.3g}"


def interval_text(low_ms: float, high_ms: float) -> str:
    """An interval, milliseconds: `[0.310 to 1.23]`."""
    return f"[{figure_ms(low_ms)} to {figure_ms(high_ms)}]"


def compact_choices(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Choices with runs of equal ones merged: `2 x k3e6`, `skip`."""
    runs = [(choice, len(list(group))) for choice, group in groupby(choices)]
    return tuple(f"{count} x {choice}" if count > 1 else choice for choice, count in runs)


MOST_SHOWN = 600
"""Characters of a text from outside that are shown."""

_TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that set the direction of the text around them."""


def shown(text: str) -> str:
    """A text from outside: shortened, without characters that control a terminal or turn the text after them around."""
    short = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}\N{HORIZONTAL ELLIPSIS}"
    return "".join("\N{REPLACEMENT CHARACTER}" if _controls(character) else character for character in short)


def _controls(character: str) -> bool:
    if character in _TURNING:
        return True
    return character != "\n" and unicodedata.category(character) in ("Cc", "Cs")
