"""Timing every block of a space on a device, and whole networks to calibrate their sum."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from edgenas.device import Device, host
from edgenas.device.runtime import Runtime, Session
from edgenas.errors import DeviceError
from edgenas.latency.calibration import ENOUGH, MIN_NETWORKS, fit_calibration
from edgenas.latency.calibration_networks import informative_networks, random_networks
from edgenas.latency.table import Calibration, Entry, LatencyTable, Reference, merged, net_ms
from edgenas.onnx_latency.fragment_timing import timed_fragments
from edgenas.progress import Progress, silent
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.timing.journal import keep_rounds, kept_rounds
from edgenas.timing.loaded_models import load_blocks, load_empty, load_sentinel
from edgenas.timing.measuring import Measurement, Timing, is_usual, measure

log = logging.getLogger(__name__)

BUDGET_S = 50.0
"""Target duration of a profile's timing, seconds; exceeded if the minimum number of rounds takes longer."""

NETWORKS = 80
"""Whole networks for a calibration."""

OVERHEAD = "overhead"

RANDOM_SHARE = 0.3
"""Share of the whole networks that are drawn at random, for the interval; the others are chosen for the fit."""

REFERENCES = 10
"""Networks stored with the table, for later sessions to detect drift of the machine."""


@dataclass(frozen=True, slots=True)
class ProfileReport:
    """A new table and statistics of the profile; `retaken` and `disturbed` as in `Measurement`.

    `changes` is a table of only what was measured now. Save this one: another process may have updated the rest.
    """

    table: LatencyTable
    changes: LatencyTable
    measured_blocks: int
    calibration_networks: int
    retaken: int
    disturbed: float


def profile(
    space: SearchSpace,
    device: Device,
    runtime: Runtime,
    known: LatencyTable | None = None,
    networks: int = NETWORKS,
    seed: int = 0,
    progress: Progress = silent,
    journal: Path | None = None,
) -> ProfileReport:
    """Time the space's blocks that `known` lacks or marks unstable, then calibrate on whole networks.

    Fragments, used to predict ONNX files, are timed too if `known` has none.

    Args:
        space: whose distinct blocks are timed.
        device: of the table; timed at its batch size.
        runtime: executes and times.
        known: an earlier table of the same device; its stable entries are not timed again.
        networks: whole networks for the calibration, at least 3.
        seed: draws the networks and the weights (timings do not depend on the latter).
        progress: called for each timed model.
        journal: file for completed rounds, from which an interrupted profile resumes; None for none.

    Raises:
        DeviceError: the runtime cannot run a block, or fewer than three networks to calibrate on.
    """
    valid = known if known and is_still_valid(known, device, runtime) else None
    known_entries = valid.entries if valid else {}
    missing = [block for block in space.distinct_blocks if _is_due(block.key, known_entries)]
    random_count = int(RANDOM_SHARE * networks)
    random_count = random_count if random_count >= ENOUGH else 0
    chosen = informative_networks(space, device, networks - random_count, seed)
    random = random_networks(space, random_count, seed, chosen)
    chosen += random
    if len(chosen) < MIN_NETWORKS:
        raise DeviceError(f"{len(chosen)} networks cannot calibrate a table", "use --networks 3 or more")
    before = machine_state(device)
    sessions = _load(space, device, runtime, missing, chosen, seed, progress)
    machine = machine_text(device, runtime)
    rounds = kept_rounds(journal, machine, list(sessions))
    commit = partial(keep_rounds, journal, machine)
    measured = measure(sessions, load_sentinel(runtime), BUDGET_S, rounds, commit, progress)
    sessions.clear()
    fragments = None if valid and valid.fragments else timed_fragments(runtime, device.batch, progress)
    if journal:  # before the calibration: if that fails, everything is to be timed again
        journal.unlink(missing_ok=True)
    fresh = _entries(measured, missing)
    entries = {**known_entries, **fresh}
    calibrations = {space.signature: _calibrate(space, measured, entries, chosen, random)}
    changes = empty_table(device, runtime, measured, before).model_copy(
        update={"entries": fresh, "calibrations": calibrations, "fragments": fragments}
    )
    if valid and not is_usual(measured.sentinel_ms / valid.sentinel_ms):
        log.warning(
            "%s runs at a different speed than when the other blocks of its table were timed; see edgenas doctor, "
            "or delete the table and profile again",
            device.name,
        )
    table = merged(valid, changes) if valid else changes
    return ProfileReport(table, changes, len(missing), len(chosen), measured.retaken, measured.disturbed)


def is_still_valid(known: LatencyTable, device: Device, runtime: Runtime) -> bool:
    """Whether a table is of the current runtime version and power mode."""
    return (known.runtime_version, known.power_mode) == (runtime.version, device.power_mode)


