"""Finds device files: of the working folder, the user's data folder, edgenas, and other packages, in this order."""

import logging
from pathlib import Path
from typing import get_args

from edgenas import plugins
from edgenas.device.device import CPU, MAX_BATCH, Device
from edgenas.errors import FileFormatError, InputError, UnknownNameError
from edgenas.formats import read_toml
from edgenas.plugins import load_plugin, plugin_names
from edgenas.user_folders import data_folder
from edgenas.vocabulary import Precision

DEVICES, TABLES = "devices", "latency_models"

log = logging.getLogger(__name__)


def data_folders(kind: str) -> list[Path]:
    """Existing folders with files of a kind (`devices` or `latency_models`), in lookup order."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_shipped" / kind
    # An editable install has no _shipped: the folders are next to the package.
    shipped = shipped if shipped.is_dir() else package.parent / kind
    folders = dict.fromkeys([Path(kind), data_folder() / kind, shipped])  # the first two may be the same
    return [folder for folder in folders if folder.is_dir()]


def all_devices() -> list[Device]:
    """All known devices, sorted by name; the first folder wins for a duplicate name."""
    return sorted(_in_folder_order()[0], key=lambda device: device.name)


def find_device(
    device: str | Device,
    threads: int | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
    power_mode: str | None = None,
) -> Device:
    """Find a device by name or alias; names win over aliases, earlier folders over later ones.

    Args:
        device: name or alias, or the device itself.
        threads: overrides the device's threads; its peak GFLOPS scales with them.
        precision: overrides the device's precision; its peak GFLOPS stays unchanged.
        batch: overrides the device's images per call.
        power_mode: overrides the device's power mode; peak GFLOPS and launch time scale with the clock, memory
            bandwidth does not.

    Raises:
        UnknownNameError: no such device or power mode; suggests the closest.
        InputError: an option out of range, or threads for a provider without a thread count.
        FileFormatError: its file is invalid; those of others do not matter.
    """
    found = _named(device) if isinstance(device, str) else device
    if not isinstance(found, Device):
        raise InputError(
            f"device: {device!r:.60} is neither a name nor a Device",
            "give a name (see: edgenas devices), or an object",
        )
    return _with_power_mode(_with_options(found, threads, precision, batch), power_mode)


def _named(name: str) -> Device:
    devices, damaged = _in_folder_order()
    for device in sorted(devices, key=lambda device: device.name != name):
        if name == device.name or name in device.aliases:
            return device
    if name in damaged:
        raise damaged[name]
    names = [name for device in devices for name in (device.name, *device.aliases)]
    raise UnknownNameError(
        "device", name, names, hint=f"known: {', '.join(sorted(names))} (see: edgenas devices)"
    )


def damaged_devices() -> dict[str, FileFormatError]:
    """What is wrong with device files, by the name that a file has; what it hides in later folders is not used."""
    return _in_folder_order()[1]


def _in_folder_order() -> tuple[list[Device], dict[str, FileFormatError]]:
    found: dict[str, Device] = {}
    damaged: dict[str, FileFormatError] = {}
    for folder in data_folders(DEVICES):
        devices, wrong = devices_in(folder)
        for device in devices:
            if device.name in damaged:
                damaged |= dict.fromkeys(device.aliases, damaged[device.name])
            else:
                found.setdefault(device.name, device)
        damaged |= {name: error for name, error in wrong.items() if name not in found}
    for name in plugin_names(plugins.DEVICES):
        try:
            for device in devices_of_package(name):
                found.setdefault(device.name, device)
        except InputError as error:  # a broken package does not hide the devices of others
            log.warning("%s", error)
    return list(found.values()), damaged


def devices_in(folder: Path) -> tuple[list[Device], dict[str, FileFormatError]]:
    """The devices whose files are in a folder, and what is wrong with other files, by their name."""
    devices, wrong = [], {}
    for path in sorted(folder.glob("*.toml")):
        try:
            devices.append(read_toml(path, Device))
        except FileFormatError as error:  # a damaged file does not hide the devices of others
            wrong[path.stem] = error
    return devices, wrong


def devices_of_package(name: str) -> list[Device]:
    """The devices of an installed package.

    Raises:
        InputError: it cannot be imported, or one of its files is invalid.
    """
    folders = load_plugin(plugins.DEVICES, name).__path__
    found = [devices_in(Path(folder)) for folder in folders]
    for _, wrong in found:
        for error in wrong.values():
            raise error
    return [device for devices, _ in found for device in devices]


def _with_options(
    device: Device, threads: int | None, precision: Precision | None, batch: int | None
) -> Device:
    if precision is not None and precision not in get_args(Precision):
        raise InputError(f"unknown precision {precision!r}", f"use one of {', '.join(get_args(Precision))}")
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        raise InputError(f"--batch {batch} is out of range", f"use 1 to {MAX_BATCH}")
    changes = {"precision": precision, "batch": batch}
    changed = device.model_copy(update={key: value for key, value in changes.items() if value is not None})
    return changed if threads is None else _with_threads(changed, threads)


def _with_threads(device: Device, threads: int) -> Device:
    if threads < 1:
        raise InputError(f"--threads {threads} is out of range", "use 1 or more")
    if device.provider != CPU:
        raise InputError(
            f"{device.name} runs on {device.provider}, which has no thread count", "omit --threads"
        )
    peak_gflops = device.datasheet.peak_gflops * threads / device.threads
    datasheet = device.datasheet.model_copy(update={"peak_gflops": peak_gflops})
    return device.model_copy(update={"threads": threads, "datasheet": datasheet})


def _with_power_mode(device: Device, power_mode: str | None) -> Device:
    if power_mode is None or power_mode == device.power_mode:
        return device
    if power_mode not in device.power_modes:
        known = ", ".join(map(repr, device.power_modes or [device.power_mode]))
        raise UnknownNameError(
            "power mode", power_mode, list(device.power_modes), hint=f"{device.name} has: {known}"
        )
    changed = device.model_copy(update={"power_mode": power_mode})
    slowdown = changed.slowdown_since(device.power_mode)
    sheet = device.datasheet
    figures = {
        "peak_gflops": sheet.peak_gflops / slowdown,
        "kernel_launch_us": sheet.kernel_launch_us * slowdown,
    }
    return changed.model_copy(update={"datasheet": sheet.model_copy(update=figures)})
