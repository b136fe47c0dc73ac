"""Stretches of memory that kernels walk."""

from typing import Any

import pytest
from onnx import NodeProto

from edgenas.onnx_latency.kernels import Shape
from edgenas.onnx_latency.memory_walks import is_broadcast, moves_one_axis, walks

from .conftest import node


@pytest.mark.parametrize(
    ("made", "shapes", "count"),
    [
        (node("Add", "a b", "y"), {"a": (2, 8, 6, 6), "b": (2, 8, 6, 6), "y": (2, 8, 6, 6)}, 1),
        (node("Add", "a b", "y"), {"a": (2, 8, 6, 6), "b": (), "y": (2, 8, 6, 6)}, 1),
        (node("Add", "a b", "y"), {"a": (2, 8, 6, 6), "b": (8, 1, 1), "y": (2, 8, 6, 6)}, 16),
        (node("Add", "a b", "y"), {"a": (50, 64), "b": (64,), "y": (50, 64)}, 50),
        (node("Mul", "a b", "y"), {"a": (50, 64), "b": (50, 1), "y": (50, 64)}, 50),
        (node("Concat", "a b", "y", axis=1), {"a": (2, 8, 6), "b": (2, 4, 6), "y": (2, 12, 6)}, 4),
        (node("Concat", "a b", "y", axis=-1), {"a": (2, 8, 6), "b": (2, 8, 1), "y": (2, 8, 7)}, 32),
        (node("Split", "a", "y z", axis=1), {"a": (2, 8, 6), "y": (2, 4, 6), "z": (2, 4, 6)}, 4),
        (node("Transpose", "a", "y", perm=[1, 0, 2]), {"a": (2, 8, 6), "y": (8, 2, 6)}, 16),
        (node("Transpose", "a", "y", perm=[0, 2, 1]), {"a": (2, 8, 6), "y": (2, 6, 8)}, 96),
        (node("Gather", "a i", "y", axis=0), {"a": (100, 16), "i": (1, 20), "y": (1, 20, 16)}, 20),
        (node("Slice", "a s e", "y"), {"a": (2, 8, 6), "s": (1,), "e": (1,), "y": (2, 4, 6)}, 2),
        (node("Pad", "a p", "y"), {"a": (1, 8, 6, 6), "p": (8,), "y": (1, 8, 8, 8)}, 48),
        (node("Softmax", "a", "y"), {"a": (2, 8, 6), "y": (2, 8, 6)}, 16),
        (node("Relu", "a", "y"), {"a": (2, 8, 6), "y": (2, 8, 6)}, 1),
        (node("Add", "a b", "y"), {"a": (2, 8), "y": (2, 8)}, 1),
    ],
    ids=lambda value: value.op_type if isinstance(value, NodeProto) else None,
)
def test_stretches_are_counted(made: NodeProto, shapes: dict[str, Shape], count: int) -> None:
    assert walks(made, shapes) == count


@pytest.mark.parametrize(
    ("operator", "left", "right", "found"),
    [
        ("Add", (2, 8), (2, 8), False),
        ("Add", (2, 8), (1, 1), False),
        ("Add", (2, 8), (8,), True),
        ("Concat", (2, 8), (2, 4), False),
    ],
)
def test_only_inputs_of_several_shapes_are_broadcast(
    operator: str, left: Shape, right: Shape, found: bool
) -> None:
    attributes: dict[str, Any] = {"axis": 1} if operator == "Concat" else {}
    made = node(operator, "a b", "y", **attributes)
    assert is_broadcast(made, {"a": left, "b": right, "y": (2, 8)}) is found


@pytest.mark.parametrize(
    ("shape", "order", "found"),
    [
        ((2, 8, 6), [0, 2, 1], True),
        ((2, 8, 6), [2, 0, 1], True),
        ((2, 8, 6), [2, 1, 0], False),
        ((1, 8, 1, 6), [3, 2, 1, 0], True),
        ((2, 8, 6, 4), [0, 2, 1, 3], True),
        ((2, 8, 6, 4), [0, 3, 2, 1], False),
        ((2, 8), [0, 1], True),
    ],
)
def test_transpositions_that_move_one_axis(shape: Shape, order: list[int], found: bool) -> None:
    made = node("Transpose", "a", "y", perm=order)
    assert moves_one_axis(made, {"a": shape, "y": tuple(shape[i] for i in order)}) is found


def test_other_operators_move_none() -> None:
    assert moves_one_axis(node("Relu", "a", "y"), {"a": (2, 8), "y": (2, 8)})
