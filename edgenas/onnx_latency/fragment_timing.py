"""Timing fragments on a device, for what its kernels cost to be learnt from."""

import logging
import tempfile
from collections import Counter
from collections.abc import Sequence
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
from edgenas.progress import Progress, silent
from edgenas.space.onnx_graph import INPUT
from edgenas.timing.loaded_models import load_empty, load_sentinel
from edgenas.timing.measuring import measure
from edgenas.vocabulary import Precision

log = logging.getLogger(__name__)

BUDGET_S = 25.0
"""Seconds the timing should take; more where even the fewest rounds need it."""

BLOCKS = (1, 8, 16)
"""Channels that a runtime may keep together; which it does is seen from the times."""

PRECISION: Precision = "fp32"

OVERHEAD = "overhead"


def timed_fragments(runtime: Runtime, batch: int, progress: Progress = silent) -> Fragments | None:
    """Draw fragments and time them, those left out that the runtime cannot run; None where there are none.

    None at another precision than `PRECISION` too: to convert hundreds of models takes minutes, and how well their
    times predict others has not been tried.

    Args:
        runtime: executes and times.
        batch: images in a call.
        progress: told about each model.
    """
    if runtime.precision != PRECISION:
        return None
    sessions: dict[str, Session] = {}
    kernels: dict[str, list[Kernel]] = {}
    for i, fragment in enumerate(drawn(batch, fragments.COUNT)):
        progress("loading fragments of networks", i, fragments.COUNT)
        try:
            sessions[fragment.name] = _loaded(fragment, runtime)
        except DeviceError as error:
            log.debug("%s is left out: %s", fragment.name, error)
            continue
        kernels[fragment.name] = _kernels(fragment, batch)
    if not kernels:
        return None
    sessions[OVERHEAD] = load_empty(runtime)
    timings = measure(sessions, load_sentinel(runtime), BUDGET_S, progress=progress).timings
    times_ms = {name: timings[name].typical_ms for name in kernels}
    return max(
        (_fragments(kernels, block, times_ms, timings[OVERHEAD].typical_ms) for block in BLOCKS),
        key=lambda each: KernelCosts(each).evidence,
    )


def _loaded(fragment: Fragment, runtime: Runtime) -> Session:
    image = np.random.default_rng(0).random(fragment.shape, np.float32)
    return runtime.load(fragment.model.SerializeToString(), {INPUT: image})


def _kernels(fragment: Fragment, batch: int) -> list[Kernel]:
    """By way of a file, as any other model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fragment.onnx"
        path.write_bytes(fragment.model.SerializeToString())
        return fused_kernels(shaped(read_model(path, batch)))


def _fragments(
    kernels: dict[str, list[Kernel]], block: int, times_ms: dict[str, float], overhead_ms: float
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
