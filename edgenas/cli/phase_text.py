"""How far a phase of work is, in words, and on a terminal in as many as fit."""

import math
import time
from dataclasses import dataclass, field

from edgenas.progress import unit_of
from edgenas.units import format_seconds

LEAST_BAR, MOST_BAR = 8, 24
"""Characters of a bar."""

GAP = "  "


@dataclass(slots=True)
class Running:
    """A phase that has begun; its other fields are those of its last report, see `Progress`."""

    name: str
    done: float
    total: float
    detail: str = ""
    began_s: float = field(default_factory=lambda: time.monotonic())
    done_before: float = field(init=False)
    """By earlier sessions: that tells nothing about the rate of this one."""

    def __post_init__(self) -> None:
        self.done_before = self.done

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self.done >= self.total > 0

    def plain_line(self) -> str:
        """For logs: `search: 45 of 100 evaluations (best 85.2%, 14/min, 4 min 05 s left)`."""
        return f"{self.name}: {self._amount(' of ')}{_in_brackets(self.detail, *self._pace())}"

    def last_line(self) -> str:
        """When it has ended: `search: 100 evaluations in 7 min 05 s (best 85.2%)`."""
        if self.done <= self.done_before:  # an earlier session did it
            return f"{self.name}: done{_in_brackets(self.detail)}"
        unit = unit_of(self.name)
        if self.is_done:
            amount = f"{self.total:g} {_of_number(unit, self.total)}" if unit else "done"
        else:
            amount = f"ended at {self._amount(' of ')}"
        return f"{self.name}: {amount} in {format_seconds(self._elapsed_s)}{_in_brackets(self.detail)}"

    def live_line(self, width: int) -> str:
        """For a terminal: what fits into so many columns, and a bar if there is room for it."""
        rate, left = self._pace()
        full, short = self._amount("/"), self._count("/")
        choices = [
            [full, rate, left, self.detail],
            [full, left, self.detail],
            [full, left],
            [short, left],
            [short],
        ]
        rests = [GAP.join(filter(None, parts)) for parts in choices]
        room = width - len(GAP) - len(self.name)
        rest = next((rest for rest in rests if len(rest) <= room), rests[-1])
        if (bar_room := room - len(rest) - len(GAP)) >= LEAST_BAR:
            rest = f"{self._bar(min(bar_room, MOST_BAR))}{GAP}{rest}"
        name = self.name[: max(0, width - len(GAP) - len(rest))]
        return f"{name}{GAP}{rest}"[:width]

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self.began_s

    @property
    def _share(self) -> float:
        return min(self.done / self.total, 1.0) if self.total > 0 else 0.0

    def _pace(self) -> tuple[str, str]:
        """The rate, if there is a unit, and the time left; empty as long as they are not known."""
        done, elapsed_s = self.done - self.done_before, self._elapsed_s
        if done <= 0 or elapsed_s <= 0:
            return "", ""
        rate = _rate_text(done / elapsed_s) if unit_of(self.name) else ""
        left_s = elapsed_s / done * (self.total - self.done)
        return rate, f"{format_seconds(left_s)} left" if left_s > 0 else ""

    def _amount(self, of: str) -> str:
        unit = unit_of(self.name)
        return f"{self._count(of)} {_of_number(unit, self.total)}" if unit else self._count(of)

    def _count(self, of: str) -> str:
        """Whole things, although a part of the next may be done; a share if it is no number of things."""
        if unit_of(self.name):
            return f"{math.floor(self.done)}{of}{self.total:g}"
        return f"{math.floor(100 * self._share)} %"

    def _bar(self, length: int) -> str:
        full = math.floor(length * self._share)
        return f"{'━' * full}{'─' * (length - full)}"


def _of_number(unit: str, number: float) -> str:
    """A plural, or its singular."""
    return unit.removesuffix("s") if number == 1 else unit


def _rate_text(per_s: float) -> str:
    factor, per = next((each for each in ((1, "s"), (60, "min")) if per_s * each[0] >= 1), (3600, "h"))
    return f"{per_s * factor:.3g}/{per}"


def _in_brackets(*remarks: str) -> str:
    known = ", ".join(filter(None, remarks))
    return f" ({known})" if known else ""
