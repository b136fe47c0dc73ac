"""Standard output and error that can always be written to: the work of a command never ends for want of a reader."""

import codecs
import io
import os
import select
import sys
from typing import Any, TextIO

from typing_extensions import override

LIKENESS = {"█": "#", "━": "=", "●": "*", "·": ".", "│": "|", "└": "+", "─": "-", "±": "+-", "…": "..."}
"""What stands for a character that a terminal lacks; for others, their number in Python's notation."""

UNWRITTEN = 3
"""Exit code of a command that did its work, but could not write its output."""


class Outlet(io.RawIOBase):
    """Where a standard stream leads: what cannot be written is dropped, and so is all that follows.

    Args:
        raw: the stream as the process was given it.

    Attributes:
        failure: why it could not be written to; None as long as it could.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.failure: OSError | None = None

    @override
    def write(self, content: "memoryview | bytes") -> int | None:  # type: ignore[override]
        if self.failure is None:
            try:
                while (written := self._raw.write(content)) is None:  # full, and set not to block by a parent
                    select.select([], [self._raw], [])
                return written
            except OSError as error:
                self.failure = error
        return memoryview(content).nbytes

    @override
    def writable(self) -> bool:
        return True

    @override
    def isatty(self) -> bool:
        return self._raw.isatty()

    @override
    def fileno(self) -> int:
        return self._raw.fileno()


def open_outlets() -> Outlet:
    """Put standard output and error where nothing that is written to them raises; returns that of the output.

    A stream that the process was started without leads nowhere. Characters that the terminal's encoding lacks are
    shown as `LIKENESS` says.
    """
    _open_closed()
    codecs.register_error("likeness", _likeness)
    output, sys.stdout = _outlet(sys.stdout, 1)
    _, sys.stderr = _outlet(sys.stderr, 2)
    return output


def code_after_output(code: int, output: Outlet) -> int:
    """The exit code of a command that returned `code`, once all it printed is written, or cannot be.

    A reader that has seen enough (`| head -1`) is no failure; a full disk is one.
    """
    sys.stdout.flush()
    if output.failure is None or isinstance(output.failure, BrokenPipeError):
        return code
    done = "" if code else " the work itself is done:"
    sys.stderr.write(
        f"error: standard output: cannot be written ({output.failure.strerror});{done} free space, "
        "or send the output elsewhere\n"
    )
    return code or UNWRITTEN


def _open_closed() -> None:
    """Open /dev/null in place of closed streams: else a file that the command opens would be its standard output."""
    while (lowest := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(lowest)


def _outlet(stream: TextIO | None, number: int) -> tuple[Outlet, io.TextIOWrapper]:
    buffer = io.FileIO(number, "w", closefd=False) if stream is None else stream.buffer
    raw: Any = getattr(buffer, "raw", buffer)  # Python's -u leaves buffers out
    outlet = Outlet(raw)
    text = io.TextIOWrapper(
        io.BufferedWriter(outlet),  # type: ignore[type-var]
        encoding="utf-8" if stream is None else stream.encoding,
        errors="likeness",
        line_buffering=number == 2 or outlet.isatty(),
    )
    return outlet, text


def _likeness(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(LIKENESS.get(each) or _number(each) for each in lacking), error.end


def _number(character: str) -> str:
    return character.encode("ascii", "backslashreplace").decode("ascii")
