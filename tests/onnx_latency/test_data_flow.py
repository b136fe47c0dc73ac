"""Who makes and takes a value, past the nodes that cost nothing."""

from collections.abc import Callable

import pytest

from edgenas.onnx_latency.data_flow import DataFlow
from edgenas.onnx_latency.shape_inference import Graph

from .conftest import node


def test_views_are_seen_through(graph_of: Callable[..., Graph]) -> None:
    nodes = [
        node("Relu", "x", "a"),
        node("Identity", "a", "b"),
        node("Flatten", "b", "c"),
        node("Exp", "c", "d"),
        node("Log", "b", "e"),
        node("Identity", "d", "y"),
    ]
    flow = DataFlow(graph_of(nodes, output="y e"))
    assert flow.views == {1, 2, 5}
    assert (flow.consumers["a"], flow.consumers["d"]) == ([3, 4], [])
    assert flow.reads(nodes[3]) == {"a": "c"}
    assert flow.producer == {"a": 0, "d": 3, "e": 4}
    assert flow.outputs == {"d", "e"}
    assert [flow.needed_outside("a", places) for places in ({3}, {3, 4})] == [True, False]
    assert flow.needed_outside("d", [3])


@pytest.mark.parametrize(
    ("shape", "order", "is_view"),
    [
        ((1, 8, 1, 1), [0, 2, 3, 1], True),
        ((1, 8, 6, 6), [0, 2, 3, 1], False),
        ((1, 8, 6, 6), [0, 1, 2, 3], True),
        ((1, 1, 6, 5), [0, 2, 3, 1], True),
        ((1, 8, 1, 1), None, True),
        ((1, 8, 2, 1), None, False),
    ],
)
def test_a_transposition_of_single_axes_moves_nothing(
    graph_of: Callable[..., Graph], shape: tuple[int, ...], order: list[int] | None, is_view: bool
) -> None:
    transpose = node("Transpose", "x", "y", **({"perm": order} if order else {}))
    assert DataFlow(graph_of([transpose], shape)).views == ({0} if is_view else set())
