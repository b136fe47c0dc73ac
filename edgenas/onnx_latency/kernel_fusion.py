"""Splitting a graph into the kernels that a runtime fuses.

A kernel begins at a convolution, a matrix product, or any operator that cannot be fused into a previous kernel.
Following nodes are fused while they are elementwise, keep the size, and no other node needs the values in between:
batch norm, an activation of one node or several (SiLU, hard swish, GELU: a value times a function of it), and one
addition of a value that is already available, such as a skip connection.
"""

from collections.abc import Iterator

from onnx import NodeProto

from edgenas.onnx_latency.data_flow import DataFlow
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.onnx_reading import label, operator
from edgenas.onnx_latency.operators import Role, attribute, operator_of
from edgenas.onnx_latency.shape_inference import Graph

MAX_GROUP = 16
"""Most nodes of one activation; GELU by its tanh approximation has 8."""

_SUMS = ("Add", "Sum")


def fused_kernels(graph: Graph) -> list[Kernel]:
    """The kernels of a graph, in execution order."""
    return [_kernel(graph, members) for members in _Fuser(graph).kernels()]


class _Fuser:
    """Groups nodes, by index, into kernels; tracks which values are available so far."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._flow = DataFlow(graph)
        self._taken = set(self._flow.views)
        # A difference of sets would keep the room of the larger, through which every later look-up would go.
        self._available = {value for value in self._flow.consumers if value not in self._flow.producer}

    def kernels(self) -> Iterator["_Members"]:
        for i, node in enumerate(self._graph.nodes):
            if i in self._taken or self._is_padding(i):
                continue
            members = [i, *self._padding(node)]
            if operator_of(node).role is not Role.ALONE:
                members += self._inside(node)
            self._taken.update(members)
            self._available.update(value for j in members for value in self._graph.nodes[j].output)
            yield _Members(members, self._flow)

    def _is_padding(self, i: int) -> bool:
        """Whether the node is a `Pad` that its only consumer performs as its own padding."""
        node = self._graph.nodes[i]
        if node.op_type != "Pad" or node.output[0] in self._flow.outputs:
            return False
        users = self._flow.consumers[node.output[0]]
        zeros = attribute(node, "mode", b"constant") == b"constant"
        return zeros and len(users) == 1 and operator_of(self._graph.nodes[users[0]]).pads

    def _padding(self, node: NodeProto) -> list[int]:
        makers = (self._flow.producer.get(value) for value in self._flow.reads(node))
        return [i for i in makers if i is not None and self._is_padding(i)]

    def _inside(self, node: NodeProto) -> list[int]:
        """Following nodes that are fused into this node's kernel."""
        inside: list[int] = []
        value, may_sum = node.output[0], True
        while group := self._group(value, may_sum):
            inside += group
            value = self._graph.nodes[group[-1]].output[0]
            may_sum = may_sum and all(self._others(i, set()).isdisjoint(self._available) for i in group)
        return inside

    def _group(self, value: str, may_sum: bool) -> list[int]:
        """The smallest group of elementwise nodes that consume this value and leave a single value for later nodes."""
        group: list[int] = []
        known = {value}
        while len(group) < MAX_GROUP and not self._flow.outputs & known:
            waiting = sorted({i for name in known for i in self._flow.consumers[name]} - set(group))
            if not waiting or not self._fits(waiting[0], value, known, may_sum):
                return []
            group.append(waiting[0])
            if all(set(group).issuperset(self._flow.consumers[name]) for name in known):
                return group
            known.add(self._graph.nodes[waiting[0]].output[0])
        return []

    def _fits(self, i: int, value: str, known: set[str], may_sum: bool) -> bool:
        node = self._graph.nodes[i]
        if i in self._taken or operator_of(node).role is not Role.ELEMENTWISE or len(node.output) != 1:
            return False
        if len(node.input) > MAX_GROUP or self._graph.size(node.output[0]) != self._graph.size(value):
            return False
        others = self._others(i, known)
        return not others or (may_sum and node.op_type in _SUMS and others <= self._available)

    def _others(self, i: int, known: set[str]) -> set[str]:
        return self._flow.reads(self._graph.nodes[i]).keys() - known


class _Members:
    """The nodes of one kernel; the first determines its kind."""

    def __init__(self, places: list[int], flow: DataFlow) -> None:
        self.nodes = [flow.graph.nodes[i] for i in places]
        made = dict.fromkeys(value for node in self.nodes for value in node.output)
        read = {name: value for node in self.nodes for name, value in flow.reads(node).items()}
        self.reads = tuple(name for name in read if name not in made)
        self.read = [read[name] for name in self.reads]
        inside = set(places)
        self.written = [value for value in made if flow.needed_outside(value, inside)]


def _kernel(graph: Graph, members: _Members) -> Kernel:
    first = members.nodes[0]
    row = operator_of(first)
    product = row.multiplied(graph, first)
    elements_written = sum(map(graph.size, members.written))
    return Kernel(
        kind=row.kind(graph, first),
        nodes=tuple(map(label, members.nodes)),
        operators=tuple(map(operator, members.nodes)),
        macs=product.macs,
        elements_read=elements_written if row.picks else sum(map(graph.size, members.read)),
        elements_written=elements_written,
        input_shapes=tuple(graph.shapes[value] for value in members.read),
        weight_shapes=() if row.picks else tuple(graph.shapes[value] for value in _weights(graph, members)),
        output_shapes=tuple(graph.shapes[value] for value in members.written),
        reuse=product.reuse,
        window=row.window(graph, first),
    )


def _weights(graph: Graph, members: _Members) -> list[str]:
    """Weights read; of a batch norm only scale and shift, as its statistics are folded into them."""
    inputs = (
        value
        for node in members.nodes
        for value in (node.input[:3] if node.op_type == "BatchNormalization" else node.input)
    )
    return [value for value in dict.fromkeys(inputs) if value in graph.weights]
