"""Finding devices and their files: working folder first, then the user's data folder, then the shipped ones."""

from pathlib import Path

import platformdirs

from edgenas.device.device import Device
from edgenas.errors import InputError, UnknownNameError
from edgenas.formats import read_toml

DEVICES, TABLES = "devices", "latency_models"


def data_folders(kind: str) -> list[Path]:
    """Folders that may hold files of a kind (`devices` or `latency_models`), first to last to look in."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_shipped" / kind
    # An editable install has no _shipped: the folders lie beside the package.
    shipped = shipped if shipped.is_dir() else package.parent / kind
    folders = [Path(kind), Path(platformdirs.user_data_path("edgenas")) / kind, shipped]
    return [folder for folder in folders if folder.is_dir()]


def all_devices() -> list[Device]:
    """Every known device, by name; a name found twice is taken from the first folder.

    Raises:
        FileFormatError: a device file is wrong.
    """
    found: dict[str, Device] = {}
    for folder in data_folders(DEVICES):
        for path in sorted(folder.glob("*.toml")):
            device = read_toml(path, Device)
            found.setdefault(device.name, device)
    return [found[name] for name in sorted(found)]


def find_device(name: str, threads: int | None = None, precision: str | None = None) -> Device:
    """The device of a name or alias, with threads or precision replaced where given.

    Raises:
        UnknownNameError: no such device; suggests the nearest.
        InputError: fewer than one thread.
        FileFormatError: a device file is wrong.
    """
    if threads is not None and threads < 1:
        raise InputError(f"--threads {threads} is out of range", "use 1 or more")
    devices = all_devices()
    # A device's own name wins over another's alias.
    for device in sorted(devices, key=lambda device: device.name != name):
        if name == device.name or name in device.aliases:
            changes = {"threads": threads, "precision": precision}
            return device.model_copy(update={key: value for key, value in changes.items() if value})
    names = [name for device in devices for name in (device.name, *device.aliases)]
    raise UnknownNameError(
        "device", name, names, mend=f"known: {', '.join(sorted(names))} (see: edgenas devices)"
    )
