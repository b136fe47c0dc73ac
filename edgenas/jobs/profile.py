"""Measuring a device: a latency table for a space, ready for search."""

import time
from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Precision, find_device, runtime_for
from edgenas.errors import InputError
from edgenas.jobs.options import space_from_options
from edgenas.latency import profiling
from edgenas.latency.calibration import MIN_NETWORKS
from edgenas.latency.design import MAX_NETWORKS
from edgenas.latency.table import Calibration, find_table, journal_path, save_table, table_path
from edgenas.progress import Progress, silent
from edgenas.space.layers import Activation


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """Where the table is and how it came out.

    `unstable` lists keys of blocks timed under noise; of the timings, `retaken` were made again because the
    machine was slower or faster than usual, and a share `disturbed` stayed so.
    """

    table: Path
    entries: int
    measured: int
    seconds: float
    unstable: list[str]
    retaken: int
    disturbed: float
    calibration: Calibration


def profile(
    device: str,
    space: str = "mbconv",
    *,
    resolution: int | None = None,
    classes: int | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
    samples: int = 80,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: Activation | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> ProfileResult:
    """Time every block of a space on a device and calibrate their sum on whole networks.

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
        samples: whole networks timed for the calibration, at least 3.
        width: channel multiplier of the space.
        squeeze_excite: channel attention in every layer of `mbconv`.
        activation: of `mbconv`: `relu6`, `hswish` or `relu`; None takes `relu6`.
        seed: draws the whole networks.
        progress: told about each timed model.

    Raises:
        InputError: an argument cannot be used.
        DeviceError: the device cannot be reached, or lacks its runtime or provider.
    """
    if samples < MIN_NETWORKS:
        raise InputError(f"--samples {samples} is too few to calibrate on", f"give at least {MIN_NETWORKS}")
    if samples > MAX_NETWORKS:
        raise InputError(f"--samples {samples} would take hours to time", f"give at most {MAX_NETWORKS}")
    chosen = space_from_options(space, resolution, classes, width, squeeze_excite, activation)
    target = find_device(device, threads, precision, batch)
    runtime = runtime_for(target)
    start = time.monotonic()
    known = find_table(target)
    report = profiling.profile(
        chosen,
        target,
        runtime,
        known[1] if known else None,
        samples,
        seed,
        progress,
        journal_path(target, chosen.signature),
    )
    # A table found elsewhere is carried along: the new one would hide it.
    in_place = known is not None and known[0] == table_path(target)
    path = save_table(target, report.changes if in_place else report.table)
    keys = [block.key for block in chosen.distinct_blocks]
    return ProfileResult(
        table=path,
        entries=len(report.table.entries),
        measured=report.measured_blocks,
        seconds=time.monotonic() - start,
        unstable=[key for key in keys if report.table.entries[key].unstable],
        retaken=report.retaken,
        disturbed=report.disturbed,
        calibration=report.table.calibrations[chosen.signature],
    )
