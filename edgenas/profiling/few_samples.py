"""A table from a few whole networks: the most informative ones are timed, other devices serve as a prior."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgenas.board.bursts import is_usual
from edgenas.device import Device
from edgenas.device.runtime import Runtime
from edgenas.errors import InputError
from edgenas.latency.table import Inference, LatencyTable, merged
from edgenas.profiling.block_profiling import BUDGET_S, is_still_valid
from edgenas.profiling.machine_facts import (
    MachineFacts,
    empty_table,
    facts_here,
    machine_state,
    machine_text,
)
from edgenas.profiling.profile_plan import OVERHEAD
from edgenas.progress import Progress, silent
from edgenas.space import Architecture, SearchSpace
from edgenas.timing.journal import keep_rounds, kept_rounds
from edgenas.timing.loaded_models import LOADING, load_blocks, load_empty, load_sentinel
from edgenas.timing.measuring import UNSTABLE_SPREAD, Measurement, Timing, measure
from edgenas.transfer.known_devices import MIN_SAMPLES, Inferred, KnownDevices, Sample

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FewSamplesReport:
    """An inferred table and statistics of the profile; `retaken` and `disturbed` as in `Measurement`.

    `changes` is a table of only what was found now. `measured` networks were timed now, `kept` before; `unstable` are
    the ids of networks with unreliable times.
    """

    table: LatencyTable
    changes: LatencyTable
    inferred: Inferred
    measured: int
    kept: int
    unstable: tuple[str, ...]
    retaken: int = 0
    disturbed: float = 0.0


def profile_from_few(
    space: SearchSpace,
    device: Device,
    runtime: Runtime,
    known: LatencyTable | None = None,
    samples: int = 10,
    seed: int = 0,
    progress: Progress = silent,
    journal: Path | None = None,
) -> FewSamplesReport:
    """Time the most informative networks and infer the cost of every block of the space.

    Networks that `known` was inferred from are not timed again, unless they were unstable or the machine's speed has
    changed.

    Args:
        space: whose blocks are inferred.
        device: of the table; timed at its batch size.
        runtime: executes and times.
        known: an earlier table of the same device.
        samples: total number of timed networks, at least 3; fewer if the space has fewer.
        seed: draws the candidates and the weights.
        progress: called for each timed network.
        journal: file for completed rounds, from which an interrupted measurement resumes; None for none.

    Raises:
        InputError: the space has fewer than three networks.
        DeviceError: the runtime cannot run a network.
        FileFormatError: a device file is invalid.
    """
    others = KnownDevices(space, device)
    valid = known if known and is_still_valid(known, device, runtime) else None
    old = _known_samples(space, valid)
    kept = [sample for sample in old if not _is_unstable(sample)]
    due = [sample.network for sample in old if _is_unstable(sample)]
    due += others.informative_networks(max(samples - len(old), 0), [sample.network for sample in old], seed)
    if len(kept) + len(due) < MIN_SAMPLES:
        raise InputError(f"{space.signature} has only {len(kept) + len(due)} networks", "leave out --samples")
    usual_ms = valid.inferences[space.signature].sentinel_ms if valid and kept else None
    if valid and usual_ms and not due:
        return _report(space, others, valid.model_copy(update={"changed": ()}), kept, usual_ms)
    time = partial(_time, space, device, runtime, seed, progress, journal)
    table, measured = time(due)
    if usual_ms and not is_usual(measured.sentinel_ms / usual_ms):
        log.warning(
            "%s runs at a different speed than when %d networks were timed: they are timed again",
            device.name,
            len(kept),
        )
        due, kept = [*(sample.network for sample in kept), *due], []
        table, measured = time(due)
    found = _report(
        space, others, table, [*kept, *_samples(due, measured, bool(table.changed))], table.sentinel_ms
    )
    return replace(
        found,
        table=merged(valid, found.changes) if valid else found.changes,
        measured=len(due),
        kept=len(kept),
        retaken=measured.retaken,
        disturbed=measured.disturbed,
    )


def inferred_table(
    space: SearchSpace,
    device: Device,
    facts: MachineFacts,
    measured: Measurement,
    networks: Sequence[Architecture],
) -> FewSamplesReport:
    """A table from networks that were measured on a board.

    Args:
        space: whose blocks are inferred.
        device: of the table.
        facts: where they were measured.
        measured: times of the networks, by id, and of the empty model.
        networks: at least three.
    """
    table, samples = empty_table(device, facts, measured), _samples(networks, measured, bool(facts.changed))
    found = _report(space, KnownDevices(space, device), table, samples, measured.sentinel_ms)
    return replace(
        found,
        measured=len(samples),
        kept=0,
        retaken=measured.retaken,
        disturbed=measured.disturbed,
    )


def _report(
    space: SearchSpace,
    others: KnownDevices,
    table: LatencyTable,
    samples: Sequence[Sample],
    sentinel_ms: float,
) -> FewSamplesReport:
    """The report of an inference from samples, none of them timed now."""
    inferred = others.infer(samples, sentinel_ms)
    inferences = _of_any_channels(space, inferred.inference)
    return FewSamplesReport(
        table=table.model_copy(update={"inferences": {**table.inferences, **inferences}}),
        changes=table.model_copy(update={"entries": {}, "calibrations": {}, "inferences": inferences}),
        inferred=inferred,
        measured=0,
        kept=len(samples),
        unstable=tuple(sample.network.id for sample in samples if _is_unstable(sample)),
    )


def _of_any_channels(space: SearchSpace, inference: Inference) -> dict[str, Inference]:
    """The inference for images of any number of channels, by signature; only the space's own networks were timed."""
    calibration = inference.calibration.model_copy(update={"references": ()})
    derived = inference.model_copy(update={"calibration": calibration, "uncertainties": ()})
    return {each.signature: derived for each in space.of_any_channels} | {space.signature: inference}


