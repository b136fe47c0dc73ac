"""What a board draws: its power meter, if it has one that this program may read, counts joules.

Chips that show watts are read by a thread, which adds them up, so that all meters are used alike: read before and
after, and divided by the time between.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple, Protocol, Sequence

from edgenas.board.host import output_of, system_text
from edgenas.board.problem import BoardError, one_line

HWMON = Path("/sys/class/hwmon")
IIO = Path("/sys/bus/i2c/drivers/ina3221x")
POWERCAP = Path("/sys/class/powercap")

INPUT_RAILS = ("VDD_IN", "POM_5V_IN", "VIN")
"""Rails that feed all of a Jetson: Orin Nano and NX, Xavier NX, TX2; Nano; Thor. AGX Orin and Xavier have none.

Labels are those of the kernel's device trees (arch/arm64/boot/dts/nvidia) and of NVIDIA's Jetson Linux Developer Guide.
"""

INCLUDED_RAILS = ("VDDQ_VDD2_1V8AO",)
"""Rails fed by another that is measured too: the memory of the AGX Orin by VIN_SYS_5V0 (the same guide)."""

SAMPLE_S, PROGRAM_SAMPLE_S = 0.01, 0.05
"""Pause between readings of files, and between runs of a program that reads."""

MAX_SILENCE_S = 3.0
"""A meter without a reading for longer has stopped answering."""

MAX_WATTS = 10_000.0
"""More than any board draws: the meter, or what is known of it, is wrong."""

READABLE = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"

_TEGRASTATS_RAIL = re.compile(r"\b([A-Z][A-Z0-9_]*) ([0-9]+)(?:mW)?/[0-9]+(?:mW)?(?=\s|$)")
"""Now and on average, such as `VDD_IN 5012mW/4890mW`, or without units in JetPack 4; memory is in MB or kB."""

_PMIC_ADC = re.compile(r"(\w+)_[AV] (current|volt)\([0-9]+\)=([0-9.]+)")
"""Such as `VDD_CORE_A current(7)=1.08053000A`."""


class MeterError(BoardError):
    """A power meter stopped answering, or says what cannot be."""


class Reading(NamedTuple):
    """When a meter was read, and the joules it had counted since it was started."""

    at_s: float
    joules: float


class Meter(Protocol):
    """Counts what the board draws within a `with`; not reentrant.

    `name` says what is measured. Entering and reading raise a MeterError where the meter does not answer.
    """

    name: str

    def __enter__(self) -> Any:
        """Start counting."""

    def __exit__(self, *_: object) -> None:
        """Stop."""

    def read(self) -> Reading:
        """What was counted so far."""


def find_meter(gpu: bool = False) -> Meter | None:
    """The board's power meter; None if there is none that this program may read.

    Args:
        gpu: whether the models run on a GPU, which a processor's own counters leave out.
    """
    return _ina3221() or _tegrastats() or _pmic() or (None if gpu else _rapl())


def why_no_meter(gpu: bool = False) -> str:
    """Why `find_meter` finds none, and how to change that where it can be."""
    if not gpu and _rapl_zones():
        return f"the processor's energy counters (RAPL) can be read by root only; for energies: {READABLE}"
    return "none on this system"


class PowerMeter:
    """A meter that shows watts: a thread reads it, and each reading holds until the next.

    Args:
        name: of the meter and its rails.
        watts: reads it; raises an OSError or a ValueError if that fails.
        pause_s: between readings.
    """

    def __init__(self, name: str, watts: Callable[[], float], pause_s: float = SAMPLE_S) -> None:
        self.name = one_line(name)
        self._watts = watts
        self._pause_s = pause_s

    def __enter__(self) -> PowerMeter:
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._failure = ""
        try:
            self._level = _possible(self._watts())
        except (OSError, ValueError) as error:
            raise MeterError(
                f"the power meter {self.name} cannot be read ({one_line(str(error))})"
            ) from error
        self._at_s, self._joules = time.monotonic(), 0.0
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(MAX_SILENCE_S)

    def _sample(self) -> None:
        while not self._stopped.wait(self._pause_s):
            try:
                watts = _possible(self._watts())
            except (OSError, ValueError) as error:
                self._failure = one_line(str(error)) or type(error).__name__
                return
            with self._lock:
                now_s = time.monotonic()
                self._joules += self._level * (now_s - self._at_s)
                self._at_s, self._level = now_s, watts

    def read(self) -> Reading:
        """What was counted so far."""
        with self._lock:
            now_s = time.monotonic()
            since_s = now_s - self._at_s
            if self._failure or since_s > MAX_SILENCE_S:
                reason = self._failure or f"no reading for {since_s:.0f} s"
                raise MeterError(f"the power meter {self.name} stopped answering ({reason})")
            return Reading(now_s, self._joules + self._level * since_s)


class EnergyCounters:
    """Counters of energy, which wrap around.

    Args:
        name: of the counters.
        zones: folders of the kernel's powercap framework.
    """

    def __init__(self, name: str, zones: Sequence[Path]) -> None:
        self.name = one_line(name)
        self._zones = zones

    def __enter__(self) -> EnergyCounters:
        self._joules = 0.0
        self._last_uj = [self._number(zone / "energy_uj") for zone in self._zones]
        self._range_uj = [self._number(zone / "max_energy_range_uj") for zone in self._zones]
        if not all(self._range_uj):
            raise MeterError(f"the power meter {self.name} has counters without a range")
        return self

    def __exit__(self, *_: object) -> None:
        """Counters run on."""

    def read(self) -> Reading:
        """What was counted so far."""
        now_uj = [self._number(zone / "energy_uj") for zone in self._zones]
        for now, last, most in zip(now_uj, self._last_uj, self._range_uj):
            self._joules += (now - last) % most / 1e6
        self._last_uj = now_uj
        return Reading(time.monotonic(), self._joules)

    def _number(self, path: Path) -> int:
        try:
            return int(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise MeterError(
                f"the power meter {self.name} cannot be read ({one_line(str(error))})"
            ) from error


def _ina3221() -> Meter | None:
    """The chips of a Jetson that measure up to three rails each."""
    rails = {name: watts for name, watts in (*_hwmon_rails(), *_iio_rails()) if _answers(watts)}
    chosen = [rails[name] for name in _chosen(rails)]
    if not chosen:
        return None
    return PowerMeter(f"INA3221 ({' + '.join(_chosen(rails))})", lambda: sum(watts() for watts in chosen))


def _hwmon_rails() -> Iterator[tuple[str, Callable[[], float]]]:
    """By name, what reads the watts of a rail, as since JetPack 5."""
    for name in sorted(HWMON.glob("hwmon*/name")):
        if system_text(name) != "ina3221":
            continue
        for channel in (1, 2, 3):  # what follows are shunt voltages and sums
            volts, amperes = name.with_name(f"in{channel}_input"), name.with_name(f"curr{channel}_input")
            label = system_text(name.with_name(f"in{channel}_label"))
            if label and label != "NC":  # not connected
                yield label, partial(_product_watts, volts, amperes)


def _iio_rails() -> Iterator[tuple[str, Callable[[], float]]]:
    """The same, as in JetPack 4."""
    for label in sorted((*IIO.glob("*/iio:device*/rail_name_*"), *IIO.glob("*/iio_device/rail_name_*"))):
        path = label.with_name(f"in_power{label.name.rpartition('_')[2]}_input")
        yield system_text(label) or "", partial(_watts_in, path)


def _tegrastats() -> Meter | None:
    """A Jetson's own program, where the chips cannot be read directly."""
    path = shutil.which("tegrastats")
    return _program("tegrastats", lambda: _tegrastats_rails(path)) if path else None


