"""What this host is, and what on it would spoil a measurement."""

import hashlib
import os
import platform
from dataclasses import dataclass
from pathlib import Path

_CPU = Path("/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True)
class HostState:
    """The operating point at one moment; None where the system does not show it."""

    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    load_per_core: float


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


def pin(threads: int) -> None:
    """Keep this process on as many cores as it has threads, the fastest ones; where that cannot be, leave it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, fastest_cores(threads))


def fastest_cores(count: int) -> list[int]:
    """Up to `count` of the cores this process may use, the highest clocks first, then the last ones.

    The first core of many systems also serves their interrupts.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    usable = os.sched_getaffinity(0)
    return sorted(
        usable, key=lambda core: (_read_number(_CPU / f"cpu{core}/cpufreq/cpuinfo_max_freq") or 0, core)
    )[-count:]


def fingerprint() -> str:
    """Short text that changes when the hardware does: tables measured here are only valid here."""
    parts = (platform.system(), platform.machine(), cpu_model(), str(cores()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def state() -> HostState:
    """Read governor, clock, temperature and load of this host."""
    cpu = _CPU / "cpu0/cpufreq"
    frequency = _read_number(cpu / "scaling_cur_freq")
    temperature = _read_number(Path("/sys/class/thermal/thermal_zone0/temp"))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return HostState(
        governor=_read(cpu / "scaling_governor"),
        frequency_mhz=frequency / 1e3 if frequency else None,
        temperature_c=temperature / 1e3 if temperature else None,
        load_per_core=load / cores(),
    )


def _read_number(path: Path) -> float | None:
    try:
        return float(_read(path) or "")
    except ValueError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
