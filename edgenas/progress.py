"""How long work tells its caller how far it is; nothing outside `cli/` prints."""

from typing import Protocol


class Progress(Protocol):
    """Called from the thread that works, often and cheaply; it must not raise.

    Args of a call:
        phase: what is being done, the same words for the whole of one phase.
        done: how much of it is done; starts at what an earlier, interrupted session had done.
        total: how much there is.
        detail: one short remark for people, such as the latest accuracy.
    """

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        """Take one report."""


def silent(phase: str, done: float, total: float, detail: str = "") -> None:
    """Drop every report: the default of the Python API."""
