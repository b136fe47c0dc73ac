"""From measured times to a latency table: entries of blocks, and the calibration of their sum."""

from collections.abc import Mapping, Sequence

import numpy as np

from edgenas.board.energy import Energy
from edgenas.device import Device
from edgenas.latency.calibration import MIN_NETWORKS, fit_calibration
from edgenas.latency.table import (
    BlockEnergy,
    Calibration,
    Entry,
    Fragments,
    LatencyTable,
    Reference,
    net_ms,
)
from edgenas.profiling.machine_facts import MachineFacts, empty_table
from edgenas.profiling.profile_plan import OVERHEAD, ProfilePlan
from edgenas.space import Block, SearchSpace
from edgenas.timing.measuring import Measurement, Timing

REFERENCES = 10
"""Networks stored with the table, for later sessions to detect drift of the machine."""


def table_of(
    plan: ProfilePlan,
    device: Device,
    facts: MachineFacts,
    measured: Measurement,
    known: Mapping[str, Entry],
    fragments: Fragments | None,
    energies: Mapping[str, Energy],
) -> LatencyTable:
    """The table of what was measured, here or on a board.

    It has no calibration if blocks of the space or networks are missing, as where a board's runtime refuses some.

    Args:
        plan: its models.
        device: of the table.
        facts: where it was measured.
        measured: times of all models of the plan, and of the empty one.
        known: entries of an earlier table, for blocks that the plan does not time.
        fragments: times of fragments, if they were measured too.
        energies: of runs of blocks of the plan, as far as they were measured.
    """
    fresh = _entries(measured, plan.blocks, bool(facts.changed))
    entries = {**known, **fresh}
    complete = [
        space
        for space in plan.space.of_any_channels
        if all(block.key in entries for block in space.distinct_blocks)
    ]
    calibrations = {}
    if plan.space in complete and len(plan.networks) >= MIN_NETWORKS:
        own = _calibrate(plan, measured, entries)
        calibrations = {space.signature: _carried_over(own, plan.space, space, entries) for space in complete}
    return empty_table(device, facts, measured).model_copy(
        update={
            "entries": fresh,
            "calibrations": calibrations,
            "fragments": fragments,
            "energies": _energies(energies, fresh, measured.timings[OVERHEAD].typical_ms),
        }
    )


def _entries(measured: Measurement, blocks: Sequence[Block], changed: bool) -> dict[str, Entry]:
    timings = {block.key: measured.timings[block.key] for block in blocks}
    return {key: _entry(timing, changed) for key, timing in timings.items()}


def _entry(timing: Timing, changed: bool) -> Entry:
    """The entry of a time; unstable also if the machine's conditions changed, so that it is timed again."""
    return Entry(
        typical_ms=timing.typical_ms,
        min_ms=timing.min_ms,
        p50_ms=timing.p50_ms,
        p90_ms=timing.p90_ms,
        n=timing.n,
        spread=timing.spread,
        unstable=timing.unstable or changed,
    )


def _energies(
    found: Mapping[str, Energy], entries: Mapping[str, Entry], overhead_ms: float
) -> dict[str, BlockEnergy]:
    """Energies of entries without the overhead of a call, which is taken to draw as much power as the block."""
    energies = {}
    for key in entries.keys() & found.keys():
        share = net_ms(entries[key], overhead_ms) / entries[key].typical_ms
        mj, sd_mj, meter = found[key]
        energies[key] = BlockEnergy(mj=share * mj, sd_mj=share * sd_mj, meter=meter)
    return dict(sorted(energies.items()))


def _calibrate(plan: ProfilePlan, measured: Measurement, entries: Mapping[str, Entry]) -> Calibration:
    overhead_ms = measured.timings[OVERHEAD].typical_ms
    timings = [measured.timings[plan.network_key(each)] for each in plan.networks]
    random = plan.networks[len(plan.networks) - plan.random :]
    calibration = fit_calibration(
        {block.key: net_ms(entries[block.key], overhead_ms) for block in plan.space.distinct_blocks},
        {each.id: [block.key for block in plan.space.blocks(each)] for each in plan.networks},
        [timing.typical_ms for timing in timings],
        overhead_ms,
        # Half of the rounds serve as an independent measurement.
        [timing.halves_ms[i % 2] for i, timing in enumerate(timings)],
        {architecture.id for architecture in random},
    )
    references = [
        Reference(choices=architecture.choices, measured_ms=timing.typical_ms)
        for architecture, timing in zip(plan.networks, timings, strict=True)
    ]
    return calibration.model_copy(update={"references": _spread(references)})


def _carried_over(
    calibration: Calibration, space: SearchSpace, other: SearchSpace, entries: Mapping[str, Entry]
) -> Calibration:
    """The calibration for images of other channels: a block costs as much more inside a network, in proportion.

    It has no references: none of its own networks was timed.
    """
    if other is space:
        return calibration
    rows = zip(space.places, other.places, strict=True)
    pairs = {own.key: block.key for place in rows for own, block in zip(*place, strict=True)}

    def factor(key: str) -> float:
        here, there = (net_ms(entries[each], calibration.overhead_ms) for each in (key, pairs[key]))
        return there / here if here else 1.0

    corrections_ms = {pairs[key]: factor(key) * value for key, value in calibration.corrections_ms.items()}
    return calibration.model_copy(update={"corrections_ms": corrections_ms, "references": ()})


def _spread(networks: Sequence[Reference]) -> tuple[Reference, ...]:
    """A few networks, evenly spread from the fastest to the slowest."""
    ranked = sorted(networks, key=lambda network: network.measured_ms)
    return tuple(
        ranked[i] for i in np.unique(np.linspace(0, len(ranked) - 1, REFERENCES).round().astype(int))
    )
