"""Progress reports of long-running work; nothing outside `cli/` prints."""

from collections.abc import Callable
from typing import Protocol, Self, runtime_checkable


class Progress(Protocol):
    """A callback, called often and from the working thread: it must be fast and must not raise.

    One that also has the method of `SearchProgress` is told of every network that a search evaluates.

    Args of a call:
        phase: name of the current phase, constant throughout it; `unit_of` tells what its work is counted in.
        done: completed work; includes that of earlier, interrupted sessions.
        total: all work, in the same unit.
        detail: a short remark for people, such as the latest accuracy.
    """

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        """Receive one report."""


@runtime_checkable
class SearchProgress(Protocol):
    """What a callback may have in addition."""

    def evaluated(self, latency_ms: float, accuracy: float) -> None:
        """Receive the latency and the accuracy, 0..1, of a network that the search evaluated, now or earlier."""


class Phase(str):
    """Name of a phase that knows what its work is counted in.

    Args:
        name: of the phase.
        unit: a plural, such as `models`; empty if the work is no number of things.
    """

    unit: str

    def __new__(cls, name: str, unit: str = "") -> Self:
        """A name like any other text."""
        phase = super().__new__(cls, name)
        phase.unit = unit
        return phase


def unit_of(phase: str) -> str:
    """What the work of a phase is counted in; empty if it is no number of things."""
    return phase.unit if isinstance(phase, Phase) else ""


def silent(phase: str, done: float, total: float, detail: str = "") -> None:
    """Ignore every report: the default in the Python API."""


def named(progress: Progress, name: str) -> Progress:
    """The same callback for phases of one of several things, which are told apart by its name."""
    return lambda phase, done, total, detail="": progress(
        Phase(f"{name}: {phase}", unit_of(phase)), done, total, detail
    )


def evaluations_of(progress: Progress) -> Callable[[float, float], None]:
    """What to tell of evaluated networks, as `SearchProgress.evaluated`; does nothing if nobody wants to know."""
    return progress.evaluated if isinstance(progress, SearchProgress) else lambda latency_ms, accuracy: None
