"""Listing devices, their tables and where their latencies come from."""

from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Device, Provenance, all_devices, find_device
from edgenas.device_models.fitted import model_of
from edgenas.errors import FileFormatError
from edgenas.latency.table import LatencyTable, find_table, table_from_json, tables_of


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table file of a device; a damaged one has no table but a problem."""

    path: Path
    table: LatencyTable | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device, its tables, and the provenance a search on it would have."""

    device: Device
    provenance: Provenance
    tables: list[TableInfo]


def devices(name: str | None = None) -> list[DeviceInfo]:
    """Describe all devices, or the one of a name or alias.

    Raises:
        UnknownNameError: no such device.
        FileFormatError: a device file is wrong.
    """
    chosen = [find_device(name)] if name else all_devices()
    return [_describe(device) for device in chosen]


def _describe(device: Device) -> DeviceInfo:
    tables = [_table_info(path) for path in tables_of(device.name)]
    return DeviceInfo(device, _provenance(device), tables)


def _provenance(device: Device) -> Provenance:
    try:
        found = find_table(device)
    except FileFormatError:  # listed among the tables with its problem
        found = None
    if found is None:
        return model_of(device).provenance
    return Provenance.MEASURED if found[1].entries else Provenance.CALIBRATED


def _table_info(path: Path) -> TableInfo:
    try:
        return TableInfo(path, table_from_json(path))
    except FileFormatError as error:
        return TableInfo(path, None, str(error))
