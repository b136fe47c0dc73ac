"""The target device of settings, at its operating point."""

from edgenas.device import Device, find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits.ssh import SshBoard
from edgenas.settings.latency_commands import (
    ONE_BOARD,
    PYTHON_NEEDS_HOST,
    OverSsh,
    PredictSettings,
    TableSettings,
    ValidateSettings,
)
from edgenas.settings.search import SearchSettings

DeviceSettings = SearchSettings | TableSettings | ValidateSettings | PredictSettings


def device_for(settings: DeviceSettings) -> Device:
    """The device, given by name or as an object, at the operating point of the settings.

    Of several precisions that are searched, see `precisions.precisions_for`, it is at the one in its file.

    Raises:
        InputError: an unknown device or power mode, or a number of threads for a device that does not support it.
    """
    asked = settings.precisions or () if isinstance(settings, SearchSettings) else (settings.precision,)
    precision = asked[0] if len(asked) == 1 else None
    return find_device(settings.device, settings.threads, precision, settings.batch, settings.power_mode)


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