def _tegrastats_rails(path: str) -> dict[str, float]:
    """Watts by rail, in the first line of a program that would go on for ever."""
    process = subprocess.Popen(
        [path, "--interval", "100"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        universal_newlines=True,
        start_new_session=True,
    )
    assert process.stdout

    def kill() -> None:  # with what it started: that would keep the pipe open
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    overdue = threading.Timer(MAX_SILENCE_S, kill)
    overdue.start()
    try:
        line = process.stdout.readline()
    finally:
        overdue.cancel()
        kill()
        process.wait()
        process.stdout.close()
    return {name: int(milliwatts) / 1e3 for name, milliwatts in _TEGRASTATS_RAIL.findall(line)}


def _pmic() -> Meter | None:
    """The power chip of a Raspberry Pi 5; it leaves out what is plugged in, and its own losses."""
    return _program("PMIC", _pmic_rails) if shutil.which("vcgencmd") else None


def _pmic_rails() -> dict[str, float]:
    """Watts by rail, of those with both a current and a voltage."""
    shown = _PMIC_ADC.findall(output_of("vcgencmd", "pmic_read_adc") or "")
    figures = {(rail, kind): float(number) for rail, kind, number in shown}
    return {
        rail: amperes * figures[rail, "volt"]
        for (rail, kind), amperes in figures.items()
        if kind == "current" and (rail, "volt") in figures
    }


def _program(name: str, rails: Callable[[], Mapping[str, float]]) -> Meter | None:
    """A meter that is read by running a program."""
    try:
        chosen = _chosen(rails())
    except (OSError, ValueError):
        return None
    if not chosen:
        return None

    def watts() -> float:
        found = rails()
        if not set(chosen) <= found.keys():
            raise ValueError("a rail is missing")
        return sum(found[rail] for rail in chosen)

    shown = " + ".join(chosen) if len(chosen) < 7 else f"sum of {len(chosen)} rails"
    return PowerMeter(f"{name} ({shown})", watts, PROGRAM_SAMPLE_S)


def _rapl() -> Meter | None:
    """The counters of an x86 processor: its packages, and memory where it is counted."""
    zones = _rapl_zones()
    if not zones or any(system_text(zone / "energy_uj") is None for zone in zones):
        return None
    return EnergyCounters(f"RAPL ({' + '.join(system_text(zone / 'name') or '' for zone in zones)})", zones)


def _rapl_zones() -> list[Path]:
    """Packages and memory; cores are a part of packages, `psys` holds all of them, and on many boards nothing."""
    zones = ((zone, system_text(zone / "name") or "") for zone in sorted(POWERCAP.glob("intel-rapl:*")))
    return [zone for zone, name in zones if name.startswith("package") or name == "dram"]


def _chosen(rails: Iterable[str]) -> list[str]:
    """The rail that feeds the others, or all that no other one feeds."""
    names = list(rails)
    total = next((name for name in INPUT_RAILS if name in names), None)
    return [total] if total else [name for name in names if name not in INCLUDED_RAILS]


def _answers(watts: Callable[[], float]) -> bool:
    try:
        _possible(watts())
    except (OSError, ValueError):  # such as a channel that is switched off
        return False
    return True


def _possible(watts: float) -> float:
    if not -1 <= watts <= MAX_WATTS:  # an idle rail may read somewhat below zero
        raise ValueError(f"{watts} W")
    return watts


def _watts_in(path: Path) -> float:
    """Of a file that holds milliwatts."""
    return float(path.read_text(encoding="ascii")) / 1e3


def _product_watts(millivolts: Path, milliamperes: Path) -> float:
    return (
        float(millivolts.read_text(encoding="ascii")) * float(milliamperes.read_text(encoding="ascii")) / 1e6
    )
