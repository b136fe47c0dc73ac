"""Showing what happens on a board, to a person or to a program."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any


class Terminal:
    """Shows it to a person; goes on if that cannot be written, as to a full disk or to `head`."""

    def __init__(self) -> None:
        self._last_s = 0.0
        if sys.stdout is None:  # this was started with a closed one
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process
        elif hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        self._redraws = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def line(self, text: str) -> None:
        """Show a line of text."""
        self._show(f"\r\033[K{text}\n" if self._redraws else f"{text}\n")

    def warning(self, text: str) -> None:
        """Show what would spoil a measurement, or may have spoilt it."""
        self.line(text)

    def error(self, text: str) -> None:
        """Show why nothing more happens."""
        self.line(f"error: {text}")

    def progress(self, phase: str, share: float, left_s: float | None) -> None:
        """Show how far a phase is, 0..1, and the seconds left; not more often than one can read."""
        if share < 1 and time.monotonic() - self._last_s < (0.5 if self._redraws else 30.0):
            return
        self._last_s = time.monotonic()
        text = f"{phase}: {share:.0%}{_left(left_s)}"
        if self._redraws:
            self._show(f"\r\033[K{text}")
        else:
            self.line(text)

    def _show(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError:
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process


class Lines(Terminal):
    """Shows it to a program: one JSON object a line."""

    def line(self, text: str) -> None:
        """Write `line`."""
        self._write(line=text)

    def warning(self, text: str) -> None:
        """Write `warning`."""
        self._write(warning=text)

    def error(self, text: str) -> None:
        """Write `error`."""
        self._write(error=text)

    def progress(self, phase: str, share: float, left_s: float | None) -> None:
        """Write `phase` and `share`, twice a second."""
        if share < 1 and time.monotonic() - self._last_s < 0.5:
            return
        self._last_s = time.monotonic()
        self._write(phase=phase, share=share)

    def _write(self, **fields: Any) -> None:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", {seconds / 60:.0f} min left" if seconds > 90 else f", {seconds:.0f} s left"
