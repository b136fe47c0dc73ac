"""What ONNX Runtime runs of a model on this host, kernel by kernel, found out in a process of its own.

The runtime's own optimisations decide what a file costs: which nodes are fused, folded, quantised, cast or brought into
another layout. So they are asked for rather than imitated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edgenas.board.execution import OPTIMISED, KernelRun
from edgenas.board.onnx_sessions import CPU
from edgenas.board.worker import MAX_EXECUTION_S
from edgenas.device.onnx_process import FEEDS, MODEL, OnnxWorker
from edgenas.device.onnx_runtime import as_device_error

BLOCKED_LAYOUT = "NchwcTransformer"
"""ONNX Runtime's name for the optimisation that stores channels in blocks, which it makes on x86 processors only."""


CONTROL_FLOW_S = 30.0
"""Of loading and running a model with loops once: they may never end."""


def stores_in_blocks(provider: str, processor: str) -> bool:
    """Whether ONNX Runtime stores the channels of convolutions in blocks there (`vocabulary.Processor`)."""
    return provider == CPU and processor != "arm64"


@dataclass(frozen=True, slots=True)
class Execution:
    """What ran of a model.

    Attributes:
        nodes: of the optimised graph, those in control flow included, by their name.
        weights: shapes of the constants of that graph, by their name.
        indices: the constants that are shapes or indices.
        signed: the constants of signed bytes: products of bytes run other code with them.
        runs: the kernels that ran, in the order in which each ran first.
    """

    nodes: Mapping[str, onnx.NodeProto]
    weights: Mapping[str, tuple[int, ...]]
    indices: frozenset[str]
    signed: frozenset[str]
    runs: Sequence[KernelRun]


class OnnxExecutor:
    """Runs models; the process starts with the first and lives as long as this object.

    Args:
        blocked: whether convolutions may use the blocked layout of x86 processors.
    """

    def __init__(self, blocked: bool = True) -> None:
        self.blocked = blocked
        self._disabled = [] if blocked else [BLOCKED_LAYOUT]
        self._worker: OnnxWorker | None = None

    def execution(
        self,
        model: onnx.ModelProto,
        feeds: Mapping[str, NDArray[Any]],
        runs: int = 1,
        most_s: float = MAX_EXECUTION_S,
    ) -> Execution:
        """Run a model.

        Args:
            model: with all its weights; every node has a name, each another one.
            feeds: its inputs.
            runs: how often, from which times of its kernels are taken if it is more than once.
            most_s: seconds that it may take; with loops at most half a minute.

        Raises:
            DeviceError: ONNX Runtime cannot run it, or not within that time.
        """
        worker = self._worker = self._worker or OnnxWorker(CPU, 1)
        folder = worker.folder
        (folder / MODEL).write_bytes(model.SerializeToString())
        np.savez(folder / FEEDS, *feeds.values())
        try:
            with as_device_error():
                given = (list(feeds), str(folder / FEEDS))
                most_s = min(most_s, CONTROL_FLOW_S) if _may_repeat(model.graph) else most_s
                where = (str(folder / MODEL), given, str(folder))
                ran = worker.worker.execute(*where, self._disabled, most_s, runs)
        except BaseException:
            self._worker = None  # it may be gone
            raise
        optimised = onnx.load(folder / OPTIMISED, load_external_data=False)
        graphs = list(graphs_of(optimised.graph))
        constants = [each for graph in graphs for each in graph.initializer]
        return Execution(
            nodes={node.name: node for graph in graphs for node in graph.node},
            weights={each.name: tuple(each.dims) for each in constants},
            indices=_of_type(onnx.TensorProto.INT64, constants),
            signed=_of_type(onnx.TensorProto.INT8, constants),
            runs=ran,
        )


def _of_type(kind: int, constants: Iterable[onnx.TensorProto]) -> frozenset[str]:
    return frozenset(each.name for each in constants if each.data_type == kind)


def _may_repeat(graph: onnx.GraphProto) -> bool:
    return any(node.op_type in ("Loop", "Scan") for part in graphs_of(graph) for node in part.node)


def graphs_of(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and those of its control flow."""
    pending = [graph]
    while pending:
        found = pending.pop()
        yield found
        for node in found.node:
            pending.extend(branches_of(node).values())


def branches_of(node: onnx.NodeProto) -> dict[str, onnx.GraphProto]:
    """The graphs in a node of control flow, by the names of their attributes."""
    return {
        attribute.name: graph
        for attribute in node.attribute
        for graph in ([attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs)
    }
