"""What a measurement depends on besides the models: clocks, temperature, throttling, power mode, memory, other load."""

from __future__ import annotations

import platform
import shutil
import sys
from typing import Any, Iterator, NamedTuple

from edgenas.board.host import HostState, cores, cpu_model, cpu_state, gpu_state, output_of, system_text
from edgenas.board.problem import one_line

MAX_LOAD_PER_CORE = 0.5
MAX_TEMPERATURE_C = 80.0

_PI_LIMITS = {
    0: "under-voltage",
    1: "a capped clock",
    2: "throttling",
    3: "the soft temperature limit",
}
"""Bits of `vcgencmd get_throttled` that say what is so now; 16 bits higher, what has been since boot."""


MAX_CHANGE = 900
"""Characters of a change in words."""

STEADY = ("clock governor", "power mode")
"""Conditions under which all of a measurement must be made."""


class Condition(NamedTuple):
    """One finding; `hint` says how to fix what would spoil a measurement, and is empty if nothing would."""

    name: str
    detail: str
    hint: str = ""

    @property
    def ok(self) -> bool:
        """Whether it spoils nothing."""
        return not self.hint


def machine_conditions(gpu: bool = False) -> list[Condition]:
    """The operating point of this machine, and what would spoil a measurement.

    Args:
        gpu: whether models run on a GPU.
    """
    found = [
        *_processor(),
        *_clocks(cpu_state()),
        *(_gpu_clocks() if gpu else ()),
        *_raspberry_pi(),
        *_jetson(),
    ]
    return [Condition(*map(one_line, each)) for each in found]


def _processor() -> Iterator[Condition]:
    bits = "64" if sys.maxsize > 2**32 else "32"
    yield Condition(
        "processor",
        f"{cpu_model()}, {cores()} cores, {platform.machine()}, {bits}-bit Python",
        "" if bits == "64" else "install a 64-bit system: ONNX Runtime has no 32-bit packages",
    )


def _clocks(now: HostState) -> Iterator[Condition]:
    busy = now.load_per_core > MAX_LOAD_PER_CORE
    yield Condition(
        "load",
        f"{now.load_per_core:.2f} per core over the last minute",
        "close other programs before profiling" if busy else "",
    )
    slow = now.governor not in (None, "performance")
    yield Condition(
        "clock governor",
        now.governor or "not available on this system",
        "before profiling: sudo cpupower frequency-set -g performance" if slow else "",
    )
    hot = (now.temperature_c or 0) > MAX_TEMPERATURE_C
    yield Condition(
        "temperature",
        f"{now.temperature_c:.0f} C" if now.temperature_c else "not available on this system",
        "let the machine cool down before profiling" if hot else "",
    )


def _gpu_clocks() -> Iterator[Condition]:
    now = gpu_state()
    if now is None:
        return
    busy = now.load_per_core > MAX_LOAD_PER_CORE
    yield Condition(
        "GPU load",
        f"{now.load_per_core:.0%} of the time",
        "close other programs that use the GPU before profiling" if busy else "",
    )
    hot = (now.temperature_c or 0) > MAX_TEMPERATURE_C
    yield Condition(
        "GPU temperature",
        f"{now.temperature_c:.0f} C" if now.temperature_c else "not available on this system",
        "let the machine cool down before profiling" if hot else "",
    )


def _raspberry_pi() -> Iterator[Condition]:
    shown = output_of("vcgencmd", "get_throttled")  # throttled=0x50005
    if shown is None:
        return
    try:
        bits = int(shown.partition("=")[2], 16)
    except ValueError:
        return
    now = [text for bit, text in _PI_LIMITS.items() if bits >> bit & 1]
    before = [text for bit, text in _PI_LIMITS.items() if bits >> (bit + 16) & 1]
    hint = ""
    if now:
        hint = "use the official power supply" if bits & 1 else "cool the board, and wait until this is gone"
    since_boot = f"; since boot: {', '.join(before)}" if before else ""
    yield Condition("throttling", f"{', '.join(now) or 'none now'}{since_boot}", hint)


def _jetson() -> Iterator[Condition]:
    release = system_text("/etc/nv_tegra_release")
    if release is None:
        return
    yield Condition("L4T", release.partition("\n")[0].lstrip("# "))
    mode = output_of("nvpmodel", "-q")
    if mode:
        yield Condition("power mode", " ".join(mode.split()))
    clocks = output_of("jetson_clocks", "--show")
    gpu = next((line for line in (clocks or "").splitlines() if line.startswith("GPU")), None)
    if gpu:
        fields = dict(word.split("=", 1) for word in gpu.split() if "=" in word)
        free = fields.get("MinFreq") != fields.get("MaxFreq")
        yield Condition(
            "GPU clock", gpu, "fix the clocks before profiling: sudo jetson_clocks" if free else ""
        )


def memory_available() -> int | None:
    """Bytes that programs can use without swapping; None if the system does not say."""
    for line in (system_text("/proc/meminfo") or "").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def disk_free(folder: str) -> int:
    """Bytes free on the disk of a folder."""
    return shutil.disk_usage(folder).free


def changes(before: list[Any], after: list[Any]) -> list[str]:
    """What is different after a measurement and could have spoilt it, in words."""
    earlier = {each[0]: Condition(*each) for each in before}
    found = []
    for now in (Condition(*each) for each in after):
        old = earlier.get(now.name)
        if old is None or now.name in ("load", "GPU load", "processor"):
            continue
        came_and_went = now.name == "throttling" and now.detail != old.detail
        if came_and_went or (old.ok and not now.ok):
            hint = now.hint or "cool the board, and use the official power supply"
            found.append(f"{now.name}: {now.detail} (before: {old.detail}); {hint}")
        elif now.name in (*STEADY, "GPU clock") and now.detail != old.detail:
            found.append(f"{now.name} changed from {old.detail} to {now.detail}; keep it as it is")
    return [one_line(each, MAX_CHANGE) for each in found]
