"""Checking predictions: random whole networks, predicted and measured."""

from dataclasses import dataclass
from pathlib import Path

from edgenas.device import find_device, runtime_for
from edgenas.errors import InputError
from edgenas.latency.table import find_table
from edgenas.pipeline.spaces import space_from_options
from edgenas.profiling import validation
from edgenas.profiling.validation import MIN_NETWORKS, Validation, save_validation
from edgenas.progress import Progress, silent
from edgenas.reporting.pictures import write_validation_png
from edgenas.space.layers import Activation
from edgenas.vocabulary import Missing, Precision


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What was found, and where it is kept as JSON and as a picture."""

    validation: Validation
    file: Path
    picture: Path


def validate(
    device: str,
    networks: int = 50,
    *,
    seed: int = 0,
    space: str = "mbconv",
    resolution: int | None = None,
    classes: int | None = None,
    threads: int | None = None,
    precision: Precision | None = None,
    batch: int | None = None,
    power_mode: str | None = None,
    width: float = 1.0,
    squeeze_excite: bool = False,
    activation: Activation | None = None,
    missing: Missing = "refuse",
    progress: Progress = silent,
) -> ValidationResult:
    """Predict and measure random whole networks that were not used in calibration.

    Predictions come from the device's table, or from its model where it has none. The figures and a picture are
    written beside the tables, in `latency_models/<device>/validation/`, in place of earlier ones of the same table
    and space.

    Args:
        device: name or alias of a device that can be reached from here.
        networks: how many networks, at least 2.
        seed: draws them.
        space: `mbconv` or `nasbench-macro`.
        resolution: rows and columns of the images; None takes 224, for `nasbench-macro` 32.
        classes: classes the head tells apart; None takes 10 for small images, 1000 for large ones.
        threads: overrides the device's thread count.
        precision: overrides the device's precision: `fp32`, `fp16` or `int8`.
        batch: overrides the device's batch size.
        power_mode: one of the device's power modes instead of its own; the machine must be in it already.
        width: channel multiplier of the space.
        squeeze_excite: channel attention in every layer of `mbconv`.
        activation: of `mbconv`: `relu6`, `hswish` or `relu`; None takes `relu6`.
        missing: what to do about blocks the device's table lacks: `refuse`, or `interpolate` between its others.
        progress: told about each loaded and timed network.

    Raises:
        InputError: an argument, or the device's table, cannot be used.
        DeviceError: the device cannot be reached, or lacks its runtime or provider.
    """
    if networks < MIN_NETWORKS:
        raise InputError(f"--networks {networks} is too few to compare", f"give at least {MIN_NETWORKS}")
    chosen = space_from_options(space, resolution, classes, width, squeeze_excite, activation)
    target = find_device(device, threads, precision, batch, power_mode)
    runtime = runtime_for(target)
    known = find_table(target)
    table = known[1] if known else None
    found = validation.validate(chosen, target, runtime, table, networks, seed, missing, progress)
    file = save_validation(target, found)
    picture = file.with_suffix(".png")
    write_validation_png(found, picture)
    return ValidationResult(found, file, picture)
