"""The journal of an unfinished profile: completed rounds in a file, from which an interrupted profile resumes."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from edgenas.board.bursts import Burst, Bursts, Runs
from edgenas.board.energy import Energies, Energy
from edgenas.board.worker import MemoryUse
from edgenas.errors import FileFormatError
from edgenas.formats import MAX_COUNT, MAX_LINE, MAX_MS, MIN_MS, Document, read_json, write_json

MAX_AGE_S = 3600.0
"""Older rounds are discarded: the machine's speed may have drifted since."""


MAX_MEMORY_BYTES = 2**50


def _in_order(burst: Burst) -> Burst:
    times = (burst.min_ms, burst.p50_ms, burst.p90_ms, burst.before_ms, burst.after_ms)
    if not all(MIN_MS <= each <= MAX_MS for each in times) or not 0 < burst.n <= MAX_COUNT:
        raise ValueError("times and number of runs must be positive, and possible")
    if not 0 <= burst.interruptions <= MAX_COUNT:
        raise ValueError("interruptions must not be negative, and be possible")
    if not burst.min_ms <= burst.p50_ms <= burst.p90_ms:
        raise ValueError("min_ms must not be above p50_ms, nor p50_ms above p90_ms")
    return burst


CheckedBurst = Annotated[Burst, AfterValidator(_in_order)]
"""A burst from a file."""


def _possible(runs: Runs) -> Runs:
    rounds = [*runs.back_to_back, runs.paced]
    if not all(MIN_MS <= each <= MAX_MS for each in itertools.chain(*rounds)) or not all(runs.back_to_back):
        raise ValueError("times must be positive, and possible, and no round empty")
    if not runs.back_to_back:
        raise ValueError("there must be a round")
    return runs


CheckedRuns = Annotated[Runs, AfterValidator(_possible)]
"""Runs from a file."""


def _believable(energy: Energy) -> Energy:
    if not energy.is_possible:  # nor NaN
        raise ValueError("an energy must be possible, and not below zero by more than noise")
    if len(energy.meter) > MAX_LINE or not energy.meter.isprintable():
        raise ValueError("the name of a meter must be a short, printable line")
    return energy


CheckedEnergy = Annotated[Energy, AfterValidator(_believable)]
"""An energy from a file."""


def _growing(memory: MemoryUse) -> MemoryUse:
    if not 0 < memory.before <= memory.peak <= MAX_MEMORY_BYTES:
        raise ValueError(
            "memory must be positive and possible, and not have its peak below what it was before"
        )
    return memory


CheckedMemory = Annotated[MemoryUse, AfterValidator(_growing)]
"""The memory of a process, from a file."""


class Journal(Document):
    """Completed rounds, and energies; `machine` is any text that identifies runtime and hardware."""

    machine: str
    bursts: dict[str, list[CheckedBurst]]
    energies: dict[str, CheckedEnergy] = Field(default={})

    @model_validator(mode="after")
    def _rounds_are_whole(self) -> "Journal":
        if len({len(each) for each in self.bursts.values()}) != 1:
            raise ValueError("every model must have the same number of bursts")
        return self


def keep_rounds(path: Path | None, machine: str, bursts: Bursts, energies: Energies | None = None) -> None:
    """Write all rounds and energies so far; does nothing without a path.

    Raises:
        InputError: the folder cannot be written.
    """
    if path:
        write_json(path, Journal(machine=machine, bursts=bursts, energies=energies or {}))


def kept_rounds(path: Path | None, machine: str, models: Sequence[str]) -> Bursts | None:
    """Rounds of exactly these models on this machine, at most an hour old; None if there are none."""
    found = _kept(path, machine, models)
    return found.bursts if found else None


def kept_energies(path: Path | None, machine: str, models: Sequence[str]) -> Energies:
    """Energies kept with rounds of exactly these models; see `kept_rounds`."""
    found = _kept(path, machine, models)
    return dict(found.energies) if found else {}


def _kept(path: Path | None, machine: str, models: Sequence[str]) -> Journal | None:
    if path is None or not path.is_file() or time.time() - path.stat().st_mtime > MAX_AGE_S:
        return None
    try:
        found = read_json(path, Journal)
    except FileFormatError:  # only some seconds of timing are lost
        return None
    return found if found.machine == machine and list(found.bursts) == list(models) else None
