"""Measuring a device: a latency table for a space, ready for search; of all blocks, or inferred from a few networks."""

import time
from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Device, find_device, runtime_for
from edgenas.device.runtime import Runtime
from edgenas.errors import InputError
from edgenas.latency.calibration import MIN_NETWORKS
from edgenas.latency.calibration_networks import MAX_NETWORKS
from edgenas.latency.table import (
    Calibration,
    LatencyTable,
    find_table,
    journal_path,
    save_table,
    table_path,
)
from edgenas.pipeline.spaces import space_from_options
from edgenas.profiling import block_profiling
from edgenas.profiling.block_profiling import ProfileReport
from edgenas.profiling.few_samples import FewSamplesReport, profile_from_few
from edgenas.progress import Progress, silent
from edgenas.space import SearchSpace
from edgenas.space.layers import Activation
from edgenas.transfer.known_devices import MAX_SAMPLES, MIN_SAMPLES
from edgenas.vocabulary import Precision


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """Where the table is and how it came out.

    `unstable` lists keys of blocks timed under noise; of the timings, `retaken` were made again because the
    machine was slower or faster than usual, and a share `disturbed` stayed so.

    Where the table was inferred from a few networks, `few_samples` says how; `entries` are then the blocks that were
    inferred, `measured` the networks that were timed now, and `unstable` ids of networks.
    """

    table: Path
    entries: int
    measured: int
    seconds: float
    unstable: list[str]
    retaken: int
    disturbed: float
    calibration: Calibration
    few_samples: FewSamplesReport | None = None


def profile(
    device: str,
    space: str = "mbconv",
    *,
    resolution: int | None = None,
    classes: int | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
    power_mode: str | None = None,
    samples: int | None = None,
    networks: int | None = None,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: Activation | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> ProfileResult:
    """Time every block of a space on a device and calibrate their sum on whole networks; or only a few of these.

    With `samples`, only the whole networks that tell most are timed, and what each block costs is inferred from them
    and from what other devices are like (provenance `calibrated`). Networks timed by an earlier such profile count.

    An existing table grows: only blocks it lacks, or knows badly, are timed. It is written to `./latency_models`
    where that folder exists, else to the user's data folder. An interrupted profile goes on when repeated.

    Args:
        device: name or alias of a device that can be reached from here.
        space: `mbconv` or `nasbench-macro`.
        resolution: rows and columns of the images; None takes 224, for `nasbench-macro` 32.
        classes: classes the head tells apart; None takes 10 for small images, 1000 for large ones.
        threads: overrides the device's thread count.
        precision: overrides the device's precision: `fp32`, `fp16` or `int8`.
        batch: overrides the device's batch size.
        power_mode: one of the device's power modes instead of its own; the machine must be in it already.
        samples: whole networks to infer the table from, 3 to 100; None times every block.
        networks: whole networks timed for the calibration when every block is, 3 to 500; None takes 80.
        width: channel multiplier of the space.
        squeeze_excite: channel attention in every layer of `mbconv`.
        activation: of `mbconv`: `relu6`, `hswish` or `relu`; None takes `relu6`.
        seed: draws the whole networks.
        progress: told about each timed model.

    Raises:
        InputError: an argument cannot be used.
        DeviceError: the device cannot be reached, or lacks its runtime or provider.
    """
    if networks is not None and samples is not None:
        raise InputError("--networks is of a full profile, --samples of one without", "give one of them")
    networks = block_profiling.NETWORKS if networks is None else networks
    _check("--networks", networks, MIN_NETWORKS, MAX_NETWORKS, "calibrate on", "would take hours to time")
    if samples is not None:
        too_many = "tells little more than timing every block would"
        _check("--samples", samples, MIN_SAMPLES, MAX_SAMPLES, "infer a table from", too_many)
    chosen = space_from_options(space, resolution, classes, width, squeeze_excite, activation)
    target = find_device(device, threads, precision, batch, power_mode)
    runtime = runtime_for(target)
    start = time.monotonic()
    known = find_table(target)
    table = known[1] if known else None
    # A table found elsewhere is carried along: the new one would hide it.
    in_place = known is not None and known[0] == table_path(target)
    if samples is None:
        journal = journal_path(target, chosen.signature)
        report = block_profiling.profile(chosen, target, runtime, table, networks, seed, progress, journal)
        path = save_table(target, report.changes if in_place else report.table)
        return _measured(path, chosen, report, time.monotonic() - start)
    if known:
        _refuse_measured(chosen, target, runtime, *known)
    journal = journal_path(target, f"{chosen.signature}-samples")
    few = profile_from_few(chosen, target, runtime, table, samples, seed, progress, journal)
    path = save_table(target, few.changes if in_place else few.table)
    return _inferred(path, few, time.monotonic() - start)


def _check(option: str, count: int, least: int, most: int, purpose: str, too_many: str) -> None:
    if count < least:
        raise InputError(f"{option} {count} is too few to {purpose}", f"give at least {least}")
    if count > most:
        raise InputError(f"{option} {count} {too_many}", f"give at most {most}")


def _refuse_measured(
    space: SearchSpace, device: Device, runtime: Runtime, path: Path, table: LatencyTable
) -> None:
    """Raise where every block was measured, or a table that was would go: nothing can be inferred better than that."""
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


def _measured(path: Path, space: SearchSpace, report: ProfileReport, seconds: float) -> ProfileResult:
    keys = [block.key for block in space.distinct_blocks]
    return ProfileResult(
        table=path,
        entries=len(report.table.entries),
        measured=report.measured_blocks,
        seconds=seconds,
        unstable=[key for key in keys if report.table.entries[key].unstable],
        retaken=report.retaken,
        disturbed=report.disturbed,
        calibration=report.table.calibrations[space.signature],
    )


def _inferred(path: Path, report: FewSamplesReport, seconds: float) -> ProfileResult:
    inference = report.inferred.inference
    return ProfileResult(
        table=path,
        entries=len(inference.block_ms),
        measured=report.measured,
        seconds=seconds,
        unstable=list(report.unstable),
        retaken=report.retaken,
        disturbed=report.disturbed,
        calibration=inference.calibration,
        few_samples=report,
    )
