"""Times of models for their own sake, taken here; `kits.ssh_timing` takes them on a board."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgenas.board import host
from edgenas.board.bursts import Runs, take_runs
from edgenas.board.worker import MemoryUse
from edgenas.device import Device
from edgenas.device.runtime import Feeds, Runtime
from edgenas.errors import DeviceError
from edgenas.onnx_latency.model_inputs import Shapes, feeds_of
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.progress import Progress
from edgenas.space import Block
from edgenas.timing.loaded_models import LOADING, load_blocks, load_sentinel
from edgenas.timing.measuring import Measurement, measure, measurement_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelTimes:
    """Times of models, and where they were taken; models that could not be run are missing.

    Attributes:
        measured: times by the models' keys.
        runtime_version: of the runtime that ran them.
        host: fingerprint of the machine.
        runs: by the models' keys, every run, if a distribution was asked for.
        loading_ms: likewise, milliseconds of loading and of the first run, where the runtime tells.
        memory_bytes: likewise, memory of a process of the model's own, where it could be told.
    """

    measured: Measurement
    runtime_version: str
    host: str
    runs: Mapping[str, Runs] = field(default_factory=dict)
    loading_ms: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    memory_bytes: Mapping[str, MemoryUse] = field(default_factory=dict)


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
        progress(LOADING, number, len(chains))
        sessions[key] = load_blocks(blocks, device.batch, runtime)
    progress(LOADING, len(chains), len(chains))
    measured = measure(sessions, load_sentinel(runtime), budget_s, progress=progress)
    return ModelTimes(measured, runtime.version, host.fingerprint(device.uses_gpu))


def runs_here(
    device: Device,
    runtime: Runtime,
    files: Mapping[str, tuple[Path, Shapes]],
    runs: int,
    budget_s: float,
    progress: Progress,
) -> ModelTimes:
    """Time ONNX files run by run on this machine, then tell their memory.

    Args:
        device: this machine, at its operating point.
        runtime: executes and times, and leaves the files as they are.
        files: by any key, each with the shapes of its inputs.
        runs: of each file.
        budget_s: as for `take_runs`.
        progress: called for each loaded and timed file.

    Raises:
        InputError: a file cannot be used.
        DeviceError: the runtime cannot run a file.
    """
    sessions = {}
    for number, (key, (path, shapes)) in enumerate(files.items()):
        progress(LOADING, number, len(files))
        loadable = _loadable(path, device.batch, shapes)
        try:
            sessions[key] = runtime.load(*loadable)
        except DeviceError as error:
            raise DeviceError(f"{path}: {error.problem}", error.hint) from error
    progress(LOADING, len(files), len(files))
    bursts, found = take_runs(sessions, load_sentinel(runtime), runs, budget_s, paced=True, progress=progress)
    return ModelTimes(
        measurement_of(bursts),
        runtime.version,
        host.fingerprint(device.uses_gpu),
        found,
        {key: session.loading_ms for key, session in sessions.items() if session.loading_ms},
        dict(_memory_of(runtime, files, device.batch)),
    )


def _loadable(path: Path, batch: int, shapes: Shapes) -> tuple[bytes, Feeds]:
    """The content of a file, and inputs to run it on."""
    model = read_whole_model(path, batch, shapes)
    return model.proto.SerializeToString(), feeds_of(model.inputs)


def _memory_of(
    runtime: Runtime, files: Mapping[str, tuple[Path, Shapes]], batch: int
) -> Iterator[tuple[str, MemoryUse]]:
    """Key and memory of the files of which it can be told."""
    for key, (path, shapes) in files.items():
        try:
            found = runtime.memory_use(*_loadable(path, batch, shapes))
        except DeviceError as error:  # what was timed is not lost
            log.warning("the memory of %s is not known (%s)", path, error.problem)
            continue
        if found:
            yield key, found
