"""Identity and state of this host, including what would distort a measurement."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LOAD_OBSERVATION_S = 0.1
"""How long `pin` observes the load of the cores."""

_CPU = Path("/sys/devices/system/cpu")
_PI_THROTTLED_NOW = 0xF  # under-voltage, frequency capped, throttled, soft temperature limit
_GPU_THROTTLED = (
    0xEC  # power cap, hardware slowdown, thermal slowdowns, power brake; not: idle, chosen clocks
)


@dataclass(frozen=True)
class HostState:
    """Snapshot of the operating point of the CPU or a GPU; None where the system does not expose it."""

    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    load_per_core: float
    """CPU: runnable processes per core over the last minute; GPU: utilisation, 0..1."""

    throttle_events: int | None = None
    """Throttling events since boot, or 1 while throttled (Raspberry Pi, GPU): only an increase is meaningful."""


def cpu_model() -> str:
    """The CPU's model name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()


def instructions() -> str:
    """What the CPU offers to int8 models: arm64, x86-64-vnni, or plain x86-64."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return "arm64"
    try:
        known = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        known = []
    return "x86-64-vnni" if {"avx512_vnni", "avx_vnni"} & set(known) else "x86-64"


def cores() -> int:
    """Number of CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin(threads: int) -> tuple[int, ...]:
    """Pin this process to as many cores as it has threads, if the system supports it.

    Prefers high maximum clocks, then currently idle cores, then high numbers, as the first core often also serves
    interrupts.

    Returns:
        The cores; empty if pinning is not supported.
    """
    if not hasattr(os, "sched_setaffinity"):
        return ()
    before = _busy_ticks()
    time.sleep(LOAD_OBSERVATION_S)
    busy = {core: ticks - before[core] for core, ticks in _busy_ticks().items() if core in before}

    def preference(core: int) -> tuple[float, int, int]:
        highest_khz = _read_number(_CPU / f"cpu{core}/cpufreq/cpuinfo_max_freq") or 0
        return highest_khz, -busy.get(core, 0), core

    usable = sorted(os.sched_getaffinity(0), key=preference, reverse=True)
    # Hardware threads share their core: prefer one thread per core.
    seen = [system_text(_CPU / f"cpu{core}/topology/thread_siblings_list") or str(core) for core in usable]
    sibling_taken = {core: siblings in seen[:i] for i, (core, siblings) in enumerate(zip(usable, seen))}
    chosen = sorted(usable, key=lambda core: sibling_taken[core])[:threads]
    os.sched_setaffinity(0, chosen)
    return tuple(chosen)


def cores_in_use(seconds: float) -> float:
    """How many of the cores that this process may use are busy while it sleeps; 0 if the system does not tell."""
    before, start = _busy_ticks(), time.monotonic()
    time.sleep(seconds)
    after, passed_s = _busy_ticks(), time.monotonic() - start
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else after.keys()
    used = sum(after[core] - before[core] for core in usable & before.keys() & after.keys())
    return used / os.sysconf("SC_CLK_TCK") / passed_s if after else 0.0


def _busy_ticks() -> dict[int, int]:
    """Busy time of each core so far, in system ticks; empty if unknown."""
    try:
        lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    rows = (line.split() for line in lines if re.match(r"cpu\d", line))
    # user, nice and system time
    return {int(row[0][3:]): sum(map(int, row[1:4])) for row in rows}


def interruptions() -> int:
    """How often this process was preempted so far; 0 if the system does not count it."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def peak_memory() -> int | None:
    """The most physical memory that this process has had so far, bytes; None if the system does not tell.

    Not `ru_maxrss`: on Linux that is inherited from the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    kib = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return 1024 * int(kib[0]) if kib else None


def fingerprint(gpu: bool = False) -> str:
    """A short hash of the hardware: tables measured here are valid only here.

    Args:
        gpu: include the GPU.
    """
    # All cores, not just those of this process: pinning must not change the fingerprint.
    parts = [platform.system(), platform.machine(), cpu_model(), str(os.cpu_count())]
    parts += [gpu_name()] if gpu else []
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@lru_cache(maxsize=None)
def gpu_name() -> str:
    """Name of CUDA's first NVIDIA GPU; empty if there is none."""
    return _gpu("name") or ""


def cpu_state() -> HostState:
    """Governor, clock, temperature, load and throttling of this host's CPU."""
    cpu = _CPU / "cpu0/cpufreq"
    frequency = _read_number(cpu / "scaling_cur_freq")
    temperature = _read_number(Path("/sys/class/thermal/thermal_zone0/temp"))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return HostState(
        governor=system_text(cpu / "scaling_governor"),
        frequency_mhz=frequency / 1e3 if frequency else None,
        temperature_c=temperature / 1e3 if temperature else None,
        load_per_core=load / cores(),
        throttle_events=_throttle_events(),
    )


def gpu_state() -> HostState | None:
    """Clock, temperature, load and throttling of CUDA's first NVIDIA GPU; None if there is none."""
    shown = _gpu("clocks.sm,temperature.gpu,utilization.gpu")
    if shown is None:
        return None
    frequency, temperature, busy_percent = (_number(text) for text in shown.split(","))
    # Field name since driver 535, and before.
    reasons = _gpu("clocks_event_reasons.active") or _gpu("clocks_throttle_reasons.active")
    return HostState(
        None, frequency, temperature, (busy_percent or 0) / 100, _any_bit_set(reasons, _GPU_THROTTLED)
    )


def state(gpu: bool = False) -> HostState:
    """That of the processor, or of the GPU if asked for and there is one."""
    return (gpu_state() if gpu else None) or cpu_state()


def description(gpu: bool = False) -> str:
    """The processor, and the GPU if asked for, in words."""
    processor = f"{cpu_model()}, {cores()} cores"
    return f"{gpu_name()}, {processor}" if gpu else processor


def _throttle_events() -> int | None:
    """Sum of the per-core counters (Intel), or whether a Raspberry Pi is throttled now."""
    folders = [_CPU / f"cpu{core}/thermal_throttle" for core in range(os.cpu_count() or 1)]
    files = [folders[0] / "package_throttle_count", *(path / "core_throttle_count" for path in folders)]
    counts = [count for count in map(_read_number, files) if count is not None]
    if counts:
        return int(sum(counts))
    shown = output_of("vcgencmd", "get_throttled")  # throttled=0x50005
    return _any_bit_set(shown.partition("=")[2] if shown else None, _PI_THROTTLED_NOW)


def _any_bit_set(bits: str | None, mask: int) -> int | None:
    """1 if any of the mask's bits is set, else 0; None if `bits` is not a hexadecimal number."""
    try:
        return int(bool(int(bits or "", 16) & mask))
    except ValueError:
        return None


def _gpu(fields: str) -> str | None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    return output_of(
        "nvidia-smi", f"--id={visible}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"
    )


def output_of(command: str, *arguments: str) -> str | None:
    """Output of a system command; None if it is missing, fails or hangs."""
    path = shutil.which(command)
    if path is None:
        return None
    try:
        done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _read_number(path: Path) -> float | None:
    return _number(system_text(path))


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def system_text(path: str | Path) -> str | None:
    """What a file of the system says; None if it cannot be read, or is empty."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
