"""What this host is, and what on it would spoil a measurement."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LOOK_S = 0.1
"""How long `pin` looks which cores are idle."""

_CPU = Path("/sys/devices/system/cpu")
_PI_THROTTLED_NOW = 0xF  # under-voltage, frequency capped, throttled, soft temperature limit
_GPU_THROTTLED = (
    0xEC  # power cap, hardware slowdown, thermal slowdowns, power brake; not: idle, chosen clocks
)


@dataclass(frozen=True, slots=True)
class HostState:
    """The operating point of the processor or a GPU at one moment; None where the system does not show it."""

    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    load_per_core: float
    """Processes that want a core over the last minute, by core; of a GPU the share of time it was busy, 0..1."""

    throttle_events: int | None = None
    """Only its growth means anything: slowdowns since the start, or 1 while slowed down (Raspberry Pi, GPU)."""


def cpu_model() -> str:
    """The processor's own name for itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin(threads: int) -> tuple[int, ...]:
    """Keep this process on as many cores as it has threads; none where the system cannot.

    The highest clocks first, then the idlest just now, then the last ones: the first core of many systems also
    serves their interrupts.

    Returns:
        The cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        return ()
    before = _busy_ticks()
    time.sleep(LOOK_S)
    busy = {core: ticks - before[core] for core, ticks in _busy_ticks().items() if core in before}

    def merit(core: int) -> tuple[float, int, int]:
        highest_khz = _read_number(_CPU / f"cpu{core}/cpufreq/cpuinfo_max_freq") or 0
        return highest_khz, -busy.get(core, 0), core

    usable = sorted(os.sched_getaffinity(0), key=merit, reverse=True)
    # Two hardware threads of one core share what is timed: of each core one first.
    seen = [_read(_CPU / f"cpu{core}/topology/thread_siblings_list") or str(core) for core in usable]
    second = {core: siblings in seen[:i] for i, (core, siblings) in enumerate(zip(usable, seen, strict=True))}
    chosen = sorted(usable, key=lambda core: second[core])[:threads]
    os.sched_setaffinity(0, chosen)
    return tuple(chosen)


def _busy_ticks() -> dict[int, int]:
    """Time each core has worked so far, in the system's ticks; empty where it does not tell."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines if re.match(r"cpu\d", line))
    # user, nice and system time; idle and waiting follow
    return {int(row[0][3:]): sum(map(int, row[1:4])) for row in rows}


def interruptions() -> int:
    """How often a core was taken away from this process so far; 0 where the system does not count it."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def fingerprint(gpu: bool = False) -> str:
    """Short text that changes when the hardware does: tables measured here are only valid here.

    Args:
        gpu: the GPU counts too, for what runs on it.
    """
    # All processors, not those left to this process: pinning it does not make another machine.
    parts = [platform.system(), platform.machine(), cpu_model(), str(os.cpu_count())]
    parts += [gpu_name()] if gpu else []
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@cache
def gpu_name() -> str:
    """The name of the NVIDIA GPU that CUDA uses first; empty where there is none."""
    return _gpu("name") or ""


def state() -> HostState:
    """Read governor, clock, temperature, load and throttling of this host."""
    cpu = _CPU / "cpu0/cpufreq"
    frequency = _read_number(cpu / "scaling_cur_freq")
    temperature = _read_number(Path("/sys/class/thermal/thermal_zone0/temp"))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return HostState(
        governor=_read(cpu / "scaling_governor"),
        frequency_mhz=frequency / 1e3 if frequency else None,
        temperature_c=temperature / 1e3 if temperature else None,
        load_per_core=load / cores(),
        throttle_events=_throttle_events(),
    )


def gpu_state() -> HostState | None:
    """Clock, temperature, load and throttling of the NVIDIA GPU that CUDA uses first; None where there is none."""
    shown = _gpu("clocks.sm,temperature.gpu,utilization.gpu")
    if shown is None:
        return None
    frequency, temperature, busy_percent = (_number(text) for text in shown.split(","))
    # The field's name since driver 535, and before.
    reasons = _gpu("clocks_event_reasons.active") or _gpu("clocks_throttle_reasons.active")
    return HostState(
        None, frequency, temperature, (busy_percent or 0) / 100, _masked(reasons, _GPU_THROTTLED)
    )


def _throttle_events() -> int | None:
    """Every core has its count (Intel); a Raspberry Pi shows whether it is slowed down now."""
    folders = [_CPU / f"cpu{core}/thermal_throttle" for core in range(os.cpu_count() or 1)]
    files = [folders[0] / "package_throttle_count", *(path / "core_throttle_count" for path in folders)]
    counts = [count for count in map(_read_number, files) if count is not None]
    if counts:
        return int(sum(counts))
    shown = _output("vcgencmd", "get_throttled")  # throttled=0x50005
    return _masked(shown.partition("=")[2] if shown else None, _PI_THROTTLED_NOW)


def _masked(bits: str | None, mask: int) -> int | None:
    """1 where one of the mask's bits is set, 0 where none is; None for what is no hexadecimal number."""
    try:
        return int(bool(int(bits or "", 16) & mask))
    except ValueError:
        return None


def _gpu(fields: str) -> str | None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    return _output("nvidia-smi", f"--id={visible}", f"--query-gpu={fields}", "--format=csv,noheader,nounits")


def _output(command: str, *arguments: str) -> str | None:
    """What a system's own command says; None where it is missing, fails or hangs."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _read_number(path: Path) -> float | None:
    return _number(_read(path))


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
