"""How does a command end that is told to? In good order, whether by Ctrl-C or from outside."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Callable

INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C."""

FROM_OUTSIDE = ("SIGTERM", "SIGHUP")
"""Sent by `kill`, a service manager or a queue of jobs; by a terminal or a connection that closes."""


def in_good_order(command: Callable[[], int]) -> int:
    """Run a command, which a signal from outside interrupts as Ctrl-C does: with KeyboardInterrupt.

    A signal that this process was started to ignore, as under nohup, stays ignored.

    Args:
        command: returns its exit code, `INTERRUPTED` if it was.

    Returns:
        Its exit code; 128 + the signal's number if it was interrupted from outside.
    """
    told: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        told.append(number)
        raise KeyboardInterrupt

    known = [getattr(signal, name) for name in FROM_OUTSIDE if hasattr(signal, name)]
    taken = [number for number in known if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        code = command()
    except KeyboardInterrupt:  # as by a second signal, while it was ending
        code = INTERRUPTED
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
    return 128 + told[-1] if told and code == INTERRUPTED else code
