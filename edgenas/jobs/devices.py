"""Listing devices, their tables and where their latencies come from."""

from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Device, Provenance, all_devices, find_device
from edgenas.latency.table import LatencyTable, find_table, table_from_json, tables_of


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table file of a device."""

    path: Path
    table: LatencyTable


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
        FileFormatError: a device or table file is wrong.
    """
    chosen = [find_device(name)] if name else all_devices()
    return [_describe(device) for device in chosen]


def _describe(device: Device) -> DeviceInfo:
    provenance = Provenance.MEASURED if find_table(device) else Provenance.ESTIMATED
    tables = [TableInfo(path, table_from_json(path)) for path in tables_of(device.name)]
    return DeviceInfo(device, provenance, tables)
