"""Measuring a device: the latency table of a space, from all its blocks or inferred from a few networks."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, computed_field

from edgenas.device import Device, Provenance, runtime_for
from edgenas.device.runtime import Runtime
from edgenas.errors import DeviceError, InputError
from edgenas.formats import Document
from edgenas.inputs.spaces import space_without_data
from edgenas.inputs.targets import boards_for, device_for
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_profile import profile_over_ssh
from edgenas.latency.table import (
    Calibration,
    LatencyTable,
    find_table,
    journal_path,
    merged,
    save_table,
    table_path,
)
from edgenas.profiling import block_profiling
from edgenas.profiling.block_profiling import ProfileReport
from edgenas.profiling.few_samples import FewSamplesReport, profile_from_few
from edgenas.profiling.profile_plan import NETWORKS
from edgenas.profiling.resolution_profiling import profile_sizes
from edgenas.progress import Progress
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import SAMPLES_NEED_ONE_SIZE, ProfileSettings
from edgenas.space import NetworkSpace, SearchSpace
from edgenas.timing.other_programs import warn_of_other_programs
from edgenas.transfer.known_devices import Inferred


class ProfileResult(Document):
    """The table and the quality of its measurements.

    `unstable` lists keys of blocks with noisy timings. `retaken` timings were repeated because the machine was slower
    or faster than usual; for a share `disturbed` of all timings it still was. `calibrations` are by image size, for
    those that were timed; `calibration` is that of the largest.
    """

    table: Path
    entries: int
    measured: int
    seconds: float
    unstable: tuple[str, ...]
    retaken: int
    disturbed: float
    calibration: Calibration
    calibrations: dict[int, Calibration] = Field(default_factory=dict)
    changed: tuple[str, ...] = Field(
        default=(), description="what changed on the machine meanwhile; entries are unstable then"
    )
    boards: dict[str, float] = Field(
        default={}, description="of several boards: times as a multiple of those of the others, by host"
    )

    @computed_field  # type: ignore[prop-decorator]  # a known limitation of mypy
    @property
    def unstable_entries(self) -> int:
        """Number of unstable blocks."""
        return len(self.unstable)


class Samples(Document):
    """Networks that a table was inferred from: timed now, and kept from earlier profiles."""

    measured: int
    kept: int


class InferredInterval(Document):
    """The 90 % interval of a network as multiples of its prediction; half its width in percent."""

    low: float
    high: float
    half_width_percent: float

    @classmethod
    def of(cls, inferred: Inferred) -> Self:
        """The interval of an inference."""
        factors = inferred.inference.low_factor, inferred.inference.high_factor
        return cls(low=factors[0], high=factors[1], half_width_percent=100 * inferred.half_width)


class FewSamplesResult(ProfileResult):
    """A table inferred from a few networks: `entries` counts inferred blocks, `unstable` lists ids of networks.

    `halving_samples` is the number of networks that would halve the interval; if None, `halving_reason` says why not.
    """

    samples: Samples
    interval: InferredInterval
    halving_samples: int | None
    halving_reason: str | None
    outlook: str
    noise_percent: float
    views: dict[str, float] = Field(description="probability of each feature set to explain the latencies")
    known_devices: tuple[str, ...]
    provenance: Provenance = Provenance.CALIBRATED


@taking(ProfileSettings)
def profile(settings: ProfileSettings) -> ProfileResult:
    """Time every block of a space on a device and calibrate their sum on whole networks, or time only a few of these.

    With `samples`, only the most informative whole networks are timed, and the latency of each block is inferred from
    them and from other devices (provenance `calibrated`; the result is a `FewSamplesResult`). Networks timed by an
    earlier such profile count.

    Of several image sizes, the ends and the multiples of 32 are timed, at least three; predictions for the others are
    interpolated.

    With `ssh`, or a host in the device's file, a kit with the same models is carried to that board and measured there.
    Several boards of one kind are measured at once, and their times taken together.
    All of it is timed, whatever a table has already; repeating an interrupted profile goes on where the board stopped.

    An existing table is extended: only missing or unstable blocks are timed, and fragments of networks unless it has
    some of this machine at its present pace. With `again`, all of the space and the fragments are timed anew. The table
    is written to `./latency_models` if that folder exists, otherwise to the user's data folder. Repeating an
    interrupted profile resumes it.

    Raises:
        InputError: a setting cannot be used.
        DeviceError: the device cannot be reached, or lacks its runtime or provider.
    """
    space = space_without_data(settings)
    device = device_for(settings)
    if settings.samples is not None and not isinstance(space, SearchSpace):
        raise InputError(*SAMPLES_NEED_ONE_SIZE)
    if boards := boards_for(settings, device):
        return _over_ssh(boards, space, device, settings)
    runtime = runtime_for(device)
    warn_of_other_programs()
    start = time.monotonic()
    known = find_table(device)
    table = known[1] if known else None
    if table and settings.again:
        table = _without(space, table)
    seed, progress = settings.seed, settings.progress
    if settings.samples is None:
        networks = settings.networks or NETWORKS

        def timed(part: SearchSpace, table: LatencyTable | None, progress: Progress) -> ProfileReport:
            journal = journal_path(device, part.signature)
            return block_profiling.profile(part, device, runtime, table, networks, seed, progress, journal)

        reports = {}
        for size, report in profile_sizes(space, table, timed, progress):
            reports[size] = report
            path = _save(device, known, report)
        return _measured(path, space, reports, time.monotonic() - start)
    assert isinstance(space, SearchSpace)
    if known:
        _refuse_measured(space, device, runtime, *known)
    journal = journal_path(device, f"{space.signature}-samples")
    few = profile_from_few(space, device, runtime, table, settings.samples, seed, progress, journal)
    return _inferred(_save(device, known, few), few, time.monotonic() - start)


def _over_ssh(
    boards: Sequence[SshBoard], space: NetworkSpace, device: Device, settings: ProfileSettings
) -> ProfileResult:
    """The profile of a board, or of several."""
    start = time.monotonic()
    networks = settings.networks or NETWORKS
    found = profile_over_ssh(
        boards, space, device, networks, settings.samples, settings.seed, settings.progress
    )
    report = found.report
    if report.few:
        inferred = _inferred(found.table, report.few, time.monotonic() - start)
        return inferred.model_copy(update={"boards": report.table.boards})
    for size, reason in report.incomplete.items():
        hosts = ", ".join(board.host for board in boards)
        raise DeviceError(
            f"{hosts} could not time all of {size} px: {reason}; the rest is in {found.table}",
            "install another version of the runtime there",
        )
    return ProfileResult(
        table=found.table,
        entries=len(report.table.entries),
        measured=len(report.table.entries),
        seconds=time.monotonic() - start,
        unstable=report.unstable,
        retaken=found.results.retaken,
        disturbed=report.disturbed,
        calibration=report.calibrations[max(report.calibrations)],
        calibrations=report.calibrations,
        changed=report.table.changed,
        boards=report.table.boards,
    )


def _save(
    device: Device, known: tuple[Path, LatencyTable] | None, report: ProfileReport | FewSamplesReport
) -> Path:
    """Write a table that extends a known one, given with its path; returns its path."""
    if known is None or known[0] == table_path(device):
        return save_table(device, report.changes)
    # A table found in another folder is copied: the new one would hide it.
    return save_table(device, merged(known[1], report.table))


def _without(space: NetworkSpace, table: LatencyTable) -> LatencyTable:
    """A table without fragments and without what it has of a space, so that all of this is timed anew."""
    parts = [each for size in space.resolutions for each in space.at(size).of_any_channels]
    keys = {block.key for part in parts for block in part.distinct_blocks}
    signatures = {part.signature for part in parts}
    return table.model_copy(
        update={
            "entries": {key: each for key, each in table.entries.items() if key not in keys},
            "energies": {key: each for key, each in table.energies.items() if key not in keys},
            "calibrations": {
                signature: each
                for signature, each in table.calibrations.items()
                if keys.isdisjoint(each.corrections_ms)
            },
            "inferences": {
                signature: each for signature, each in table.inferences.items() if signature not in signatures
            },
            "fragments": None,
        }
    )


def _refuse_measured(
    space: SearchSpace, device: Device, runtime: Runtime, path: Path, table: LatencyTable
) -> None:
    """Raise if inference would replace, or add nothing to, measured blocks, which are always more accurate."""
    if table.calibrations and not block_profiling.is_still_valid(table, device, runtime):
        raise InputError(
            f"{device.name} has a table measured with {table.runtime} {table.runtime_version}, power mode "
            f"{table.power_mode!r}: --samples would replace it",
            f"leave out --samples to measure again, or move {path} away",
        )
    if space.signature in table.calibrations:
        raise InputError(
            f"every block of {space.signature} was measured on {device.name}: --samples would add nothing",
            "leave out --samples",
        )


def _measured(
    path: Path, space: NetworkSpace, reports: dict[int, ProfileReport], seconds: float
) -> ProfileResult:
    parts = {size: space.at(size) for size in reports}
    table = reports[max(reports)].table
    keys = dict.fromkeys(block.key for part in parts.values() for block in part.blocks_of_any_channels)
    calibrations = {size: table.calibrations[part.signature] for size, part in parts.items()}
    return ProfileResult(
        table=path,
        entries=len(table.entries),
        measured=sum(report.measured_blocks for report in reports.values()),
        seconds=seconds,
        unstable=tuple(key for key in keys if table.entries[key].unstable),
        retaken=sum(report.retaken for report in reports.values()),
        disturbed=max(report.disturbed for report in reports.values()),
        calibration=calibrations[max(reports)],
        calibrations=calibrations,
        changed=tuple(dict.fromkeys(each for report in reports.values() for each in report.changes.changed)),
    )


def _inferred(path: Path, report: FewSamplesReport, seconds: float) -> FewSamplesResult:
    inferred = report.inferred
    inference = inferred.inference
    return FewSamplesResult(
        table=path,
        entries=len(inference.block_ms),
        measured=report.measured,
        seconds=seconds,
        unstable=tuple(report.unstable),
        retaken=report.retaken,
        disturbed=report.disturbed,
        calibration=inference.calibration,
        changed=report.changes.changed,
        samples=Samples(measured=report.measured, kept=report.kept),
        interval=InferredInterval.of(inferred),
        halving_samples=inferred.halving,
        halving_reason=None if inferred.halving else inferred.outlook,
        outlook=inferred.outlook,
        noise_percent=100 * inference.noise,
        views=dict(inference.views),
        known_devices=tuple(inference.known_devices),
    )
