"""The kernels that ONNX Runtime runs of a model, found out by running it once: their operators, shapes and work.

Fusion, folding, quantisation, casts and layouts are those of the runtime itself (`device/onnx_execution.py`). Control
flow is what was run of it, as often as it was.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from edgenas.board.execution import KernelRun
from edgenas.device.onnx_execution import Execution, OnnxExecutor, graphs_of
from edgenas.onnx_latency.kernels import Kernel, Shape
from edgenas.onnx_latency.memory_walks import is_broadcast, moves_one_axis, walks
from edgenas.onnx_latency.onnx_reading import label, operator
from edgenas.onnx_latency.operators import COPY, UNKNOWN, attribute, operator_of
from edgenas.onnx_latency.shape_inference import Graph

ACTIVATION = "activation"
"""Attribute of a product that names the function fused into it."""


def kernels_that_run(
    executor: OnnxExecutor, model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]], runs: int = 1
) -> list[Kernel]:
    """The kernels of a run, in the order in which each ran first.

    Args:
        executor: runs it.
        model: with all its weights.
        feeds: its inputs.
        runs: how often it is run; the kernels are timed if that is more than once.

    Raises:
        DeviceError: ONNX Runtime cannot run it.
    """
    return kernels_of(executor.execution(with_names(model), feeds, runs), feeds)


def kernels_of(execution: Execution, feeds: Mapping[str, NDArray[Any]]) -> list[Kernel]:
    """The kernels of a run, in the order in which each ran first.

    Args:
        execution: of a model whose nodes have names (`with_names`).
        feeds: its inputs.
    """
    shapes = {name: tuple(each.shape) for name, each in feeds.items()}
    pass_ = _Pass(execution, shapes)
    return [pass_.kernel(run) for run in execution.runs if run.node in execution.nodes]


class _Pass:
    """Follows the shapes of values through one run."""

    def __init__(self, execution: Execution, feeds: Mapping[str, Shape]) -> None:
        self._nodes, self._weights = execution.nodes, frozenset(execution.weights)
        self._indices, self._signed = execution.indices, execution.signed
        self._shapes: dict[str, Shape] = {**execution.weights, **feeds}

    def kernel(self, run: KernelRun) -> Kernel:
        node = self._nodes[run.node]
        shapes, types = self._shapes_of(node, run), [kind for kind, _ in run.inputs]
        graph = Graph([node], shapes, self._weights, self._weights, frozenset())
        read = [name for name in dict.fromkeys(node.input) if name in shapes and name not in self._weights]
        weights = [
            name for name in dict.fromkeys(node.input) if name in self._weights and name not in self._indices
        ]
        written = [name for name in node.output if name in shapes]
        row = operator_of(node)
        needed = {
            *filter(None, node.input),
            *(() if row is COPY else node.output[:1]),
        }  # which may be no array
        row = row if shapes.keys() >= needed else UNKNOWN
        product = row.multiplied(graph, node)
        elements_written = sum(map(graph.size, written))
        kind = row.kind(graph, node)
        return Kernel(
            kind=kind,
            nodes=(label(node),),
            operators=(operator(node), *_fused(node)),
            macs=product.macs,
            elements_read=elements_written if row.picks else sum(map(graph.size, read)),
            elements_written=elements_written,
            input_shapes=tuple(shapes[name] for name in read),
            weight_shapes=()
            if row.picks
            else tuple(shapes[name] for name in weights if graph.size(name) > 1),
            output_shapes=tuple(shapes[name] for name in written),
            reuse=product.reuse,
            window=row.window(graph, node),
            steps=row.steps(graph, node),
            walks=walks(node, shapes),
            broadcast=is_broadcast(node, shapes),
            moves_one_axis=moves_one_axis(node, shapes),
            element=self._element(weights, types, product.macs),
            times=run.times,
            run_ms=0.0 if kind == "control" else run.ms,  # its branches are kernels, too
        )

    def _shapes_of(self, node: onnx.NodeProto, run: KernelRun) -> dict[str, Shape]:
        """Shapes of a node's values in this run; what it does not tell is as before."""
        outputs = [name for name in node.output if name]
        inputs = [name for name in node.input if name]
        # The runtime leaves out weights that it keeps in a form of its own: the largest ones.
        weights = sorted(self._weights.intersection(inputs), key=self._size)
        kept_apart = weights[len(weights) - max(0, len(inputs) - len(run.inputs)) :]
        told = [name for name in inputs if name not in kept_apart]
        if len(told) == len(run.inputs):
            self._note(told, run.inputs)
        if len(outputs) == len(run.outputs):
            self._note(outputs, run.outputs)
        return {name: self._shapes[name] for name in (*inputs, *outputs) if name in self._shapes}

    def _element(self, weights: Sequence[str], types: Sequence[str], macs: int) -> str:
        """The type of what is read; of a product of bytes, also that of its weights where these are signed."""
        signed = ".int8" if macs and not self._signed.isdisjoint(weights) else ""
        return f"{types[0]}{signed}" if types else ""

    def _size(self, name: str) -> int:
        return math.prod(self._shapes[name])

    def _note(self, names: Sequence[str], tensors: Sequence[tuple[str, Sequence[int]]]) -> None:
        for name, (_, shape) in zip(names, tensors, strict=True):
            if name not in self._weights:
                self._shapes[name] = tuple(shape)


def _fused(node: onnx.NodeProto) -> list[str]:
    """Operators that the runtime has fused into a product: a sum, an activation."""
    function = attribute(node, ACTIVATION, b"").decode(errors="replace")
    summed = node.op_type in ("Conv", "FusedConv") and len(node.input) > 3 and bool(node.input[3])
    return [*(["Add"] if summed else []), *([function] if function else [])]


def with_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every node has a name, each another one."""
    copy, seen = onnx.ModelProto(), set[str]()
    copy.CopyFrom(model)
    nodes = (node for graph in graphs_of(copy.graph) for node in graph.node)
    for number, node in enumerate(nodes):
        name = label(node)
        node.name = name if name not in seen else f"{name}#{number}"
        seen.add(node.name)
    return copy
