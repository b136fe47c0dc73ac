"""Listing devices, their latency tables and the provenance of their latencies."""

from pathlib import Path

from edgenas.device import Device, Provenance, all_devices, damaged_devices, find_device
from edgenas.device.device import CalibratedModel, Datasheet
from edgenas.device.target import target_of
from edgenas.device_models.fitted import model_of
from edgenas.errors import FileFormatError
from edgenas.formats import Document
from edgenas.latency.table import LatencyTable, find_table, table_from_json, tables_of
from edgenas.vocabulary import Precision, TargetName


class TableInfo(Document):
    """A table file of a device and how it was measured; for a damaged file, only its `problem`."""

    path: Path
    problem: str = ""
    summary: str = ""
    history: str = ""
    runtime: str | None = None
    precision: Precision | None = None
    threads: int | None = None
    batch: int | None = None
    power_mode: str | None = None
    entries: int | None = None
    inferred: tuple[str, ...] = ()
    measured_at: str | None = None
    fragments_measured_at: str | None = None
    host: str | None = None


class DeviceInfo(Document):
    """A device, its tables, and the provenance of latencies in a search for it."""

    name: str
    aliases: tuple[str, ...]
    description: str
    runtime: str
    provider: str
    target: TargetName
    precision: Precision
    threads: int
    power_mode: str
    power_modes: dict[str, float]
    provenance: Provenance
    datasheet: Datasheet
    calibrated: CalibratedModel | None
    sources: tuple[str, ...]
    tables: tuple[TableInfo, ...]


class DamagedDevice(Document):
    """A device file that cannot be used: the name that it has, and what is wrong with it."""

    name: str
    problem: str


class DevicesResult(Document):
    """The known devices; and, where all were asked for, the files that cannot be used."""

    devices: tuple[DeviceInfo, ...]
    damaged: tuple[DamagedDevice, ...] = ()


def devices(name: str | None = None) -> DevicesResult:
    """Describe all devices, or the one with this name or alias.

    Raises:
        UnknownNameError: no such device.
        FileFormatError: its file is invalid.
    """
    if name:
        return DevicesResult(devices=(_describe(find_device(name)),))
    damaged = [
        DamagedDevice(name=error.path.stem, problem=str(error))
        for error in dict.fromkeys(damaged_devices().values())
    ]
    return DevicesResult(devices=tuple(map(_describe, all_devices())), damaged=tuple(damaged))


def _describe(device: Device) -> DeviceInfo:
    own = {name: getattr(device, name) for name in DeviceInfo.model_fields if name in Device.model_fields}
    own["target"] = target_of(device).name
    tables = tuple(_table_info(path) for path in tables_of(device.name))
    return DeviceInfo(**own, provenance=_provenance(device), tables=tables)


def _provenance(device: Device) -> Provenance:
    try:
        found = find_table(device)
    except FileFormatError:  # listed among the tables, with its problem
        found = None
    if found is None:
        return model_of(device).provenance
    return Provenance.MEASURED if found[1].entries else Provenance.CALIBRATED


def _table_info(path: Path) -> TableInfo:
    try:
        table = table_from_json(path)
    except FileFormatError as error:
        return TableInfo(path=path, problem=str(error))
    return _described(path, table)


def _described(path: Path, table: LatencyTable) -> TableInfo:
    return TableInfo(
        path=path,
        summary=table.summary,
        history=table.history,
        runtime=table.runtime,
        precision=table.precision,
        threads=table.threads,
        batch=table.batch,
        power_mode=table.power_mode,
        entries=len(table.entries),
        inferred=tuple(sorted(table.inferences)),
        measured_at=table.measured_at,
        fragments_measured_at=table.fragments.measured_at if table.fragments else None,
        host=table.host_description,
    )
