"""What a board's results amount to: a latency table. The file is checked like any that comes from elsewhere."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

import numpy as np
from pydantic import Field, ValidationError, model_validator

from edgenas.board import host
from edgenas.board.bursts import Bursts
from edgenas.board.conditions import changes
from edgenas.device import Device
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.errors import DeviceError, FileFormatError, InputError
from edgenas.formats import Document, Line, Milliseconds, read_json
from edgenas.fragments.drawing import Fragment
from edgenas.kits.kit_plan import FRAGMENT, BoardPlan, KitPlan, TimingPlan, planned_fragments
from edgenas.latency.table import Calibration, Fragments, LatencyTable, find_table, merged, save_table
from edgenas.onnx_latency.fragment_timing import executed_kernels, fragments_from
from edgenas.profiling.few_samples import FewSamplesReport, inferred_table
from edgenas.profiling.machine_facts import MachineFacts
from edgenas.profiling.measured_table import table_of
from edgenas.profiling.profile_plan import OVERHEAD, ProfilePlan
from edgenas.timing.journal import CheckedBurst, CheckedEnergy, CheckedMemory, CheckedRuns
from edgenas.timing.measuring import Measurement, measurement_of
from edgenas.transfer.known_devices import MIN_SAMPLES

log = logging.getLogger(__name__)

MAX_RESULTS_BYTES = 8 * 2**20
"""Several times the results of a large kit, and little enough to parse whatever it holds."""


MIN_RUN_ROUNDS = 2
"""Rounds in which models are compared."""

P = TypeVar("P", bound=BoardPlan)


class BoardResults(Document, Generic[P]):
    """What a board measured, as the runner of a kit writes it; see `board.run`."""

    schema_: Literal["edgenas.results/1"] = Field(alias="schema")
    plan: P
    manifest_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    runtime: Line
    runtime_version: Line
    provider: Line
    cores: tuple[Annotated[int, Field(ge=0, le=100_000)], ...] = Field(max_length=10_000)
    host: Line
    host_description: Line
    measured_at: Line
    governor: Line | None
    frequency_mhz: float | None = Field(gt=0, le=1e6)
    temperature_c: float | None = Field(ge=-300, le=1000)
    throttle_events: int | None = Field(ge=0, le=10**9)
    before: list[tuple[Line, Line, Line]] = Field(max_length=100)
    after: list[tuple[Line, Line, Line]] = Field(max_length=100)
    retaken: int = Field(ge=0, le=10**9)
    failed: dict[Line, Line]
    bursts: dict[Line, Annotated[list[CheckedBurst], Field(min_length=1, max_length=1000)]] = Field(
        min_length=1
    )
    runs: dict[Line, CheckedRuns] = Field(default={})
    loading_ms: dict[Line, tuple[Milliseconds, Milliseconds]] = Field(default={})
    memory_bytes: dict[Line, CheckedMemory] = Field(default={})
    energies: dict[Line, CheckedEnergy] = Field(default={})

    @model_validator(mode="after")
    def _they_are_of_one_kit(self) -> Self:
        if both := self.bursts.keys() & self.failed.keys():
            raise ValueError(f"{min(both)} is among the timed models and among the failed ones")
        if untimed := self.energies.keys() - self.bursts.keys():
            raise ValueError(f"{min(untimed)} has an energy, but is not among the timed models")
        if (self.runtime, self.provider) != (self.plan.runtime, self.plan.provider):
            raise ValueError("runtime and provider must be those of the plan")
        return self

    @property
    def facts(self) -> MachineFacts:
        """Where and how it was measured."""
        fields = MachineFacts.__dataclass_fields__
        return MachineFacts(**{name: getattr(self, name) for name in fields})

    @property
    def changed(self) -> tuple[str, ...]:
        """Conditions that changed while the board measured, in words."""
        return tuple(changes(self.before, self.after))


class KitResults(BoardResults[KitPlan]):
    """The results of a kit for a table."""


class TimingResults(BoardResults[TimingPlan]):
    """The times of models for their own sake."""

    @model_validator(mode="after")
    def _they_are_of_the_plan(self) -> Self:
        expected = {*self.plan.models, *(() if self.plan.runs else (OVERHEAD,))}
        if odd := expected ^ (self.bursts.keys() | self.failed.keys()):
            raise ValueError(f"{min(odd)} is missing, or not among the plan's models")
        if self.runs.keys() != (self.bursts.keys() if self.plan.runs else set()):
            raise ValueError("runs must be those of the models that were timed, if the plan asks for them")
        rounds = {len(self.bursts[key]) for key in self.runs}
        rounds |= {len(each.back_to_back) for each in self.runs.values()}
        if self.runs and (len(rounds) > 1 or min(rounds) < MIN_RUN_ROUNDS):
            raise ValueError("all models must have been run in the same rounds, at least two")
        return self


R = TypeVar("R", bound=BoardResults[Any])


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The table that results amount to.

    Attributes:
        table: only what was measured now; to be saved into the device's table.
        calibrations: by image size; those that could not be timed in full are missing.
        incomplete: by the size, what is missing and why.
        few: of a kit of a few networks, from which the blocks were inferred.
        measured: how many models were timed.
        unstable: keys of blocks, or ids of networks, with noisy timings.
        disturbed: as in `Measurement`.
    """

    table: LatencyTable
    calibrations: dict[int, Calibration]
    incomplete: dict[int, str]
    few: FewSamplesReport | None
    measured: int
    unstable: tuple[str, ...]
    disturbed: float


