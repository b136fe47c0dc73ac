"""Who makes a value and who takes it, seen past the nodes that only show the same numbers in another shape."""

from collections import defaultdict

from onnx import NodeProto

from edgenas.onnx_latency.operators import Role, attribute, operator_of
from edgenas.onnx_latency.shape_inference import Graph


class Wiring:
    """The nodes of a graph by their place in it, its values by the name they have before any view of them.

    Attributes:
        views: nodes that cost nothing.
        users: by value, the nodes that read it, in order; views excepted.
        maker: by value, the node that makes it.
        leaving: values the model gives.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.views: set[int] = set()
        self.users: dict[str, list[int]] = defaultdict(list)
        self.maker: dict[str, int] = {}
        self._names: dict[str, str] = {}
        for i, node in enumerate(graph.nodes):
            self._enter(i, node)
        self.leaving = {self._name(value) for value in graph.outputs}

    def reads(self, node: NodeProto) -> dict[str, str]:
        """Values that a node reads and that are not constant, with the name each has as it is read."""
        values = (value for value in node.input if value and value not in self.graph.constants)
        return {self._name(value): value for value in values}

    def needed_outside(self, value: str, members: list[int]) -> bool:
        """Whether anybody but these nodes takes a value."""
        return value in self.leaving or not set(members).issuperset(self.users[value])

    def _enter(self, i: int, node: NodeProto) -> None:
        if _is_view(self.graph, node):
            self._names[node.output[0]] = self._name(node.input[0])
            self.views.add(i)
            return
        for value in self.reads(node):
            self.users[value].append(i)
        self.maker.update(dict.fromkeys(node.output, i))

    def _name(self, value: str) -> str:
        return self._names.get(value, value)


def _is_view(graph: Graph, node: NodeProto) -> bool:
    """Whether all numbers stay in their places; so they do where a transposition moves axes of size 1 only."""
    if node.op_type != "Transpose":
        return operator_of(node).role is Role.VIEW
    shape = graph.shapes[node.input[0]]
    order = attribute(node, "perm", [*range(len(shape))][::-1])
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)
