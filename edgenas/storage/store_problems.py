"""What is wrong with a run's store, what of the run can still be used, and how to go on."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from edgenas.errors import FREE_SPACE, EdgenasError, FileFormatError, RunConflictError, first_line

_REFUSED = {
    "SQLITE_FULL": ("the disk is full", f"{FREE_SPACE}: it goes on from there"),
    "SQLITE_IOERR": (
        "the disk fails",
        "check it and its free space, and repeat the command: it goes on from there",
    ),
    "SQLITE_BUSY": ("another process holds it", "wait for that, and repeat the command"),
    "SQLITE_LOCKED": ("another process holds it", "wait for that, and repeat the command"),
    "SQLITE_READONLY": ("it may not be written", "make it and its folder writable, and repeat the command"),
    "SQLITE_CANTOPEN": (
        "its folder may not be written, or the disk is full",
        f"make it writable, or {FREE_SPACE}",
    ),
    "SQLITE_PERM": ("it may not be opened", "make it and its folder readable and writable"),
}
"""By the beginning of SQLite's name of an error: what it means, and what helps. All others are damage."""


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise what SQLite says, and what does not follow the store's schema, as an error of edgenas.

    Raises:
        RunConflictError: the store cannot be read or written now, but may be whole.
        FileFormatError: it is damaged.
    """
    try:
        yield
    except sqlite3.ProgrammingError:  # of edgenas, not of the file
        raise
    except (sqlite3.Error, ValueError, RecursionError) as error:
        raise _problem(path, error) from None


def damaged(path: Path, reason: str) -> FileFormatError:
    """The error of a store that is damaged; its hint says what of the run does not need the store."""
    left = _left(path.parent)
    still = f"still usable: {', '.join(left)}; " if left else ""
    hint = f"{still}restore it from a copy, or use another run"
    return FileFormatError(path, "", f"is damaged ({reason})", hint)


def _problem(path: Path, error: Exception) -> EdgenasError:
    code = getattr(error, "sqlite_errorname", "")
    for name, (meaning, hint) in _REFUSED.items():
        if code.startswith(name):
            return RunConflictError(f"{path}: cannot be used: {meaning} ({first_line(error)})", hint)
    return damaged(path, _reason(error))


def _reason(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return first_line(error)
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return f"{field}: {first['msg']}" if field else first["msg"]


def _left(folder: Path) -> list[str]:
    """What of a run does not need its store."""
    models = [path for path in folder.glob("models/*.safetensors") if ".training" not in path.suffixes]
    exports = Path("exports", folder.name)
    found = {
        "front.json": (folder / "front.json").is_file(),
        f"{len(models)} trained {'model' if len(models) == 1 else 'models'}": bool(models),
        f"{exports}/": exports.is_dir(),
    }
    return [what for what, there in found.items() if there]