def read_results(path: Path, kind: type[R]) -> R:
    """Read the results of a kit.

    Raises:
        FileFormatError: they are not such results, or have been tampered with.
    """
    return read_json(path, kind, MAX_RESULTS_BYTES)


def table_from_results(results: KitResults, device: Device, path: Path) -> ImportReport:
    """The table that a kit's results amount to.

    Args:
        results: of the kit.
        device: of the table.
        path: where the results come from, for messages.

    Raises:
        FileFormatError: they are not those of the plan in them.
        InputError: the plan's space is unknown here.
        DeviceError: too little could be timed, or the times contradict each other.
    """
    try:
        return _report(results, device, path)
    except (np.linalg.LinAlgError, ValidationError):
        raise DeviceError(f"{path}: the times contradict each other", "measure again") from None


def _report(results: KitResults, device: Device, path: Path) -> ImportReport:
    plans = results.plan.profile_plans()
    drawn = _drawn_fragments(results.plan)
    _check_keys(results, plans, drawn, path)
    if OVERHEAD in results.failed:
        raise DeviceError(
            f"{path}: the board could not run the empty model ({results.failed[OVERHEAD]})",
            "install another version of the runtime there, and measure again",
        )
    bursts: Bursts = {
        key: each for key, each in results.bursts.items() if drawn is not None or not key.startswith(FRAGMENT)
    }
    measured = measurement_of(bursts, results.retaken)
    if not results.plan.blocks:
        return _inferred(results, device, plans, measured)
    found = _fragments(drawn or {}, device, measured, results.measured_at)
    tables = {
        size: table_of(
            _timed_part(plan, measured), device, results.facts, measured, {}, found, results.energies
        )
        for size, plan in plans.items()
    }
    table: LatencyTable | None = None
    for each in tables.values():
        table = merged(table, each) if table else each
    assert table is not None
    if not table.entries:
        raise DeviceError(f"{path}: no block could be timed", "install another version of the runtime there")
    calibrations = {
        size: each.calibrations[plans[size].space.signature]
        for size, each in tables.items()
        if each.calibrations
    }
    return ImportReport(
        table=table,
        calibrations=calibrations,
        incomplete={size: _reason(plan, results) for size, plan in plans.items() if size not in calibrations},
        few=None,
        measured=len(bursts),
        unstable=tuple(key for key, entry in table.entries.items() if entry.unstable),
        disturbed=measured.disturbed,
    )


def _reason(plan: ProfilePlan, results: KitResults) -> str:
    """Why a size cannot be predicted."""
    keys = [block.key for block in plan.blocks if block.key in results.failed]
    if keys:
        more = f", and {len(keys) - 1} other blocks" if len(keys) > 1 else ""
        return f"{keys[0]} could not be timed ({results.failed[keys[0]]}){more}"
    return "too few whole networks could be timed"


def check_keys(results: KitResults, path: Path) -> None:
    """Raise a FileFormatError if the models are not those of the plan."""
    _check_keys(results, results.plan.profile_plans(), _drawn_fragments(results.plan), path)


