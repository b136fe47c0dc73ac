"""Times of models for their own sake, taken here; `kits.ssh_timing` takes them on a board."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgenas.board import host
from edgenas.board.bursts import Runs, take_runs
from edgenas.device import Device
from edgenas.device.runtime import Runtime
from edgenas.onnx_latency.onnx_reading import read_whole_model
from edgenas.progress import Progress
from edgenas.space import Block
from edgenas.timing.loaded_models import load_blocks, load_sentinel
from edgenas.timing.measuring import Measurement, measure, measurement_of


@dataclass(frozen=True, slots=True)
class ModelTimes:
    """Times of models, and where they were taken; models that could not be run are missing.

    Attributes:
        measured: times by the models' keys.
        runtime_version: of the runtime that ran them.
        host: fingerprint of the machine.
        runs: by the models' keys, every run, if a distribution was asked for.
        loading_ms: likewise, milliseconds of loading and of the first run, where the runtime tells.
    """

    measured: Measurement
    runtime_version: str
    host: str
    runs: Mapping[str, Runs] = field(default_factory=dict)
    loading_ms: Mapping[str, tuple[float, float]] = field(default_factory=dict)


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


def runs_here(
    device: Device,
    runtime: Runtime,
    files: Mapping[str, Path],
    runs: int,
    budget_s: float,
    progress: Progress,
) -> ModelTimes:
    """Time ONNX files run by run on this machine.

    Args:
        device: this machine, at its operating point.
        runtime: executes and times, and leaves the files as they are.
        files: by any key.
        runs: of each file.
        budget_s: as for `take_runs`.
        progress: called for each loaded and timed file.

    Raises:
        InputError: a file cannot be used.
        DeviceError: the runtime cannot run a file.
    """
    sessions = {}
    for number, (key, path) in enumerate(files.items()):
        progress("loading models", number, len(files))
        model = read_whole_model(path, device.batch)
        image = np.random.default_rng(0).standard_normal(model.shape, np.float32)
        sessions[key] = runtime.load(model.proto.SerializeToString(), {model.input: image})
    progress("loading models", len(files), len(files))
    bursts, found = take_runs(sessions, load_sentinel(runtime), runs, budget_s, paced=True, progress=progress)
    return ModelTimes(
        measurement_of(bursts),
        runtime.version,
        host.fingerprint(device.uses_gpu),
        found,
        {key: session.loading_ms for key, session in sessions.items() if session.loading_ms},
    )
