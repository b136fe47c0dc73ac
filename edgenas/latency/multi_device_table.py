"""Published latencies of the same networks on several devices: a CSV with one column per device."""

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
"""Rows with 0 repeat the measurement of another row and are skipped."""

NOT_DEVICES = (ARCHITECTURE_COLUMN, MEASURED.name, "index", "accuracy_percent", "energy_mj")
"""Other columns of published tables; all remaining columns are devices."""

ALL = "all"


@dataclass(frozen=True, eq=False)
class PublishedLatencies:
    """n networks in the order of the file, and their latencies, ms, on the target and on reference devices.

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
    """Read the columns of some devices; rows with 0 in a column `measured` are skipped.

    Args:
        path: CSV in UTF-8, also compressed with gzip, with a column `arch`.
        space: whose architectures the column `arch` names, as `space.text` writes them.
        target: the device whose latencies are predicted; None if the table has only one.
        references: known devices; `all` for all others of the table, empty for none.

    Raises:
        UnknownNameError: no column of that name.
        InputError: the target is also a reference, or is not given although there are several devices.
        FileFormatError: the file is missing, too large or not such a table; names the row, counting the header as 1.
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
    """The first name is the target, the others are references."""
    for name in names:
        if name not in devices:
            raise UnknownNameError("device", name, devices)
    if names[0] in names[1:]:
        raise InputError(f"--target {names[0]} is also among --reference-devices", "remove it there")


def _measured(path: Path, space: ArchitectureSpace) -> list[Architecture]:
    found = [each for each, flag in figures_from_csv(path, space, MEASURED).items() if flag == 1]
    if not found:
        raise FileFormatError(path, MEASURED.name, "no row has 1", "mark the rows that were measured")
    return found
