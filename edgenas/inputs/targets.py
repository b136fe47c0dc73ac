"""The target device of settings, at its operating point."""

from edgenas.device import Device, find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits.ssh import SshBoard
from edgenas.latency.table import find_table
from edgenas.settings.latency_commands import (
    ONE_BOARD,
    PYTHON_NEEDS_HOST,
    OverSsh,
    PredictSettings,
    TableSettings,
    ValidateSettings,
)
from edgenas.settings.precisions import PRECISIONS
from edgenas.settings.search import SearchSettings
from edgenas.vocabulary import Precision

DeviceSettings = SearchSettings | TableSettings | ValidateSettings | PredictSettings


def device_for(settings: DeviceSettings) -> Device:
    """The device, given by name or as an object, at the operating point of the settings.

    Of several precisions that are searched, see `precisions_for`, it is at the one in its file.

    Raises:
        InputError: an unknown device or power mode, or a number of threads for a device that does not support it.
    """
    asked = settings.precisions or () if isinstance(settings, SearchSettings) else (settings.precision,)
    precision = asked[0] if len(asked) == 1 else None
    return find_device(settings.device, settings.threads, precision, settings.batch, settings.power_mode)


def precisions_for(settings: SearchSettings, device: Device) -> tuple[Precision, ...]:
    """The precisions of a search, the widest first: those asked for, all that have a table, or that of the device.

    Raises:
        InputError: any is asked for, and fewer than two have a table.
    """
    if (asked := settings.precisions) is None:
        return (device.precision,)
    if asked:
        return asked
    measured = [each for each in PRECISIONS if find_table(device.at(each)) is not None]
    if len(measured) < 2:
        (lacking, *_) = (each for each in reversed(PRECISIONS) if each not in measured)
        known = f"a latency table for {measured[0]} only" if measured else "no latency table"
        raise InputError(
            f"--precision any: device {device.name} has {known}",
            f"profile it at another: edgenas profile --device {device.name} --precision {lacking}; or name precisions",
        )
    return tuple(measured)


def board_of(device: Device) -> SshBoard | None:
    """The board whose host is in the device's file; None if there is none."""
    return None if device.ssh is None else SshBoard(device.ssh.host, device.ssh.python)


def check_is_here(device: Device) -> None:
    """Raise a DeviceError if a device is not this machine."""
    if not device.is_host:
        raise DeviceError(
            f"device {device.name} cannot be reached from here (its file says reach = {device.reach!r})",
            "name its board: --ssh USER@HOST",
        )


def board_for(settings: OverSsh, device: Device) -> SshBoard | None:
    """The one board to measure on; see `boards_for`.

    Raises:
        InputError: also if there are several.
    """
    boards = boards_for(settings, device)
    if len(boards) > 1:
        raise InputError(*ONE_BOARD)
    return boards[0] if boards else None


def boards_for(settings: OverSsh, device: Device) -> tuple[SshBoard, ...]:
    """The boards to measure on, of the settings or of the device's file; none for this machine.

    Raises:
        InputError: the device is this machine, or an interpreter is given without a host.
    """
    known = device.ssh
    hosts = settings.hosts or ((known.host,) if known else ())
    if not hosts:
        if settings.ssh_python is not None:
            raise InputError(*PYTHON_NEEDS_HOST)
        return ()
    if device.is_host:
        raise InputError(
            f"device {device.name} is this machine, and {hosts[0]} is another one",
            "give the device of the board (see: edgenas devices)",
        )
    python = settings.ssh_python or (known.python if known else "python3")
    return tuple(SshBoard(host, python) for host in hosts)
