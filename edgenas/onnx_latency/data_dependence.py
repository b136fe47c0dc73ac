"""The range of a latency that depends on data: the same file runs other kernels, or other steps, for other inputs."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from edgenas.device.onnx_execution import OnnxExecutor
from edgenas.errors import DeviceError
from edgenas.latency.latency import DataRange, Latency
from edgenas.onnx_latency.costing import Costing
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.model_inputs import Input, feeds_of
from edgenas.onnx_latency.runtime_kernels import kernels_that_run

log = logging.getLogger(__name__)

FILLS = (0, 1)
"""With inputs of one value all over, most conditions come out one way: nothing is found, or everything."""


class CostedRun(NamedTuple):
    """The kernels that ran for one input, what each costs, and what they cost together."""

    kernels: Sequence[Kernel]
    costs: Costing
    latency: Latency


def runs_of(
    executor: OnnxExecutor, model: onnx.ModelProto, inputs: Sequence[Input]
) -> Iterator[list[Kernel]]:
    """The kernels that run for different inputs, the usual ones first; inputs that cannot be run are passed over.

    Args:
        executor: runs the model.
        model: with all its weights.
        inputs: of a call.

    Raises:
        DeviceError: ONNX Runtime cannot run it with the usual inputs.
    """
    usual = feeds_of(inputs)
    yield kernels_that_run(executor, model, usual)
    for feeds in (feeds_of(inputs, seed=1), *(_filled(usual, value) for value in FILLS)):
        try:
            yield kernels_that_run(executor, model, feeds)
        except DeviceError as error:  # such as an index beyond its end
            log.debug("another input is not run: %s", error)


def covering(runs: Sequence[CostedRun]) -> tuple[Latency, DataRange | None]:
    """The latency of the first run with an interval that covers all; and their range, None if they are all alike."""
    usual = runs[0].latency
    fastest, slowest = (pick(runs, key=_predicted_ms) for pick in (min, max))
    if fastest.kernels == slowest.kernels:
        return usual, None
    return (
        Latency(
            usual.predicted,
            min(run.latency.low for run in runs),
            max(run.latency.high for run in runs),
            usual.provenance,
        ),
        DataRange(
            inputs=len(runs),
            fastest_ms=_predicted_ms(fastest),
            slowest_ms=_predicted_ms(slowest),
            step_ms=_step_ms(runs),
        ),
    )


def _filled(feeds: Mapping[str, NDArray[Any]], value: int) -> dict[str, NDArray[Any]]:
    return {name: np.full_like(array, value) for name, array in feeds.items()}


def _predicted_ms(run: CostedRun) -> float:
    return run.latency.predicted


def _step_ms(runs: Sequence[CostedRun]) -> float | None:
    """What one step adds, between the runs with the fewest and the most of them."""
    fewest, most = (pick(runs, key=_steps) for pick in (min, max))
    steps = _steps(most) - _steps(fewest)
    return (_predicted_ms(most) - _predicted_ms(fewest)) / steps if steps else None


def _steps(run: CostedRun) -> int:
    """How often the kernel ran that ran most often, with whatever sizes."""
    times = Counter[str]()
    for kernel in run.kernels:
        times[kernel.nodes[0]] += kernel.times
    return max(times.values(), default=0)
