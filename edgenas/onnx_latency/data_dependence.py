"""The range of a latency that depends on data: the same file runs other kernels, or other steps, for other inputs."""

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from edgenas.board.worker import MAX_EXECUTION_S
from edgenas.device.onnx_execution import OnnxExecutor, branches_of
from edgenas.errors import DeviceError
from edgenas.latency.latency import DataRange, Latency
from edgenas.onnx_latency.costing import Costing
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.model_inputs import Input, feeds_of
from edgenas.onnx_latency.onnx_reading import label
from edgenas.onnx_latency.runtime_kernels import kernels_of, with_names
from edgenas.units import counted

log = logging.getLogger(__name__)

Feeds = Mapping[str, NDArray[Any]]

FILLS = (0, 1)
"""With inputs of one value all over, most conditions come out one way: nothing is found, or everything."""

COUNT = 16
"""Of single integers, which may say how many steps a loop takes, and of words in a text."""

LONGER, LEAST_S = 2, 5.0
"""How many times as long as the usual inputs others may take, and seconds that they may take in any case."""

SIZED_BY_DATA = frozenset({"Compress", "NonMaxSuppression", "NonZero", "StringSplit", "Unique"})
"""Operators whose outputs are as large as the values of their inputs make them."""


class CostedRun(NamedTuple):
    """The kernels that ran for one input, what each costs, and what they cost together."""

    kernels: Sequence[Kernel]
    costs: Costing
    latency: Latency


def runs_of(executor: OnnxExecutor, model: onnx.ModelProto, inputs: Sequence[Input]) -> list[list[Kernel]]:
    """The kernels that run for different inputs, the usual ones first; a warning says what none of them tells.

    Args:
        executor: runs the model.
        model: with all its weights.
        inputs: of a call.

    Raises:
        DeviceError: ONNX Runtime cannot run it with the usual inputs; others are passed over with a warning.
    """
    # Made one after the other: inputs may be large.
    makers: dict[str, Callable[[], Feeds]] = {
        "": lambda: feeds_of(inputs),
        "other random inputs": lambda: feeds_of(inputs, seed=1),
        **{f"inputs of {value}": partial(feeds_of, inputs, fill=value) for value in FILLS},
        f"single integers of {COUNT}": lambda: _counting(inputs),
    }
    model = with_names(model)
    tried, nodes, most_s = set[bytes](), dict[str, onnx.NodeProto](), MAX_EXECUTION_S
    runs: list[list[Kernel]] = []
    ran = set[str]()
    for name, make in makers.items():
        feeds = make()
        if (digest := _digest(feeds)) in tried:  # integers are never random
            continue
        tried.add(digest)
        begun_s = time.monotonic()
        try:
            execution = executor.execution(model, feeds, most_s=most_s)
        except DeviceError as error:  # an index beyond its end, a loop that goes on
            if not name:
                raise
            log.warning(
                "with %s the file cannot be run, so its range leaves them out: %s", name, error.problem
            )
            continue
        if not name:
            most_s = max(LEAST_S, LONGER * (time.monotonic() - begun_s))
        runs.append(kernels_of(execution, feeds))
        nodes.update(execution.nodes)
        ran.update(run.node for run in execution.runs)
    _tell_of_branches(nodes.values(), ran)
    _tell_of_equal_sizes(runs)
    return runs


def covering(runs: Sequence[CostedRun]) -> tuple[Latency, DataRange | None]:
    """The latency of the first run with an interval that covers all.

    The range is None if the fastest and the slowest run the same kernels.
    """
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
            step_ms=_step_ms(fastest, slowest),
        ),
    )


def _counting(inputs: Sequence[Input]) -> Feeds:
    """The usual arrays, but larger single integers, if they are not a sample rate."""
    usual, filled = feeds_of(inputs), feeds_of(inputs, fill=COUNT)
    is_count = {name: array.size == 1 and array.dtype.kind in "iu" for name, array in usual.items()}
    counting = {name: filled[name] if is_count[name] else array for name, array in usual.items()}
    texts = {name: array for name, array in usual.items() if array.dtype.kind == "U"}
    return counting | {name: np.full(each.shape, " ".join(["1"] * COUNT)) for name, each in texts.items()}


def _tell_of_branches(nodes: Iterable[onnx.NodeProto], ran: Set[str]) -> None:
    """Warn of branches that no input tried runs, unless they compute nothing, or are inside of another one."""
    for node in nodes:
        if node.op_type != "If" or node.name not in ran:
            continue
        for which, branch in branches_of(node).items():
            if branch.node and ran.isdisjoint(each.name for each in branch.node):
                log.warning(
                    "the prediction leaves out the %s of %s (%s), which none of the inputs tried runs",
                    which.replace("_", " "),
                    label(node),
                    counted(len(branch.node), "nodes"),
                )


def _tell_of_equal_sizes(runs: Sequence[Sequence[Kernel]]) -> None:
    """Warn of operators whose outputs depend on data, but were as large for all inputs tried."""
    sizes: dict[str, dict[str, set[object]]] = {}
    for kernels in runs:
        for kernel in kernels:
            if kernel.operators[0] in SIZED_BY_DATA:
                found = sizes.setdefault(kernel.operators[0], {}).setdefault(kernel.nodes[0], set())
                found.add(kernel.output_shapes)
    equal = {name for name, of_nodes in sizes.items() if all(len(each) == 1 for each in of_nodes.values())}
    if equal and len(runs) > 1:
        log.warning(
            "how much %s gives depends on data, but was the same for all %d inputs tried: for others the file may take "
            "longer or shorter",
            " and ".join(sorted(equal)),
            len(runs),
        )


def _digest(feeds: Feeds) -> bytes:
    """The same for the same arrays, of one file."""
    found = hashlib.sha256()
    for array in feeds.values():
        found.update(np.ascontiguousarray(array).view(np.uint8).data if array.ndim else array.tobytes())
    return found.digest()


def _predicted_ms(run: CostedRun) -> float:
    return run.latency.predicted


def _step_ms(fastest: CostedRun, slowest: CostedRun) -> float | None:
    """What one step of the loop adds that took the most further steps; None if there is none."""
    few, many = _times(fastest), _times(slowest)
    steps = max((count - few[node] for node, count in many.items() if count > 1), default=0)
    return (_predicted_ms(slowest) - _predicted_ms(fastest)) / steps if steps > 0 else None


def _times(run: CostedRun) -> Counter[str]:
    """How often each node ran, with whatever sizes."""
    times = Counter[str]()
    for kernel in run.kernels:
        times[kernel.nodes[0]] += kernel.times
    return times
