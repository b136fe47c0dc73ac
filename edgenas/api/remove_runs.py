"""`edgenas.remove_runs`: removing runs that nobody needs any more."""

import shutil
from pathlib import Path

from edgenas.api.runs import run_folders, size_bytes
from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_lock import check_free, locked


class RemovedRuns(Document):
    """The names of the runs that were removed, and the bytes that their folders had."""

    removed: tuple[str, ...]
    freed_bytes: int


def remove_runs(*names: str | Path) -> RemovedRuns:
    """Remove runs under `runs/`, with all they evaluated and trained; files exported from them stay.

    Args:
        names: of the runs.

    Raises:
        UnknownNameError: there is no such run; none is removed.
        RunConflictError: a process is working on one; none is removed.
        InputError: no names are given, or a folder cannot be removed.
    """
    if not names:
        raise InputError("no runs are named", "name those to remove, as `edgenas runs` lists them")
    folders = run_folders(names)
    for folder in folders:
        check_free(folder.path)
    freed = sum(_removed(folder) for folder in folders)
    return RemovedRuns(removed=tuple(folder.name for folder in folders), freed_bytes=freed)


def _removed(folder: RunFolder) -> int:
    """Remove a run and return its bytes; it has gone from the list before its files are deleted one by one."""
    with locked(folder.path):
        size, leaving = size_bytes(folder.path), folder.path.with_name(f".{folder.name}.removed")
        try:
            shutil.rmtree(leaving, ignore_errors=True)  # of a removal that was killed
            folder.path.rename(leaving)
            shutil.rmtree(leaving)
        except OSError as error:
            raise InputError(
                f"{folder.path}: cannot be removed ({error.strerror})", "remove the folder yourself"
            ) from None
    return size
