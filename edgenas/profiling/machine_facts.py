"""Where and under what conditions times were measured, as a table records it."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from edgenas.board import host
from edgenas.board.conditions import Condition, changes, machine_conditions
from edgenas.device import Device
from edgenas.device.runtime import Runtime
from edgenas.latency.table import LatencyTable, scheme_name
from edgenas.profiling.profile_plan import OVERHEAD
from edgenas.timing.measuring import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """Fields of `LatencyTable` that describe the machine, its runtime and its state; see there."""

    runtime: str
    runtime_version: str
    provider: str
    cores: tuple[int, ...]
    governor: str | None
    frequency_mhz: float | None
    temperature_c: float | None
    throttle_events: int | None
    measured_at: str
    host: str
    host_description: str
    changed: tuple[str, ...] = ()


class MachineState(NamedTuple):
    """The operating point of a machine, and what would spoil a measurement."""

    now: host.HostState
    conditions: list[Condition]


def facts_here(device: Device, runtime: Runtime, before: MachineState) -> MachineFacts:
    """Those of this machine, at the end of a measurement.

    Args:
        device: that was timed.
        runtime: which executed the models.
        before: the machine's state at the beginning.
    """
    ended = machine_state(device)
    after = ended.now
    counts = (before.now.throttle_events, after.throttle_events)
    return MachineFacts(
        runtime=runtime.name,
        runtime_version=runtime.version,
        provider=runtime.provider,
        cores=runtime.cores,
        governor=after.governor,
        frequency_mhz=after.frequency_mhz,
        temperature_c=after.temperature_c,
        throttle_events=None if counts[0] is None or counts[1] is None else max(0, counts[1] - counts[0]),
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=host.fingerprint(device.uses_gpu),
        host_description=host.description(device.uses_gpu),
        changed=tuple(changes(before.conditions, ended.conditions)),
    )


def machine_state(device: Device) -> MachineState:
    """The state of the processor, or of the GPU if the device uses one."""
    return MachineState(host.state(device.uses_gpu), machine_conditions(device.uses_gpu))


def machine_text(device: Device, runtime: Runtime) -> str:
    """Text that identifies runtime, hardware, power mode and form of the models in a journal."""
    known = (runtime.version, host.fingerprint(device.uses_gpu), device.power_mode, scheme_name(device))
    return ", ".join(each for each in known if each)


def empty_table(device: Device, facts: MachineFacts, measured: Measurement) -> LatencyTable:
    """A table without entries that describes the machine and the conditions of the measurement."""
    return LatencyTable(
        **asdict(facts),
        device=device.name,
        precision=device.precision,
        quantisation=scheme_name(device),
        threads=device.threads,
        batch=device.batch,
        power_mode=device.power_mode,
        overhead_ms=measured.timings[OVERHEAD].typical_ms,
        sentinel_ms=measured.sentinel_ms,
        disturbed=measured.disturbed,
        entries={},
    )
