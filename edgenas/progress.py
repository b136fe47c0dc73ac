"""Progress reports of long-running work; nothing outside `cli/` prints."""

from typing import Protocol


class Progress(Protocol):
    """A callback, called often and from the working thread: it must be fast and must not raise.

    Args of a call:
        phase: name of the current phase, constant throughout it.
        done: completed work; includes that of earlier, interrupted sessions.
        total: all work, in the same unit.
        detail: a short remark for people, such as the latest accuracy.
    """

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        """Receive one report."""


def silent(phase: str, done: float, total: float, detail: str = "") -> None:
    """Ignore every report: the default in the Python API."""
