"""Timing fragments on a device, as training data for kernel costs."""

import logging
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgenas.device.runtime import Runtime, Session
from edgenas.errors import DeviceError
from edgenas.latency.table import Fragments, FragmentTime
from edgenas.onnx_latency import fragments
from edgenas.onnx_latency.blocked_layout import pieces_of
from edgenas.onnx_latency.fragments import Fragment
from edgenas.onnx_latency.fragments import fragments as drawn
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.shape_inference import shaped
from edgenas.progress import Phase, Progress, silent
from edgenas.space.onnx_graph import INPUT
from edgenas.timing.journal import keep_rounds, kept_rounds
from edgenas.timing.loaded_models import load_empty, load_sentinel
from edgenas.timing.measuring import measure
from edgenas.vocabulary import Precision

log = logging.getLogger(__name__)

LOADING = Phase("loading fragments of networks", "fragments")

BUDGET_S = 25.0
"""Target duration of the timing, seconds; exceeded if the minimum number of rounds takes longer."""

BLOCKS = (1, 8, 16)
"""Candidate channel block sizes of the runtime's layout; chosen by evidence."""

PRECISION: Precision = "fp32"

OVERHEAD = "overhead"


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
    for i, fragment in enumerate(drawn(batch, fragments.COUNT)):
        progress(LOADING, i, fragments.COUNT)
        try:
            sessions[fragment.name] = _loaded(fragment, runtime)
        except DeviceError as error:
            log.debug("%s is skipped: %s", fragment.name, error)
            continue
        kernels[fragment.name] = fragment_kernels(fragment, batch)
    if not kernels:
        return None
    sessions[OVERHEAD] = load_empty(runtime)
    rounds = kept_rounds(journal, machine, list(sessions))
    commit = partial(keep_rounds, journal, machine)
    timings = measure(sessions, load_sentinel(runtime), BUDGET_S, rounds, commit, progress).timings
    times_ms = {name: timings[name].typical_ms for name in kernels}
    return fragments_from(kernels, times_ms, timings[OVERHEAD].typical_ms)


def fragments_from(
    kernels: Mapping[str, Sequence[Kernel]], times_ms: Mapping[str, float], overhead_ms: float
) -> Fragments:
    """What a table keeps of timed fragments.

    Args:
        kernels: of each fragment, by name; at least one.
        times_ms: of each fragment, measured here or on a board.
        overhead_ms: overhead of a call.
    """
    return max(
        (_fragments(kernels, block, times_ms, overhead_ms) for block in BLOCKS),
        key=lambda each: KernelCosts(each).evidence,
    )


def _loaded(fragment: Fragment, runtime: Runtime) -> Session:
    image = np.random.default_rng(0).random(fragment.shape, np.float32)
    return runtime.load(fragment.model.SerializeToString(), {INPUT: image})


def fragment_kernels(fragment: Fragment, batch: int) -> list[Kernel]:
    """The kernels that a fragment runs; read through a file, like any other model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fragment.onnx"
        path.write_bytes(fragment.model.SerializeToString())
        return fused_kernels(shaped(read_model(path, batch)))


def _fragments(
    kernels: Mapping[str, Sequence[Kernel]], block: int, times_ms: Mapping[str, float], overhead_ms: float
) -> Fragments:
    return Fragments(
        channel_block=block,
        overhead_ms=overhead_ms,
        times=tuple(
            FragmentTime(name=name, pieces=_texts(each, block), typical_ms=times_ms[name])
            for name, each in kernels.items()
        ),
    )


def _texts(kernels: Sequence[Kernel], block: int) -> dict[str, int]:
    return dict(Counter(piece.text for each in pieces_of(kernels, block) for piece in each))
