"""The settings of the commands that measure and predict, such as `profile`, `kit`, `predict` and `bench`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typing_extensions import override

from edgenas.errors import InputError
from edgenas.settings.declaration import Settings
from edgenas.settings.input_shapes import ShapedInputs
from edgenas.settings.option import Group, Option
from edgenas.settings.shared import (
    DeviceSetting,
    ExecutionSettings,
    MissingSetting,
    OperatingPoint,
    SeedSetting,
    SpaceWithoutData,
)
from edgenas.vocabulary import DEVICE_NAME, MAX_DEVICE_NAME, SSH_HOST, SSH_PYTHON

if TYPE_CHECKING:
    from edgenas.device import Device

MIN_SAMPLES, MAX_SAMPLES = 3, 100
"""Networks to infer a table from; with more, timing every block is hardly slower and better."""

QUICK_SAMPLES = 10

SAMPLES_NEED_ONE_SIZE = (
    "--samples infers the blocks of one image size",
    "give a single --resolution, or leave out --samples",
)
"""What is wrong with several, and what to do."""

MAX_BOARDS = 16

MIN_BENCH_RUNS, MAX_BENCH_RUNS = 100, 100_000

MIN_CALIBRATION, MAX_CALIBRATION = 3, 500
"""Networks to calibrate on; more would take hours."""


def ssh_hosts(value: object, option: str) -> str:
    """Hosts as ssh takes them, separated by commas; also from a list of them.

    Raises:
        InputError: one is none, or holds characters that a host never has; or it is named twice.
    """
    hosts = value.split(",") if isinstance(value, str) else value
    if not isinstance(hosts, list | tuple) or not hosts:
        hosts = [value]
    hint = "write it as user@host, or ssh://user@host:port"
    found = [_matching(SSH_HOST, host, option, hint) for host in hosts]
    if len(found) > MAX_BOARDS:
        raise InputError(f"{option}: {len(found)} boards are too many", f"name at most {MAX_BOARDS}")
    if len(set(found)) < len(found):
        raise InputError(f"{option}: a board is named twice", "name each once")
    return ",".join(found)


def ssh_python(value: object, option: str) -> str:
    """The path of an interpreter on a board; errors as `ssh_hosts`."""
    return _matching(SSH_PYTHON, value, option, "write it as ~/board/bin/python: letters, digits and ./_+-")


def device_name(value: object, option: str) -> str:
    """The name of a device; errors as `ssh_hosts`."""
    hint = f"use at most {MAX_DEVICE_NAME} lower case letters, digits and dashes, such as my-board"
    if len(str(value)) > MAX_DEVICE_NAME:
        raise InputError(f"{option}: {value!r:.60} is too long", hint)
    return _matching(DEVICE_NAME, value, option, hint)


def _matching(pattern: str, value: object, option: str, hint: str) -> str:
    if isinstance(value, str) and re.fullmatch(pattern, value) and value.isprintable():
        return value
    raise InputError(f"{option}: {value!r:.60} cannot be used", hint)


PYTHON_NEEDS_HOST = ("--ssh-python is for a board", "give --ssh too, or leave it out")
"""What is wrong with an interpreter alone, and what to do."""


@dataclass(frozen=True, kw_only=True)
class OverSsh(Settings):
    """A board that is reached over SSH, or several of one kind."""

    ssh: Annotated[
        str | Sequence[str] | None,
        Option(
            "The board, USER@HOST as for ssh; default: as in the device's file, or this machine. "
            "`profile` takes several of one kind: give it once for each.",
            Group.DEVICE,
            normal=ssh_hosts,
            example="pi@raspberrypi.local",
            repeats=True,
        ),
    ] = None
    ssh_python: Annotated[
        str | None,
        Option(
            "Python on the board that has numpy and onnxruntime; default: as in the device's file, or python3.",
            Group.DEVICE,
            normal=ssh_python,
            example="~/board/bin/python",
        ),
    ] = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The boards that were named."""
        return () if self.ssh is None else tuple(ssh_hosts(self.ssh, "--ssh").split(","))


ONE_BOARD = ("--ssh names several boards", "name one of them; only profile takes several")
"""What is wrong where one board is needed, and what to do."""


