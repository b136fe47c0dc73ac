"""One session of measuring at a time: two would disturb each other."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from edgenas.board.problem import BoardError

LOCK = ".lock"

TAKEOVER_S = 10.0
"""How long a session that a dropped connection left behind may take to end."""


@contextmanager
def only_session(folder: Path, takes_over: bool) -> Iterator[None]:
    """Hold the lock on a folder.

    Args:
        folder: of the kit, or that with all kits of a board.
        takes_over: end an earlier session, left behind by a connection that dropped.

    Raises:
        BoardError: another session is running, or the folder cannot be written.
    """
    path = folder / LOCK
    try:  # never through a link, which a kit could hold
        lock = os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BoardError(
            f"{path} cannot be written ({error.strerror})", "use a folder of your own"
        ) from error
    try:
        _acquire(lock, path, takes_over)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
        os.ftruncate(lock, 0)
    finally:
        os.close(lock)


def _acquire(lock: int, path: Path, takes_over: bool) -> None:
    import fcntl

    until_s = time.monotonic() + TAKEOVER_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            process = os.pread(lock, 20, 0).decode("ascii", "replace")
        except OSError as error:
            raise BoardError(f"{path} cannot be locked ({error.strerror})", "use a local disk") from error
        if not takes_over or time.monotonic() > until_s:
            raise BoardError(
                f"another run.py is measuring here (process {process!a})", "wait until it has finished"
            )
        _ask_to_end(process)
        time.sleep(0.2)


def _ask_to_end(process: str) -> None:
    """Ask a process to end, if it is a runner."""
    if not process.isdigit() or int(process) <= 1:
        return
    with suppress(OSError):
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        if any(word.rpartition(b"/")[2] == b"run.py" for word in words):
            os.kill(int(process), signal.SIGTERM)
