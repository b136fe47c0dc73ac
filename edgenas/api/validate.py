"""Checking predictions on random whole networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgenas.device import runtime_for
from edgenas.inputs.spaces import space_without_data
from edgenas.inputs.targets import board_for, check_is_here, device_for
from edgenas.latency.table import find_table
from edgenas.pipeline.network_times import time_networks
from edgenas.profiling import validation
from edgenas.profiling.model_times import ModelTimes
from edgenas.profiling.validation import BUDGET_S, Validation, save_validation
from edgenas.reporting.pictures import write_validation_png
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import ValidateSettings
from edgenas.space import Block
from edgenas.timing.other_programs import warn_of_other_programs


class ValidationResult(Validation):
    """The validation, and the JSON file and the picture it is saved to."""

    file: Path
    picture: Path


@taking(ValidateSettings)
def validate(settings: ValidateSettings) -> ValidationResult:
    """Predict and measure random whole networks that were not used in calibration.

    Predictions come from the device's table, or from its model if it has none. With `ssh`, or a host in the device's
    file, the networks are carried to that board and measured there. The figures and a picture are written to
    `latency_models/<device>/validation/`, replacing earlier ones of the same table and space.

    Raises:
        InputError: a setting, or the device's table, cannot be used.
        DeviceError: the device cannot be reached, or lacks its runtime or provider.
    """
    space = space_without_data(settings)
    device = device_for(settings)
    board = board_for(settings, device)
    if board is None:
        check_is_here(device)
        runtime_for(device)  # what is wrong with it is said before networks are drawn
        warn_of_other_programs()

    def time(networks: Mapping[str, Sequence[Block]]) -> ModelTimes:
        return time_networks(networks, device, board, BUDGET_S, settings.progress)

    known = find_table(device)
    found = validation.validate(
        space, device, known[1] if known else None, settings.networks, time, settings.seed, settings.missing
    )
    file = save_validation(device, found)
    picture = file.with_suffix(".png")
    write_validation_png(found, picture)
    return ValidationResult(**dict(found), file=file, picture=picture)
