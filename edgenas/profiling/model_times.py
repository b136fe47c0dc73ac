"""Times of models for their own sake, taken here; `kits.ssh_timing` takes them on a board."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgenas.board import host
from edgenas.device import Device
from edgenas.device.runtime import Runtime
from edgenas.progress import Progress
from edgenas.space import Block
from edgenas.timing.loaded_models import load_blocks, load_sentinel
from edgenas.timing.measuring import Measurement, measure


@dataclass(frozen=True, slots=True)
class ModelTimes:
    """Times of models, and where they were taken; models that could not be run are missing.

    Attributes:
        measured: times by the models' keys.
        runtime_version: of the runtime that ran them.
        host: fingerprint of the machine.
    """

    measured: Measurement
    runtime_version: str
    host: str


def times_here(
    device: Device,
    runtime: Runtime,
    chains: Mapping[str, Sequence[Block]],
    budget_s: float,
    progress: Progress,
) -> ModelTimes:
    """Time chains of blocks on this machine.

    Args:
        device: this machine, at its operating point.
        runtime: executes and times.
        chains: such as whole networks, by any key.
        budget_s: target duration, seconds.
        progress: called for each loaded and timed model.

    Raises:
        DeviceError: the runtime cannot run a model.
    """
    sessions = {}
    for number, (key, blocks) in enumerate(chains.items()):
        progress("loading models", number, len(chains))
        sessions[key] = load_blocks(blocks, device.batch, runtime)
    progress("loading models", len(chains), len(chains))
    measured = measure(sessions, load_sentinel(runtime), budget_s, progress=progress)
    return ModelTimes(measured, runtime.version, host.fingerprint(device.uses_gpu))