def _known_samples(space: SearchSpace, table: LatencyTable | None) -> list[Sample]:
    """The samples of a table's inference for the space."""
    inference = table.inferences.get(space.signature) if table else None
    if inference is None:
        return []
    rows = zip(inference.calibration.references, inference.uncertainties, strict=True)
    return [Sample(space.architecture(each.choices), each.measured_ms, off) for each, off in rows]


def _samples(networks: Sequence[Architecture], measured: Measurement, changed: bool) -> list[Sample]:
    """The samples; unstable all, so that they are timed again, if the machine's conditions changed meanwhile."""
    timings = [measured.timings[network.id] for network in networks]
    return [
        Sample(network, timing.typical_ms, _uncertainty(timing, changed))
        for network, timing in zip(networks, timings, strict=True)
    ]


def _uncertainty(timing: Timing, changed: bool) -> float:
    """Relative standard deviation of a time: half the difference between the two halves of the rounds."""
    first, second = timing.halves_ms
    off = abs(first - second) / (first + second)
    return max(off, UNSTABLE_SPREAD) if timing.unstable or changed else off


def _is_unstable(sample: Sample) -> bool:
    return sample.uncertainty >= UNSTABLE_SPREAD


def _time(
    space: SearchSpace,
    device: Device,
    runtime: Runtime,
    seed: int,
    progress: Progress,
    journal: Path | None,
    networks: Sequence[Architecture],
) -> tuple[LatencyTable, Measurement]:
    """Time whole networks; a table without entries, and the times by id."""
    before = machine_state(device)
    sessions = {OVERHEAD: load_empty(runtime)}
    for number, network in enumerate(networks):
        progress(LOADING, number, len(networks))
        sessions[network.id] = load_blocks(space.blocks(network), device.batch, runtime, seed)
    progress(LOADING, len(networks), len(networks))
    machine = machine_text(device, runtime)
    rounds = kept_rounds(journal, machine, list(sessions))
    commit = partial(keep_rounds, journal, machine)
    measured = measure(sessions, load_sentinel(runtime), BUDGET_S, rounds, commit, progress)
    if journal:
        journal.unlink(missing_ok=True)
    return empty_table(device, facts_here(device, runtime, before), measured), measured
