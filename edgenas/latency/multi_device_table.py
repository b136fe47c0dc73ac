"""Published latencies of the same networks on several devices: a CSV with a column for each."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.latency.tabular_predictor import LATENCY
from edgenas.space import Architecture, ArchitectureSpace
from edgenas.space.benchmark_table import ARCHITECTURE_COLUMN, Column, figures_from_csv, text_from_file

MEASURED = Column("measured", lambda flag: flag in (0, 1), "use 1 for measured rows and 0 for others")
"""Rows with 0 repeat what was measured on another row: they are left out."""

NOT_DEVICES = (ARCHITECTURE_COLUMN, MEASURED.name, "index", "accuracy_percent", "energy_mj")
"""Columns that published tables have besides; any other is a device's."""

ALL = "all"


@dataclass(frozen=True, eq=False)
class PublishedLatencies:
    """Networks, n of them in the order of the file, and their milliseconds on the target and on other devices.

    `target_ms` has shape (n,), `references_ms` (n, len(references)).
    """

    architectures: tuple[Architecture, ...]
    target: str
    references: tuple[str, ...]
    target_ms: NDArray[np.float64]
    references_ms: NDArray[np.float64]


def latencies_from_csv(
    path: Path, space: ArchitectureSpace, target: str | None, references: Sequence[str]
) -> PublishedLatencies:
    """Read some devices' columns; rows with 0 in a column `measured` are left out.

    Args:
        path: CSV in UTF-8, also compressed with gzip, with a column `arch`.
        space: whose architectures the column `arch` names, as `space.text` writes them.
        target: the device whose latencies are predicted; None for the only one of the table.
        references: devices that are known; `all` for every other of the table, empty for none.

    Raises:
        UnknownNameError: no column of that name.
        InputError: the target is a reference too, or is not named where there are several devices.
        FileFormatError: a file that is missing, too large or no such table; names the row, the header being row 1.
    """
    header = _header(path)
    devices = [name for name in header if name not in NOT_DEVICES]
    target = _target(path, target, devices)
    if tuple(references) == (ALL,):
        references = [name for name in devices if name != target]
    names = (target, *dict.fromkeys(references))
    _check(names, devices)
    columns = [figures_from_csv(path, space, Column(name, LATENCY.allows, LATENCY.hint)) for name in names]
    kept = _measured(path, space) if MEASURED.name in header else list(columns[0])
    figures = np.array([[column[each] for each in kept] for column in columns])
    return PublishedLatencies(tuple(kept), target, names[1:], figures[0], figures[1:].T)


def _header(path: Path) -> list[str]:
    try:
        header = next(csv.reader(io.StringIO(text_from_file(path), newline="")), [])
    except csv.Error as error:
        raise FileFormatError(path, "row 1", f"is not CSV ({error})", "correct it") from None
    if ARCHITECTURE_COLUMN not in header:
        raise FileFormatError(path, "", f"has no column {ARCHITECTURE_COLUMN}", "name it in the first row")
    return header


def _target(path: Path, target: str | None, devices: Sequence[str]) -> str:
    if target is not None:
        return target
    if len(devices) != 1:
        known = f"one of {', '.join(devices)}" if devices else "and a column of that name in milliseconds"
        raise InputError(f"{path} has {len(devices)} devices", f"give --target, {known}")
    return devices[0]


def _check(names: Sequence[str], devices: Sequence[str]) -> None:
    """The first is the target, the others its references."""
    for name in names:
        if name not in devices:
            raise UnknownNameError("device", name, devices)
    if names[0] in names[1:]:
        raise InputError(f"--target {names[0]} is among --reference-devices too", "leave it out there")


def _measured(path: Path, space: ArchitectureSpace) -> list[Architecture]:
    found = [each for each, flag in figures_from_csv(path, space, MEASURED).items() if flag == 1]
    if not found:
        raise FileFormatError(path, MEASURED.name, "no row has 1", "mark the rows that were measured")
    return found
