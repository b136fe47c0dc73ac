"""Timing fragments on a device, as training data for kernel costs."""

import logging
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from edgenas.board import host
from edgenas.board.onnx_sessions import CPU
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.device.runtime import Runtime, Session
from edgenas.errors import DeviceError
from edgenas.fragments import drawing
from edgenas.fragments.drawing import Fragment
from edgenas.latency.table import Fragments, FragmentTime
from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.pieces import pieces_of
from edgenas.onnx_latency.runtime_kernels import kernels_that_run
from edgenas.onnx_latency.shape_inference import shaped
from edgenas.progress import Phase, Progress, silent
from edgenas.timing.journal import keep_rounds, kept_rounds
from edgenas.timing.loaded_models import load_empty, load_sentinel
from edgenas.timing.measuring import measure
from edgenas.vocabulary import Precision

log = logging.getLogger(__name__)

LOADING = Phase("loading fragments of networks", "fragments")

BUDGET_S = 25.0
"""Target duration of the timing, seconds; exceeded if the minimum number of rounds takes longer."""

ENOUGH_BURSTS = 4
"""Undisturbed ones of a fragment: costs are learnt from hundreds of them, so one needs no more."""

PRECISION: Precision = "fp32"

OVERHEAD = "overhead"

RUNS = 9
"""Of a fragment in which the runtime times each of its kernels."""

DICTIONARIES = "ai.onnx.ml.ZipMap"
"""The operator whose outputs are no arrays."""

LAUNCH_MS = 1e-3
"""Of each kernel, beside what the runtime says that it takes."""


def timed_fragments(
    runtime: Runtime,
    batch: int,
    progress: Progress = silent,
    journal: Path | None = None,
    machine: str = "",
) -> Fragments | None:
    """Draw and time fragments, skipping those the runtime cannot run; None if it runs none of them.

    Also None at any precision other than `PRECISION`: converting hundreds of models takes minutes, and the accuracy of
    such predictions is untested.

    Args:
        runtime: executes and times.
        batch: images in a call.
        progress: told about each model.
        journal: file for completed rounds, from which an interrupted timing resumes; whoever keeps the times removes
            it. None for none.
        machine: identifies runtime and hardware there.
    """
    if runtime.precision != PRECISION:
        return None
    sessions: dict[str, Session] = {}
    kernels: dict[str, list[Kernel]] = {}
    executor = OnnxExecutor(stores_in_blocks(runtime.provider, host.instructions()))
    times_kernels = runtime.provider == CPU and runtime.threads == 1  # as the executor runs them
    wanted = [*drawing.fragments(batch, drawing.COUNT), *drawing.further(batch)]
    for i, fragment in enumerate(wanted):
        progress(LOADING, i, len(wanted))
        try:
            sessions[fragment.name] = _loaded(fragment, runtime)
        except DeviceError as error:
            log.debug("%s is skipped: %s", fragment.name, error)
            continue
        kernels[fragment.name] = executed_kernels(executor, fragment, RUNS if times_kernels else 1)
    if not kernels:
        return None
    sessions[OVERHEAD] = load_empty(runtime)
    rounds = kept_rounds(journal, machine, list(sessions))
    commit = partial(keep_rounds, journal, machine)
    measured = measure(
        sessions,
        load_sentinel(runtime),
        BUDGET_S,
        rounds,
        commit,
        progress,
        enough=ENOUGH_BURSTS,
    )
    return fragments_from(
        kernels,
        {name: measured.timings[name].typical_ms for name in kernels},
        measured.timings[OVERHEAD].typical_ms,
        executor.blocked,
        datetime.now(UTC).isoformat(timespec="seconds"),
        measured.sentinel_ms,
    )


def fragments_from(
    kernels: Mapping[str, Sequence[Kernel]],
    times_ms: Mapping[str, float],
    overhead_ms: float,
    blocked: bool,
    measured_at: str,
    sentinel_ms: float,
) -> Fragments:
    """What a table keeps of timed fragments.

    Args:
        kernels: of each fragment, by name; at least one.
        times_ms: of each fragment, measured here or on a board.
        overhead_ms: overhead of a call.
        blocked: whether the runtime stores channels in blocks there.
        measured_at: when they were timed; ISO 8601, UTC.
        sentinel_ms: the sentinel's usual time meanwhile.
    """
    return Fragments(
        blocked=blocked,
        overhead_ms=overhead_ms,
        measured_at=measured_at,
        sentinel_ms=sentinel_ms,
        times=tuple(
            FragmentTime(
                name=name,
                pieces=_texts(each),
                typical_ms=times_ms[name],
                parts_ms=_parts_ms(each, times_ms[name] - overhead_ms),
            )
            for name, each in kernels.items()
        ),
    )


def _loaded(fragment: Fragment, runtime: Runtime) -> Session:
    return runtime.load(fragment.model.SerializeToString(), fragment.feeds())


def executed_kernels(executor: OnnxExecutor, fragment: Fragment, runs: int = 1) -> list[Kernel]:
    """The kernels that ONNX Runtime runs of a fragment, timed if it runs more than once."""
    return kernels_that_run(executor, fragment.model, fragment.feeds(), runs)


def fragment_kernels(fragment: Fragment, batch: int) -> list[Kernel]:
    """The kernels of a fragment as most runtimes fuse them; read through a file, like any other model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fragment.onnx"
        path.write_bytes(fragment.model.SerializeToString())
        return fused_kernels(shaped(read_model(path, batch)))


def _texts(kernels: Sequence[Kernel]) -> dict[str, int]:
    counts = Counter[str]()
    for kernel in kernels:
        counts.update({piece.text: count for piece, count in pieces_of(kernel).items()})
    return dict(counts)


def _parts_ms(kernels: Sequence[Kernel], net_ms: float) -> dict[str, float]:
    """What kernels of one piece took of a fragment's time, in proportion to what the runtime says that they took.

    Nothing is told where dictionaries come out: Python's are made after the last kernel, and freed in the next run.
    """
    if any(DICTIONARIES in each.operators for each in kernels):
        return {}
    whole_ms = sum(each.run_ms + each.times * LAUNCH_MS for each in kernels)
    parts: dict[str, float] = defaultdict(float)
    for each in kernels:
        pieces = pieces_of(each)
        if each.run_ms and len(pieces) == 1:
            (piece,) = pieces
            parts[piece.text] += net_ms / whole_ms * (each.run_ms + each.times * LAUNCH_MS)
    return {text: ms for text, ms in parts.items() if ms > 0}