@dataclass(frozen=True)
class TableSettings(OperatingPoint, SpaceWithoutData):
    """What is timed for a table, here or on a board."""

    device: DeviceSetting
    _: KW_ONLY
    samples: Annotated[
        int | None,
        Option(
            "Time only this many whole networks, such as 10, and infer the latency of every block.",
            at_least=MIN_SAMPLES,
            at_most=MAX_SAMPLES,
        ),
    ] = None
    networks: Annotated[
        int | None,
        Option(
            "Whole networks to time for calibrating the sum of blocks; default: 80.",
            at_least=MIN_CALIBRATION,
            at_most=MAX_CALIBRATION,
        ),
    ] = None
    seed: SeedSetting = 0

    @override
    def rules(self) -> Iterator[tuple[str, str]]:
        if self.networks is not None and self.samples is not None:
            yield (
                "--networks is for a full profile, --samples for one from a few networks",
                "give only one of them",
            )
        if self.samples is not None and len(self.resolutions or ()) > 1:
            yield SAMPLES_NEED_ONE_SIZE


@dataclass(frozen=True)
class ProfileSettings(TableSettings, OverSsh):
    """How a device is profiled."""

    _: KW_ONLY
    again: Annotated[
        bool,
        Option(
            "Also time anew what the table has of this space, and its fragments for ONNX files; over SSH all is always "
            "timed."
        ),
    ] = False


@dataclass(frozen=True)
class KitSettings(TableSettings):
    """What a kit is for; as a profile, but on a board without edgenas."""

    _: KW_ONLY
    out: Annotated[
        "str | Path", Option("Archive to write; replaced if it exists.", Group.FILES, example="board.zip")
    ] = "kit.zip"
    quick: Annotated[
        bool, Option("Minutes on the board instead of a quarter of an hour: the same as --samples 10.")
    ] = False

    @override
    def rules(self) -> Iterator[tuple[str, str]]:
        yield from super().rules()
        other = "--samples" if self.samples is not None else "--networks"
        if self.quick and (self.samples or self.networks) is not None:
            yield f"--quick and {other} both say how many networks to time", "give only one of them"
        if self.quick and len(self.resolutions or ()) > 1:
            yield SAMPLES_NEED_ONE_SIZE

    @property
    def few(self) -> int | None:
        """Networks to infer a table from; None to time every block."""
        return QUICK_SAMPLES if self.quick else self.samples


@dataclass(frozen=True)
class KitImportSettings(Settings):
    """Which results to import."""

    results: Annotated[
        "str | Path",
        Option("results.json, as written by a kit's run.py.", argument=True, example="results.json"),
    ]
    _: KW_ONLY
    device: Annotated[
        "str | Device | None",
        Option("Device to make the table of; default: that of the kit.", example="raspberry-pi-5"),
    ] = None


@dataclass(frozen=True)
class ValidateSettings(OperatingPoint, SpaceWithoutData, OverSsh):
    """How predictions are validated."""

    device: DeviceSetting
    networks: Annotated[int, Option("Random whole networks to time.", at_least=2)] = 50
    _: KW_ONLY
    seed: SeedSetting = 0
    missing: MissingSetting = "refuse"


@dataclass(frozen=True)
class DevicesAddSettings(OverSsh):
    """Which board becomes a device."""

    name: Annotated[
        str,
        Option(
            "Name of the new device: lower case, digits and dashes.",
            normal=device_name,
            argument=True,
            example="my-board",
        ),
    ]


@dataclass(frozen=True)
class PredictSettings(OperatingPoint, ShapedInputs):
    """What to predict."""

    target: Annotated[
        "str | Path",
        Option(
            "Architecture JSON, the card of a model, or any ONNX file.", argument=True, example="model.onnx"
        ),
    ]
    device: DeviceSetting
    _: KW_ONLY
    missing: MissingSetting = "refuse"
    advise: Annotated[
        bool,
        Option(
            "Also say what in an ONNX file costs needlessly there, how much that is, and what to do about it."
        ),
    ] = False
    fix: Annotated[
        "str | Path | None",
        Option(
            "Write the ONNX file without what costs needlessly, as far as that is safe: its outputs are compared; "
            "replaced if it exists.",
            Group.FILES,
            example="fixed.onnx",
        ),
    ] = None


@dataclass(frozen=True)
class BenchSettings(ExecutionSettings, OverSsh, ShapedInputs):
    """Which files are timed, and how often."""

    model: Annotated["str | Path", Option("ONNX file, run as it is.", argument=True, example="model.onnx")]
    device: DeviceSetting
    _: KW_ONLY
    against: Annotated[
        "str | Path | None",
        Option("Another ONNX file, timed in turn with the first: is the difference real?", example="b.onnx"),
    ] = None
    runs: Annotated[
        int | None,
        Option(
            "Runs of each file; default: 1000, or what 20 s allow, but at least 100.",
            at_least=MIN_BENCH_RUNS,
            at_most=MAX_BENCH_RUNS,
        ),
    ] = None
    histogram: Annotated[bool, Option("Also show how often each latency occurred.")] = False
