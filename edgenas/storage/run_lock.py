"""Who is using a run? One process at a time.

The lock lies beside the run's folder, not in it: a folder that is deleted while its search goes on would take it along,
and the next search of that name would share the run with the one that still lives.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from edgenas.errors import FileFormatError, RunConflictError
from edgenas.formats import Document, Line, read_json, write_json

LOCKS = ".locks"
"""The folder of the locks, beside those of the runs."""


class Holder(Document):
    """The process that uses a run."""

    pid: int
    host: Line
    since: Line

    @property
    def text(self) -> str:
        """For people."""
        return f"process {self.pid} on {self.host}, since {self.since}"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, which need not exist.

    Raises:
        RunConflictError: another process holds it, or it cannot be made.
    """
    lock, holder = _lock(folder), _holder(folder)
    try:
        holder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise _in_use(folder) from None
    except OSError as error:
        raise RunConflictError(
            f"{folder}: cannot be written ({error.strerror})",
            "run from a folder you can write to; `edgenas runs` shows what is here",
        ) from None
    try:
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        write_json(holder, Holder(pid=os.getpid(), host=platform.node(), since=now))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def held_if_writable(folder: Path) -> Iterator[None]:
    """Hold the lock of a run's folder, where searches can hold it too; errors as `locked`."""
    locks = folder.parent / LOCKS
    with locked(folder) if os.access(locks if locks.exists() else folder.parent, os.W_OK) else nullcontext():
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process uses the run; False also where that cannot be found out."""
    if not _holder(folder).is_file():  # without touching the lock, which a search may be about to take
        return False
    try:
        with _lock(folder).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def check_free(folder: Path) -> None:
    """Raise RunConflictError if another process uses the run."""
    if is_locked(folder):
        raise _in_use(folder)


def _lock(folder: Path) -> FileLock:
    return FileLock(folder.parent / LOCKS / f"{folder.name}.lock")


def _holder(folder: Path) -> Path:
    return folder.parent / LOCKS / f"{folder.name}.json"


def _in_use(folder: Path) -> RunConflictError:
    who = "another process"
    with suppress(FileFormatError):  # which is just taking it, or letting go
        who = read_json(_holder(folder), Holder).text
    return RunConflictError(f"run {folder.name} is in use by {who}", "wait for it, or use another --run")
