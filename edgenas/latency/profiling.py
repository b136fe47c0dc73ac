"""Timing every block of a space on a device, and whole networks to calibrate their sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from edgenas.device import Device, host
from edgenas.device.runtime import Runtime, Session
from edgenas.errors import DeviceError
from edgenas.latency.calibration import fit_calibration
from edgenas.latency.table import Entry, LatencyTable
from edgenas.progress import Progress, silent
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.space.block import input_shape
from edgenas.space.graph import INPUT, onnx_from_blocks, random_weights

PASSES = 8
"""Rounds over all models: a slow moment then hits all alike, and the minimum escapes it."""

PASS_MS = 12.0
"""How long each model is timed in one round; at least two runs."""

UNSTABLE_SPREAD = 0.5
"""A median this much above the minimum says the machine was not quiet."""


@dataclass(frozen=True, slots=True)
class ProfileReport:
    """A fresh table and what making it took."""

    table: LatencyTable
    measured_blocks: int
    calibration_networks: int


def profile(
    space: SearchSpace,
    device: Device,
    runtime: Runtime,
    known: LatencyTable | None = None,
    networks: int = 10,
    seed: int = 0,
    progress: Progress = silent,
) -> ProfileReport:
    """Time the space's blocks that `known` lacks, then calibrate on whole networks.

    Args:
        space: whose distinct blocks are timed.
        device: what the table is for; its batch size is the one timed.
        runtime: executes and times.
        known: an earlier table of the same device; its entries are not timed again.
        networks: whole networks for the calibration, at least 3.
        seed: draws the networks and the weights (times do not depend on the latter).
        progress: told about each timed model.

    Raises:
        DeviceError: the runtime cannot run a block, or fewer than three networks to calibrate on.
    """
    valid = known if known and known.runtime_version == runtime.version else None
    known_entries = valid.entries if valid else {}
    missing = [block for block in space.distinct_blocks if block.key not in known_entries]
    chosen = _spread_networks(space, networks, seed)
    if len(chosen) < 3:
        raise DeviceError(f"{len(chosen)} networks cannot calibrate a table", "use --samples 3 or more")
    models = [[block] for block in missing] + [list(space.blocks(architecture)) for architecture in chosen]
    sessions = [_empty_session(runtime)]
    for i, blocks in enumerate(models):
        progress("loading models", i, len(models))
        sessions.append(_session(blocks, device.batch, runtime, seed))
    progress("loading models", len(models), len(models))
    empty, *samples = interleaved_samples(sessions, PASSES, PASS_MS, progress)
    overhead_ms = float(empty.min())
    fresh = {block.key: _entry(times) for block, times in zip(missing, samples[: len(missing)], strict=True)}
    entries = {**known_entries, **fresh}
    sums = [sum(entries[b.key].min_ms - overhead_ms for b in space.blocks(a)) for a in chosen]
    minima = [float(times.min()) for times in samples[len(missing) :]]
    calibration = fit_calibration(np.array(sums), np.array(minima), overhead_ms)
    now = host.state()
    table = LatencyTable(
        device=device.name,
        runtime=runtime.name,
        runtime_version=runtime.version,
        provider=runtime.provider,
        precision=device.precision,
        threads=runtime.threads,
        batch=device.batch,
        power_mode=device.power_mode,
        governor=now.governor,
        frequency_mhz=now.frequency_mhz,
        temperature_c=now.temperature_c,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        host=host.fingerprint(),
        host_description=f"{host.cpu_model()}, {host.cores()} cores",
        overhead_ms=overhead_ms,
        entries=entries,
        calibrations={**(valid.calibrations if valid else {}), space.signature: calibration},
    )
    return ProfileReport(table, len(missing), len(chosen))


def interleaved_samples(
    sessions: Sequence[Session], passes: int, pass_ms: float, progress: Progress = silent
) -> list[NDArray[np.float64]]:
    """Time loaded models in turn, several rounds, after a warm-up; milliseconds of each run, by model."""
    for session in sessions:
        _warm_up(session)
    rounds: list[list[NDArray[np.float64]]] = [[] for _ in sessions]
    total = passes * len(sessions)
    for i in range(total):
        progress("timing", i, total)
        rounds[i % len(sessions)].append(_timed(sessions[i % len(sessions)], pass_ms))
    progress("timing", total, total)
    return [np.concatenate(parts) for parts in rounds]


def _session(blocks: Sequence[Block], batch: int, runtime: Runtime, seed: int) -> Session:
    model = onnx_from_blocks(blocks, random_weights(seed))
    shape = (batch, *input_shape(blocks[0]))
    image = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return runtime.load(model.SerializeToString(), {INPUT: image})


def _empty_session(runtime: Runtime) -> Session:
    """A one-element model: its time is what a call costs however little it does."""
    from onnx import TensorProto, helper

    value = [1, 1, 1, 1]
    graph = helper.make_graph(
        [helper.make_node("Relu", [INPUT], ["output"])],
        "overhead",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, value)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, value)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return runtime.load(model.SerializeToString(), {INPUT: np.ones(value, np.float32)})


def _warm_up(session: Session) -> None:
    """Run until a run is no longer clearly faster than the ones before it."""
    best = session.time_ms(2).min()
    for _ in range(10):
        latest = session.time_ms(2).min()
        if latest > 0.97 * best:
            return
        best = latest


def _timed(session: Session, budget_ms: float) -> NDArray[np.float64]:
    first = session.time_ms(1)
    calls = int(np.clip(budget_ms / first[0], 1, 2000))
    return np.concatenate([first, session.time_ms(calls)])


def _entry(samples_ms: NDArray[np.float64]) -> Entry:
    low, p50, p90 = np.quantile(samples_ms, [0, 0.5, 0.9])
    return Entry(
        min_ms=low,
        p50_ms=p50,
        p90_ms=p90,
        n=len(samples_ms),
        spread=(p90 - low) / low,
        unstable=bool(p50 / low - 1 > UNSTABLE_SPREAD),
    )


def _spread_networks(space: SearchSpace, count: int, seed: int) -> list[Architecture]:
    """Networks from small to large by MACs: a line is best known from its ends."""
    rng = np.random.default_rng(seed)
    pool = {a.id: a for a in (space.sample(rng) for _ in range(20 * count))}
    ranked = sorted(pool.values(), key=space.macs)
    return [ranked[i] for i in np.unique(np.linspace(0, len(ranked) - 1, count).round().astype(int))]
