"""Measuring a device: a latency table for a space, ready for search."""

import time
from dataclasses import dataclass
from pathlib import Path

from edgenas.device import find_device, runtime_for
from edgenas.errors import DeviceError, InputError, UnknownNameError
from edgenas.latency import profiling
from edgenas.latency.table import Calibration, find_table, save_table
from edgenas.progress import Progress, silent
from edgenas.space import mbconv
from edgenas.space.layers import Activation


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """Where the table is and how it came out; `unstable` lists keys of blocks timed under noise."""

    table: Path
    entries: int
    measured: int
    seconds: float
    unstable: list[str]
    calibration: Calibration


def profile(
    device: str,
    space: str = "mbconv",
    *,
    resolution: int = 224,
    classes: int | None = None,
    threads: int | None = None,
    precision: str | None = None,
    samples: int = 10,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: Activation = "relu6",
    seed: int = 0,
    progress: Progress = silent,
) -> ProfileResult:
    """Time every block of a space on a device and calibrate their sum on whole networks.

    An existing table grows: only blocks it lacks are timed. It is written to `./latency_models` where that
    folder exists, else to the user's data folder.

    Args:
        device: name or alias of a device that can be reached from here.
        space: `mbconv`.
        resolution: rows and columns of the images.
        classes: classes the head tells apart; None takes 10 for small images, 1000 for large ones.
        threads: overrides the device's thread count.
        precision: must be the device's own, fp32; None takes it.
        samples: whole networks timed for the calibration, at least 3.
        width: channel multiplier of the space.
        squeeze_excite: channel attention in every layer.
        activation: `relu6`, `hswish` or `relu`.
        seed: draws the whole networks.
        progress: told about each timed model.

    Raises:
        InputError: an argument cannot be used.
        DeviceError: the device cannot be reached, or lacks its runtime or provider.
    """
    if space != "mbconv":
        raise UnknownNameError("search space", space, ["mbconv"])
    if samples < 3:
        raise InputError(f"--samples {samples} is too few to calibrate on", "give at least 3")
    target = find_device(device, threads=threads)
    runtime = runtime_for(target)
    if (precision or target.precision) != target.precision:
        raise InputError(f"{target.name} is timed at {target.precision}, not {precision}", "omit --precision")
    if target.precision != "fp32":
        raise DeviceError(f"{target.name} runs at {target.precision}, and only fp32 is profiled so far")
    start = time.monotonic()
    chosen = mbconv(
        resolution, classes or (10 if resolution <= 64 else 1000), width, squeeze_excite, activation
    )
    known = find_table(target)
    report = profiling.profile(chosen, target, runtime, known[1] if known else None, samples, seed, progress)
    path = save_table(target, report.table)
    keys = [block.key for block in chosen.distinct_blocks]
    return ProfileResult(
        table=path,
        entries=len(report.table.entries),
        measured=report.measured_blocks,
        seconds=time.monotonic() - start,
        unstable=[key for key in keys if report.table.entries[key].unstable],
        calibration=report.table.calibrations[chosen.signature],
    )
