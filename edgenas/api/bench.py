"""The latency of ONNX files over many runs, on this machine or on a board."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import field_serializer

from edgenas.board.manifest import TENSORRT
from edgenas.board.problem import one_line
from edgenas.device import Device, find_device, runtime_for
from edgenas.errors import DeviceError, FileFormatError, InputError
from edgenas.exporting.model_card import Card
from edgenas.formats import Document, read_json
from edgenas.inputs.targets import board_for, check_is_here
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_timing import times_over_ssh
from edgenas.latency.latency import Latency
from edgenas.onnx_latency.model_inputs import Shapes
from edgenas.onnx_latency.onnx_reading import batch_of, precision_of, read_whole_model, shapes_of_call
from edgenas.onnx_latency.shape_inference import check_flow, check_sizes
from edgenas.profiling.latency_distribution import (
    Comparison,
    Distribution,
    Histogram,
    compared,
    distribution_of,
    histogram_of,
)
from edgenas.profiling.model_times import ModelTimes, runs_here
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import BenchSettings
from edgenas.vocabulary import Precision

RUNS, BUDGET_S = 1000, 20.0
"""Runs of each file, and how long those of all may take; if they are asked for, as long as they need."""

UNLIMITED_S = 86_400.0

NO_MEMORY = {TENSORRT: "TensorRT's memory is mostly the GPU's, which no process shows as its own"}
"""By runtime, why the peak memory is not known."""

NOT_TOLD = "neither the runtime nor the system tells it"

MAX_KEY = 100
"""Characters of the name under which a board knows a file."""


class FileTimes(Document):
    """The latency of one file.

    Attributes:
        file: its path.
        precision: int8 if anything in it is quantised; else fp16 or fp32, as most of its weights are.
        conditions: the operating point: runtime, precision, threads, batch, power mode.
        latency_ms: of runs back to back.
        runs: how many there were.
        stable: whether the machine was quiet enough for the usual latency to be repeatable.
        images_per_s: throughput back to back: the images of a call by the median.
        typical_ms: at the machine's usual speed, which is what predictions are of (docs/measuring.md).
        paced_ms: median of runs after 0.1 s of idleness each; None where the runtime cannot wait.
        load_ms: loading the file; None where the runtime does not tell.
        first_ms: the first run, likewise.
        peak_memory_bytes: the most physical memory (VmHWM) of a process of its own that loaded this file and ran it
            three times, all of it: Python and the runtime too. A GPU's own memory is not counted.
        runtime_memory_bytes: of that, what the process had before the file was loaded.
        peak_memory_reason: why these are None; None if they are not.
        histogram: how often each latency occurred; None unless asked for.
        predicted_ms: the prediction in the file's card, if that is for this device and operating point.
    """

    file: Path
    precision: Precision
    conditions: str
    latency_ms: Distribution
    runs: int
    stable: bool
    images_per_s: float
    typical_ms: float
    paced_ms: float | None
    load_ms: float | None
    first_ms: float | None
    peak_memory_bytes: int | None
    runtime_memory_bytes: int | None
    peak_memory_reason: str | None
    histogram: Histogram | None
    predicted_ms: Latency | None

    @field_serializer("predicted_ms")
    def _milliseconds(self, latency: Latency | None) -> dict[str, float] | None:
        if latency is None:
            return None
        return {"predicted": latency.predicted, "low": latency.low, "high": latency.high}


class BenchResult(FileTimes):
    """The latency of a file, and how it compares.

    Attributes:
        device: name of the device.
        host: the board, as ssh knows it; None if the files ran on this machine.
        runtime_version: of the runtime that ran them.
        against: the latency of the other file, if there is one.
        comparison: the first file's time as a multiple of the other's.
    """

    device: str
    host: str | None
    runtime_version: str
    against: FileTimes | None = None
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class _File:
    """A file, the name under which its times come back, the device at its precision, and the shapes of all inputs."""

    path: Path
    key: str
    device: Device
    shapes: Shapes


@taking(BenchSettings)
def bench(settings: BenchSettings) -> BenchResult:
    """Time an ONNX file over many runs, as it is, and compare it with another one.

    The files are timed in turn, in twenty rounds; disturbed runs count like others, so that the distribution is what a
    program meets. Then each runs in a process of its own, which tells its memory.

    With `ssh`, or a host in the device's file, they are carried to that board and timed there, with
    random weights: latency does not depend on their values, unless the amount of work does. Sizes that a file leaves
    open and nobody gives are assumed, which is told in a warning.

    Raises:
        InputError: a file or setting cannot be used.
        DeviceError: the device cannot be reached, or cannot run a file.
    """
    paths = [Path(each) for each in (settings.model, settings.against) if each is not None]
    batch = batch_of(paths, settings.batch, settings.shapes, settings.axes)
    device = find_device(settings.device, settings.threads, None, batch, settings.power_mode)
    board = board_for(settings, device)
    if board is None:
        check_is_here(device)
    files = _read(paths, device, settings)
    runs, budget_s = (RUNS, BUDGET_S) if settings.runs is None else (settings.runs, UNLIMITED_S)
    if board:
        times = _times_there(board, files, runs, budget_s, settings)
    else:
        runtime = runtime_for(find_device(device, precision="fp32"))  # which leaves files as they are
        by_key = {each.key: (each.path, each.shapes) for each in files}
        times = runs_here(device, runtime, by_key, runs, budget_s, settings.progress)
    first, *others = (_times_of(each, times, settings.histogram) for each in files)
    return BenchResult(
        **dict(first),
        device=device.name,
        host=board.host if board else None,
        runtime_version=times.runtime_version,
        against=others[0] if others else None,
        comparison=compared(*(times.runs[each.key] for each in files)) if others else None,
    )


def _read(paths: Sequence[Path], device: Device, settings: BenchSettings) -> list[_File]:
    names, seen = [one_line(path.name, MAX_KEY) or "model" for path in paths], Counter[str]()
    files = []
    for path, name in zip(paths, names, strict=True):
        seen[name] += 1
        shapes = shapes_of_call(path, device.batch, settings.shapes, settings.axes)
        model = read_whole_model(path, device.batch, shapes)
        check_flow(path, model.proto.graph.node)  # a runtime also runs what reaches no output
        check_sizes(model)
        precision = precision_of(model.proto)
        key = name if seen[name] == 1 else f"{name} ({seen[name]})"
        files.append(_File(path, key, find_device(device, precision=precision), shapes))
    return files


def _times_there(
    board: SshBoard, files: Sequence[_File], runs: int, budget_s: float, settings: BenchSettings
) -> ModelTimes:
    precisions = [each.device.precision for each in files]
    device = files[0].device
    if device.runtime == TENSORRT and len(set(precisions)) > 1:
        raise InputError(
            f"TensorRT builds both files at one precision, and these have {' and '.join(precisions)}",
            "time them one at a time",
        )

    def models(maker: KitModels) -> Iterator[ModelOfKit]:
        return (maker.of_file_as_it_is(each.key, each.path, each.shapes) for each in files)

    times = times_over_ssh(board, device, models, budget_s, settings.progress, runs)
    for each in files:
        if each.key not in times.runs:  # the reason was in a warning
            raise DeviceError(
                f"{board.host} cannot run {each.path}", "install another version of the runtime there"
            )
    return times


def _times_of(file: _File, times: ModelTimes, histogram: bool) -> FileTimes:
    runs, timing = times.runs[file.key], times.measured.timings[file.key]
    latency = distribution_of(runs)
    load_ms, first_ms = times.loading_ms.get(file.key, (None, None))
    memory = times.memory_bytes.get(file.key)
    return FileTimes(
        file=file.path,
        precision=file.device.precision,
        conditions=file.device.conditions,
        latency_ms=latency,
        runs=sum(map(len, runs.back_to_back)),
        stable=not timing.unstable,
        images_per_s=file.device.batch * 1e3 / latency.p50,
        typical_ms=timing.typical_ms,
        paced_ms=float(np.median(runs.paced)) if runs.paced else None,
        load_ms=load_ms,
        first_ms=first_ms,
        peak_memory_bytes=memory.peak if memory else None,
        runtime_memory_bytes=memory.before if memory else None,
        peak_memory_reason=None if memory else NO_MEMORY.get(file.device.runtime, NOT_TOLD),
        histogram=histogram_of(runs) if histogram else None,
        predicted_ms=_predicted(file),
    )


def _predicted(file: _File) -> Latency | None:
    """What the card beside a file predicts, if it is of this file and for this device at this operating point."""
    path = file.path.with_suffix(".json")
    if not path.is_file():
        return None
    try:
        card = read_json(path, Card)
    except FileFormatError:  # any file may lie there
        return None
    of_this = card.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
    for_this = (card.device, card.target) == (file.device.name, file.device.conditions)
    # What is predicted of a file with the preprocessing inside is without it.
    return card.model.latency_ms if of_this and for_this and card.camera is None else None
