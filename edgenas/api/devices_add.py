"""Describing a board in a device file, from what the board says it is."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from edgenas.board.look import look
from edgenas.board.manifest import TENSORRT
from edgenas.device import Device, all_devices
from edgenas.device.catalogue import DEVICES
from edgenas.device.device import SshAccess
from edgenas.errors import DeviceError, FileFormatError, InputError
from edgenas.formats import Document, validate, write_bytes
from edgenas.kits.board_facts import BoardFacts, device_of
from edgenas.kits.ssh import SshBoard
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import ONE_BOARD, PYTHON_NEEDS_HOST, DevicesAddSettings


class AddedDevice(Document):
    """The device that was described, its file, and what the board said.

    `problem` says why it cannot measure yet; empty if it can. `next` is the command that does, or what to do before.
    """

    device: str
    file: Path
    description: str
    power_mode: str
    facts: BoardFacts
    problem: str
    next: str


@taking(DevicesAddSettings)
def devices_add(settings: DevicesAddSettings) -> AddedDevice:
    """Look at a board over SSH, or at this machine, and write `devices/<name>.toml` in the working folder.

    Boards that edgenas ships a device for get its figures; others are asked for a matrix product and a copy, from which
    the datasheet figures follow. Measured latencies do not depend on them.

    Raises:
        InputError: the name is taken, or the file cannot be written.
        DeviceError: the board cannot be reached, or does not answer.
    """
    _check_name(settings.name)
    access = None
    if settings.ssh_python is not None and not settings.hosts:
        raise InputError(*PYTHON_NEEDS_HOST)
    if len(settings.hosts) > 1:
        raise InputError(*ONE_BOARD)
    for host in settings.hosts:
        access = SshAccess(host=host, python=settings.ssh_python or "python3")
    path = Path(DEVICES, f"{settings.name}.toml")
    if path.exists():
        raise InputError(f"{path} exists", "choose another name, or remove it")
    facts = _facts(access)
    day = datetime.now(UTC).date().isoformat()
    device = device_of(settings.name, facts, access, day)
    problem = _problem(device, facts, access.python if access else "python3")
    write_bytes(path, tomli_w.dumps(plain(device), multiline_strings=False).encode())
    return AddedDevice(
        device=device.name,
        file=path,
        description=device.description,
        power_mode=device.power_mode,
        facts=facts,
        problem=problem,
        next=_again(device, path) if problem else _next(device),
    )


def _next(device: Device) -> str:
    """The command that profiles it."""
    sizes = "--resolution 96..224"
    if device.runtime == TENSORRT:  # whose engines take too long to build for every block
        sizes = "--samples 10 --resolution 224"
    return f"edgenas profile --device {device.name} {sizes} --classes 10"


def _again(device: Device, path: Path) -> str:
    """What to do once the board can measure: only then are the figures of its file right."""
    if device.ssh is None:
        return f"then remove {path}, and: edgenas devices add {device.name}"
    return (
        f"then remove {path}, and: edgenas devices add {device.name} --ssh {device.ssh.host} "
        "--ssh-python THE_PYTHON_WITH_BOTH"
    )


def _check_name(name: str) -> None:
    """Raise an InputError if a device of this name is known."""
    for device in all_devices():
        if name in (device.name, *device.aliases):
            raise InputError(
                f"there is a device {name} ({device.description})",
                "choose another name; a file of your own may be removed from devices/",
            )


def _facts(access: SshAccess | None) -> BoardFacts:
    path = Path("answer")
    if access is None:
        return validate(look(), BoardFacts, path)
    found = SshBoard(access.host, access.python).look()
    try:
        return validate(found, BoardFacts, path)
    except FileFormatError as error:
        reason = error.problem.removeprefix(f"{path}: ")
        raise DeviceError(
            f"{access.host} sent what cannot be used ({reason})", "is it the right board?"
        ) from None


def _problem(device: Device, facts: BoardFacts, python: str) -> str:
    """What keeps the board from measuring, and what to do there."""
    if device.runtime == TENSORRT:  # which trtexec is enough for
        return ""
    if facts.bits != 64:
        return "its system is a 32-bit one, for which there are no packages of ONNX Runtime; install a 64-bit system"
    if "ended by signal" in facts.problem:
        return f"{facts.problem}; install a version of it that is built for this processor"
    if facts.problem:
        return f"{facts.problem}; in a virtual environment there: {python} -m pip install numpy onnxruntime"
    if device.provider not in facts.providers:
        return f"its ONNX Runtime has no {device.provider}; install a build that has it"
    return ""


def plain(device: Device) -> dict[str, Any]:
    """The values of a device's file, without those that are defaults."""
    return device.model_dump(mode="json", exclude_none=True, exclude_defaults=True) | {
        "schema": "edgenas.device/1"
    }
