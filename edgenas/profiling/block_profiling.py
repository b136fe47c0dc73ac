"""Timing every block of a space on a device, and whole networks to calibrate their sum."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgenas.board.bursts import is_usual
from edgenas.device import Device
from edgenas.device.runtime import Runtime, Session
from edgenas.latency.table import LatencyTable, merged
from edgenas.onnx_latency.fragment_timing import timed_fragments
from edgenas.profiling.block_energies import add_energies
from edgenas.profiling.machine_facts import facts_here, machine_state, machine_text
from edgenas.profiling.measured_table import table_of
from edgenas.profiling.profile_plan import NETWORKS, OVERHEAD, ProfilePlan, plan_profile
from edgenas.progress import Progress, silent
from edgenas.space import SearchSpace
from edgenas.timing.journal import keep_rounds, kept_energies, kept_rounds
from edgenas.timing.loaded_models import LOADING, load_blocks, load_empty, load_sentinel
from edgenas.timing.measuring import measure
from edgenas.units import change_of_speed

log = logging.getLogger(__name__)

BUDGET_S = 50.0
"""Target duration of a profile's timing, seconds; exceeded if the minimum number of rounds takes longer."""


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

    Fragments, used to predict ONNX files, are timed too unless `known` has some that hold (`_has_fragments`).

    Args:
        space: whose distinct blocks are timed.
        device: of the table; timed at its batch size.
        runtime: executes and times.
        known: an earlier table of the same device; its stable entries are not timed again.
        networks: whole networks for the calibration, at least 3.
        seed: draws the networks and the weights (timings do not depend on the latter).
        progress: called for each timed model.
        journal: file for completed rounds, from which an interrupted profile resumes, with another beside it for those
            of fragments; None for none.

    Raises:
        DeviceError: the runtime cannot run a block, or fewer than three networks to calibrate on.
    """
    valid = known if known and is_still_valid(known, device, runtime) else None
    known_entries = valid.entries if valid else {}
    plan = plan_profile(space, device, known_entries, networks, seed)
    before = machine_state(device)
    sessions = _load(plan, device, runtime, seed, progress)
    machine = machine_text(device, runtime)
    rounds = kept_rounds(journal, machine, list(sessions))
    rounds = {key: [] for key in sessions} if rounds is None else rounds
    energies = kept_energies(journal, machine, list(sessions))
    commit = partial(keep_rounds, journal, machine, rounds, energies)
    measured = measure(sessions, load_sentinel(runtime), BUDGET_S, rounds, lambda _: commit(), progress)
    facts = facts_here(device, runtime, before)
    blocks = {block.key: sessions[block.key] for block in plan.blocks}
    add_energies(blocks, device, energies, commit, progress)
    blocks.clear()
    sessions.clear()
    of_fragments = journal and journal.with_suffix(f".fragments{journal.suffix}")
    fragments = None
    if not (valid and _has_fragments(valid, measured.sentinel_ms)):
        fragments = timed_fragments(runtime, device.batch, progress, of_fragments, machine)
    for each in filter(None, (journal, of_fragments)):
        each.unlink(missing_ok=True)  # before the calibration: if that fails, everything is to be timed again
    changes = table_of(plan, device, facts, measured, known_entries, fragments, energies)
    if valid and valid.entries and not is_usual(measured.sentinel_ms / valid.sentinel_ms):
        log.warning(
            "%s runs at a different speed than when the other blocks of its table were timed; see edgenas doctor, "
            "or delete the table and profile again",
            device.name,
        )
    table = merged(valid, changes) if valid else changes
    return ProfileReport(
        table, changes, len(plan.blocks), len(plan.networks), measured.retaken, measured.disturbed
    )


def is_still_valid(known: LatencyTable, device: Device, runtime: Runtime) -> bool:
    """Whether a table is of the current runtime version and power mode."""
    return (known.runtime_version, known.power_mode) == (runtime.version, device.power_mode)


def _has_fragments(table: LatencyTable, sentinel_ms: float) -> bool:
    """Whether a valid table has fragments whose times hold: the machine's pace, as the sentinel says, is the same."""
    fragments = table.fragments
    if fragments is None or fragments.is_of_earlier_version:
        return False
    ratio = sentinel_ms / (fragments.sentinel_ms or table.sentinel_ms)
    if not is_usual(ratio):
        log.warning(
            "%s is %s than when fragments of networks were timed on it%s: they are timed again",
            table.device,
            change_of_speed(ratio),
            f" ({fragments.measured_at})" if fragments.measured_at else "",
        )
    return is_usual(ratio)


def _load(
    plan: ProfilePlan, device: Device, runtime: Runtime, seed: int, progress: Progress
) -> dict[str, Session]:
    """Sessions of all models to time, by key."""
    models = plan.models
    sessions = {OVERHEAD: load_empty(runtime)}
    for i, (key, blocks) in enumerate(models.items()):
        progress(LOADING, i, len(models))
        sessions[key] = load_blocks(blocks, device.batch, runtime, seed)
    progress(LOADING, len(models), len(models))
    return sessions