def _is_due(key: str, entries: Mapping[str, Entry]) -> bool:
    return key not in entries or entries[key].unstable


def _load(
    space: SearchSpace,
    device: Device,
    runtime: Runtime,
    missing: Sequence[Block],
    chosen: Sequence[Architecture],
    seed: int,
    progress: Progress,
) -> dict[str, Session]:
    """Sessions of all models to time, by block key or `network/<id>`."""
    models: dict[str, tuple[Block, ...]] = {block.key: (block,) for block in missing}
    models |= {_network_key(architecture): space.blocks(architecture) for architecture in chosen}
    sessions = {OVERHEAD: load_empty(runtime)}
    for i, (key, blocks) in enumerate(models.items()):
        progress("loading models", i, len(models))
        sessions[key] = load_blocks(blocks, device.batch, runtime, seed)
    progress("loading models", len(models), len(models))
    return sessions


def _network_key(architecture: Architecture) -> str:
    return f"network/{architecture.id}"


def _entries(measured: Measurement, blocks: Sequence[Block]) -> dict[str, Entry]:
    timings = {block.key: measured.timings[block.key] for block in blocks}
    return {key: _entry(timing) for key, timing in timings.items()}


def _entry(timing: Timing) -> Entry:
    return Entry(
        typical_ms=timing.typical_ms,
        min_ms=timing.min_ms,
        p50_ms=timing.p50_ms,
        p90_ms=timing.p90_ms,
        n=timing.n,
        spread=timing.spread,
        unstable=timing.unstable,
    )


def _calibrate(
    space: SearchSpace,
    measured: Measurement,
    entries: Mapping[str, Entry],
    chosen: Sequence[Architecture],
    random: Sequence[Architecture],
) -> Calibration:
    overhead_ms = measured.timings[OVERHEAD].typical_ms
    timings = [measured.timings[_network_key(architecture)] for architecture in chosen]
    calibration = fit_calibration(
        {block.key: net_ms(entries[block.key], overhead_ms) for block in space.distinct_blocks},
        {a.id: [block.key for block in space.blocks(a)] for a in chosen},
        [timing.typical_ms for timing in timings],
        overhead_ms,
        # Half of the rounds serve as an independent measurement.
        [timing.halves_ms[i % 2] for i, timing in enumerate(timings)],
        {architecture.id for architecture in random},
    )
    references = [
        Reference(choices=architecture.choices, measured_ms=timing.typical_ms)
        for architecture, timing in zip(chosen, timings, strict=True)
    ]
    return calibration.model_copy(update={"references": _spread(references)})


def _spread(networks: Sequence[Reference]) -> tuple[Reference, ...]:
    """A few networks, evenly spread from the fastest to the slowest."""
    ranked = sorted(networks, key=lambda network: network.measured_ms)
    return tuple(
        ranked[i] for i in np.unique(np.linspace(0, len(ranked) - 1, REFERENCES).round().astype(int))
    )


def machine_state(device: Device) -> host.HostState:
    """Temperature, clock and throttling of the processor, or of the GPU if the device uses one."""
    return (host.gpu_state() if device.uses_gpu else None) or host.state()


def machine_text(device: Device, runtime: Runtime) -> str:
    """Text that identifies runtime, hardware and power mode in a journal."""
    return f"{runtime.version}, {host.fingerprint(device.uses_gpu)}, {device.power_mode}"


def _description(device: Device) -> str:
    processor = f"{host.cpu_model()}, {host.cores()} cores"
    return f"{host.gpu_name()}, {processor}" if device.uses_gpu else processor


def empty_table(
    device: Device, runtime: Runtime, measured: Measurement, before: host.HostState
) -> LatencyTable:
    """A table without entries that describes the machine and the conditions of the measurement."""
    after = machine_state(device)
    counts = (before.throttle_events, after.throttle_events)
    return LatencyTable(
        device=device.name,
        runtime=runtime.name,
        runtime_version=runtime.version,
        provider=runtime.provider,
        precision=device.precision,
        threads=device.threads,
        batch=device.batch,
        power_mode=device.power_mode,
        governor=after.governor,
        frequency_mhz=after.frequency_mhz,
        temperature_c=after.temperature_c,
        throttle_events=None if counts[0] is None or counts[1] is None else max(0, counts[1] - counts[0]),
        cores=runtime.cores,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=host.fingerprint(device.uses_gpu),
        host_description=_description(device),
        overhead_ms=measured.timings[OVERHEAD].typical_ms,
        sentinel_ms=measured.sentinel_ms,
        disturbed=measured.disturbed,
        entries={},
    )