def _check_keys(
    results: KitResults,
    plans: Mapping[int, ProfilePlan],
    drawn: Mapping[str, Fragment] | None,
    path: Path,
) -> None:
    """Refuse models that the plan lacks, and plans of which models are missing."""
    expected = {OVERHEAD, *(key for plan in plans.values() for key in plan.models), *(drawn or ())}
    found = results.bursts.keys() | results.failed.keys()
    if drawn is None:  # unknown here
        found = {key for key in found if not key.startswith(FRAGMENT)}
    if found != expected:
        odd = min(found ^ expected)
        says = "is missing" if odd in expected else "is not among the kit's models"
        raise FileFormatError(path, f"bursts.{odd}", says, "copy results.json from the board again")


def _timed_part(plan: ProfilePlan, measured: Measurement) -> ProfilePlan:
    """The plan without the models that could not be timed."""
    timed = [plan.network_key(each) in measured.timings for each in plan.networks]
    first_random = len(plan.networks) - plan.random
    return replace(
        plan,
        blocks=tuple(block for block in plan.blocks if block.key in measured.timings),
        networks=tuple(each for each, there in zip(plan.networks, timed, strict=True) if there),
        random=sum(timed[first_random:]),
    )


def _drawn_fragments(plan: KitPlan) -> dict[str, Fragment] | None:
    """The fragments of the plan, by key; None, with a warning, if this version draws others."""
    if plan.fragments is None:
        return {}
    drawn = planned_fragments(plan.fragments, plan.batch)
    if drawn is None:
        log.warning(
            "the kit is of another version (%s), whose fragments of networks are unknown here: ONNX files of others "
            "will be predicted less accurately",
            plan.edgenas,
        )
    return drawn


def _fragments(
    drawn: Mapping[str, Fragment], device: Device, measured: Measurement, measured_at: str
) -> Fragments | None:
    """What the table keeps of the fragments that were timed; None if none was."""
    timed = {key: each for key, each in drawn.items() if key in measured.timings}
    if not timed:
        return None
    executor = OnnxExecutor(stores_in_blocks(device.provider, device.processor or host.instructions()))
    return fragments_from(
        {each.name: executed_kernels(executor, each) for each in timed.values()},
        {each.name: measured.timings[key].typical_ms for key, each in timed.items()},
        measured.timings[OVERHEAD].typical_ms,
        executor.blocked,
        measured_at,
        measured.sentinel_ms,
    )


def _inferred(
    results: KitResults, device: Device, plans: Mapping[int, ProfilePlan], measured: Measurement
) -> ImportReport:
    ((size, plan),) = plans.items()
    timed = _timed_part(plan, measured)
    if len(timed.networks) < MIN_SAMPLES:
        raise DeviceError(
            f"only {len(timed.networks)} networks could be timed: too few to infer blocks from",
            "install another version of the runtime on the board",
        )
    by_id = {each.id: measured.timings[plan.network_key(each)] for each in timed.networks}
    timings = {**by_id, OVERHEAD: measured.timings[OVERHEAD]}
    few = inferred_table(
        plan.space, device, results.facts, replace(measured, timings=timings), timed.networks
    )
    return ImportReport(
        table=few.changes,
        calibrations={size: few.inferred.inference.calibration},
        incomplete={},
        few=few,
        measured=len(timed.networks),
        unstable=few.unstable,
        disturbed=measured.disturbed,
    )


def save_imported(device: Device, results: KitResults, report: ImportReport) -> Path:
    """Write what was measured into the device's table; returns its path.

    Raises:
        InputError: inferred blocks would replace measured ones, which are always more accurate; or the folder cannot be
            written.
    """
    known = find_table(device)
    if known is not None and not _is_of_the_same_board(known[1], results):
        if report.few and known[1].calibrations:
            raise InputError(
                f"{device.name} has a table with measured blocks, of another board or version of its runtime: a few "
                "networks would replace it",
                f"time every block, or move {known[0]} away",
            )
        log.warning("the table of %s was of another board or version of its runtime: replaced", device.name)
    return save_table(device, report.table)


def _is_of_the_same_board(table: LatencyTable, results: KitResults) -> bool:
    """Whether a table is extended by what was measured, rather than replaced (`table.merged`)."""
    now = (results.host, results.runtime_version, results.plan.power_mode)
    return (table.host, table.runtime_version, table.power_mode) == now
