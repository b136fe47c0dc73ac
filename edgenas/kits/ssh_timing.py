"""Times of models on a board over SSH, for their own sake."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.kits.kit_archive import make_timing_kit
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.kit_results import TimingResults
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_kit import measure_kit
from edgenas.profiling.model_times import ModelTimes
from edgenas.progress import Progress
from edgenas.timing.measuring import measurement_of
from edgenas.units import counted

log = logging.getLogger(__name__)


def times_over_ssh(
    board: SshBoard,
    device: Device,
    make_models: Callable[[KitModels], Iterable[ModelOfKit]],
    budget_s: float,
    progress: Progress,
    runs: int = 0,
) -> ModelTimes:
    """Time models on a board; the other arguments are those of `make_timing_kit`.

    Models that the board cannot run are left out, with a warning.

    Raises:
        DeviceError: the board cannot be reached, or cannot measure any of them.
    """

    def times(results: TimingResults, path: Path) -> ModelTimes:
        for key, reason in results.failed.items():
            log.warning("%s could not time %s (%s)", board.host, key, reason)
        if not results.bursts.keys() & set(results.plan.models):
            raise DeviceError(
                f"{board.host} could time none of {counted(len(results.plan.models), 'models')} "
                f"({next(iter(results.failed.values()))})",
                "install another version of the runtime there",
            )
        measured = measurement_of(results.bursts, results.retaken)
        return ModelTimes(
            measured,
            results.runtime_version,
            results.host,
            results.runs,
            results.loading_ms,
            results.memory_bytes,
        )

    return measure_kit(
        board,
        lambda path: make_timing_kit(path, device, make_models, budget_s, progress, runs),
        TimingResults,
        times,
        progress,
    )
