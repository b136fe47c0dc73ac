"""Producers and consumers of values, looking through nodes that only reshape."""

from collections import defaultdict
from collections.abc import Set

from onnx import NodeProto

from edgenas.onnx_latency.operators import Role, attribute, operator_of
from edgenas.onnx_latency.shape_inference import Graph


class DataFlow:
    """Nodes by index, values by their name before any view.

    Attributes:
        views: nodes that only reshape and cost nothing.
        consumers: by value, the nodes that read it, in order; views excluded.
        producer: by value, the node that writes it.
        outputs: outputs of the model.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.views: set[int] = set()
        self.consumers: dict[str, list[int]] = defaultdict(list)
        self.producer: dict[str, int] = {}
        self._names: dict[str, str] = {}
        for i, node in enumerate(graph.nodes):
            self._enter(i, node)
        self.outputs = {self._name(value) for value in graph.outputs}

    def reads(self, node: NodeProto) -> dict[str, str]:
        """Values a node reads, constants excluded; each with the name of the view it is read through."""
        values = (value for value in node.input if value and value not in self.graph.constants)
        return {self._name(value): value for value in values}

    def needed_outside(self, value: str, members: Set[int]) -> bool:
        """Whether any other node, or the model's output, needs a value."""
        return value in self.outputs or not members >= set(self.consumers[value])

    def _enter(self, i: int, node: NodeProto) -> None:
        if _is_view(self.graph, node):
            self._names[node.output[0]] = self._name(node.input[0])
            self.views.add(i)
            return
        for value in self.reads(node):
            self.consumers[value].append(i)
        self.producer.update(dict.fromkeys(node.output, i))

    def _name(self, value: str) -> str:
        return self._names.get(value, value)


def _is_view(graph: Graph, node: NodeProto) -> bool:
    """Whether memory order is unchanged; a transposition qualifies if it only moves axes of size 1."""
    if node.op_type != "Transpose":
        return operator_of(node).role is Role.VIEW
    shape = graph.shapes[node.input[0]]
    order = attribute(node, "perm", [*range(len(shape))][::-1])
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)
