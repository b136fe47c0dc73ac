"""Rounds of a profile that is not finished, kept in a file so that an interrupted one goes on."""

import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import model_validator

from edgenas.errors import FileFormatError
from edgenas.formats import Document, read_json, write_json
from edgenas.timing.measuring import Burst, Bursts

MAX_AGE_S = 3600.0
"""Rounds older than this were made on another day, as far as a machine's pace goes."""


class Journal(Document):
    """Whole rounds, and what they belong to: `machine` is any text that changes with runtime and hardware."""

    machine: str
    bursts: dict[str, list[Burst]]

    @model_validator(mode="after")
    def _rounds_are_whole(self) -> "Journal":
        if len({len(each) for each in self.bursts.values()}) != 1:
            raise ValueError("every model must have the same number of bursts")
        return self


def keep_rounds(path: Path | None, machine: str, bursts: Bursts) -> None:
    """Write all rounds so far; nothing without a path.

    Raises:
        InputError: the folder cannot be written.
    """
    if path:
        write_json(path, Journal(machine=machine, bursts=bursts))


def kept_rounds(path: Path | None, machine: str, models: Sequence[str]) -> Bursts | None:
    """Rounds of these very models on this very machine, made within the hour; None where there are none."""
    if path is None or not path.is_file() or time.time() - path.stat().st_mtime > MAX_AGE_S:
        return None
    try:
        found = read_json(path, Journal)
    except FileFormatError:  # what is lost are some seconds of timing
        return None
    return found.bursts if found.machine == machine and list(found.bursts) == list(models) else None
