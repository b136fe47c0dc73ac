"""The latency of ONNX files over many runs, on this machine or on a board."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.board.bursts import Runs
from edgenas.board.manifest import TENSORRT
from edgenas.device import Device, find_device, runtime_for
from edgenas.errors import DeviceError, FileFormatError, InputError
from edgenas.exporting.model_card import Card
from edgenas.formats import Document, read_json
from edgenas.kits.kit_models import KitModels, ModelOfKit
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_timing import times_over_ssh
from edgenas.latency.latency import Latency
from edgenas.onnx_latency.onnx_reading import precision_of, read_whole_model
from edgenas.pipeline.targets import board_for
from edgenas.profiling.latency_distribution import Comparison, Distribution, compared, distribution_of
from edgenas.profiling.model_times import ModelTimes, runs_here
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import BenchSettings
from edgenas.vocabulary import Precision

RUNS, BUDGET_S = 1000, 20.0
"""Runs of each file, and how long they may take; if they were asked for, as long as they need."""

UNLIMITED_S = 86_400.0


class FileTimes(Document):
    """What one file takes.

    Attributes:
        file: its path.
        precision: that of most of its weights.
        latency_ms: of runs back to back.
        runs: how many there were.
        stable: whether the machine was quiet enough for these figures to be repeatable.
        images_per_s: back to back.
        typical_ms: at the machine's usual speed, which is what predictions are of (docs/measuring.md).
        paced_ms: median of runs after 0.1 s of idleness each; None where the runtime cannot wait.
        load_ms: loading the file; None where the runtime does not tell.
        first_ms: the first run, likewise.
        predicted_ms: the prediction in the file's card, if that is for this device and operating point.
    """

    file: Path
    precision: Precision
    latency_ms: Distribution
    runs: int
    stable: bool
    images_per_s: float
    typical_ms: float
    paced_ms: float | None
    load_ms: float | None
    first_ms: float | None
    predicted_ms: dict[str, float] | None


class BenchResult(FileTimes):
    """What a file takes, and how it compares.

    Attributes:
        device: name of the device.
        conditions: the operating point: runtime, precision, threads, batch, power mode.
        host: the machine that ran it.
        runtime_version: of the runtime there.
        against: what the other file takes, if there is one.
        comparison: the first file's time as a multiple of the other's.
    """

    device: str
    conditions: str
    host: str
    runtime_version: str
    against: FileTimes | None = None
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    precision: Precision


@taking(BenchSettings)
def bench(settings: BenchSettings) -> BenchResult:
    """Time an ONNX file over many runs, as it is, and compare it with another one.

    The files are timed in turn, in twenty rounds; nothing is left out, so that the distribution is what a program
    meets that calls the model again and again. With `ssh`, or a host in the device's file, they are carried to that
    board without their weights, on which latency does not depend, and timed there.

    Raises:
        InputError: a file or setting cannot be used.
        DeviceError: the device cannot be reached, or cannot run a file.
    """
    device = find_device(settings.device, settings.threads, None, settings.batch, settings.power_mode)
    paths = [Path(settings.model), *([] if settings.against is None else [Path(settings.against)])]
    files = {str(number): _read(path, device) for number, path in enumerate(paths)}
    device = find_device(device, precision=files["0"].precision)
    board = board_for(settings, device)
    runs, budget_s = (RUNS, BUDGET_S) if settings.runs is None else (settings.runs, UNLIMITED_S)
    if board:
        times = _times_there(board, device, files, runs, budget_s, settings)
    else:
        runtime = runtime_for(find_device(device, precision="fp32"))  # which leaves files as they are
        paths_by_key = {key: each.path for key, each in files.items()}
        times = runs_here(device, runtime, paths_by_key, runs, budget_s, settings.progress)
    first, *others = (_times_of(key, each, times, device) for key, each in files.items())
    return BenchResult(
        **dict(first),
        device=device.name,
        conditions=device.target,
        host=board.host if board else times.host,
        runtime_version=times.runtime_version,
        against=others[0] if others else None,
        comparison=compared(times.runs["0"], times.runs["1"]) if others else None,
    )


def _read(path: Path, device: Device) -> _File:
    return _File(path, precision_of(read_whole_model(path, device.batch).proto))


def _times_there(
    board: SshBoard,
    device: Device,
    files: Mapping[str, _File],
    runs: int,
    budget_s: float,
    settings: BenchSettings,
) -> ModelTimes:
    if device.runtime == TENSORRT and len({each.precision for each in files.values()}) > 1:
        raise InputError(
            "TensorRT builds both files at one precision, and theirs differ", "time one at a time"
        )

    def models(maker: KitModels) -> Iterator[ModelOfKit]:
        return (maker.of_file(key, each.path, as_it_is=True) for key, each in files.items())

    times = times_over_ssh(board, device, models, budget_s, settings.progress, runs)
    for key, each in files.items():
        if key not in times.runs:
            raise DeviceError(f"{board.host} cannot run {each.path}", "see the warning above")
    return times


def _times_of(key: str, file: _File, times: ModelTimes, device: Device) -> FileTimes:
    runs: Runs = times.runs[key]
    latency, timing = distribution_of(runs), times.measured.timings[key]
    load_ms, first_ms = times.loading_ms.get(key, (None, None))
    predicted = _predicted(file.path, device)
    return FileTimes(
        file=file.path,
        precision=file.precision,
        latency_ms=latency,
        runs=sum(map(len, runs.back_to_back)),
        stable=not timing.unstable,
        images_per_s=device.batch * 1e3 / latency.mean,
        typical_ms=timing.typical_ms,
        paced_ms=float(np.median(runs.paced)) if runs.paced else None,
        load_ms=load_ms,
        first_ms=first_ms,
        predicted_ms={"predicted": predicted.predicted, "low": predicted.low, "high": predicted.high}
        if predicted
        else None,
    )


def _predicted(path: Path, device: Device) -> Latency | None:
    """What the card beside a file predicts, if it is of this file and for this device at this operating point."""
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        return None
    try:
        card = read_json(card_path, Card)
    except FileFormatError:  # not a card: any file may lie there
        return None
    of_this = card.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    return (
        card.model.latency_ms
        if of_this and (card.device, card.target) == (device.name, device.target)
        else None
    )
