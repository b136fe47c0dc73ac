"""How many separate stretches of memory a kernel walks that multiplies nothing: each costs time, however short."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

from onnx import NodeProto

from edgenas.onnx_latency.kernels import Shape
from edgenas.onnx_latency.operators import attribute

Shapes = Mapping[str, Shape]

BROADCASTING = (
    "Add", "And", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod",
    "Mul", "Or", "Pow", "PRelu", "Sub", "Sum", "Where", "Xor",
)  # fmt: skip
"""Operators whose inputs may have other shapes than the output."""

REDUCING = (
    "ArgMax", "ArgMin", "LayerNormalization", "LogSoftmax", "QLinearSoftmax", "ReduceL1", "ReduceL2", "ReduceLogSum",
    "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
    "SkipLayerNormalization", "Softmax", "TopK",
)  # fmt: skip
"""Operators that look at row after row."""


def walks(node: NodeProto, shapes: Shapes) -> int:
    """The number of stretches; 1 where memory is walked from end to end.

    Args:
        node: of a graph.
        shapes: of its values.
    """
    found = _WALKS.get(node.op_type)
    known = all(name in shapes for name in (*filter(None, node.input), *filter(None, node.output)))
    return max(1, found(node, shapes)) if found and known and node.output else 1


def is_broadcast(node: NodeProto, shapes: Shapes) -> bool:
    """Whether inputs of more than one element have different shapes."""
    read = {shapes[name] for name in node.input if name and math.prod(shapes.get(name, ())) > 1}
    return node.op_type in BROADCASTING and len(read) > 1


def moves_one_axis(node: NodeProto, shapes: Shapes) -> bool:
    """Whether a transposition only takes neighbouring axes to another place, which runtimes do faster."""
    if node.op_type != "Transpose" or node.input[0] not in shapes:
        return True
    shape = shapes[node.input[0]]
    order = attribute(node, "perm", [*range(len(shape))][::-1])
    long = [axis for axis in order if shape[axis] != 1]
    ranks = [sorted(long).index(axis) for axis in long]
    breaks = sum(after != before + 1 for before, after in pairwise([-1, *ranks, len(ranks)]))
    return breaks <= 3  # A B C D as A C B D: what two blocks that change places leave


def _broadcast(node: NodeProto, shapes: Shapes) -> int:
    """Stretches in which each input is either walked along or stays where it is."""
    out = shapes[node.output[0]]
    operands = [(1,) * (len(out) - len(shapes[name])) + shapes[name] for name in node.input if name]
    span = 1
    moves: list[bool | None] = [None] * len(operands)
    for axis in reversed(range(len(out))):
        if out[axis] == 1:
            continue
        now = [operand[axis] == out[axis] for operand in operands]
        if any(before not in (None, after) for before, after in zip(moves, now, strict=True)):
            break
        moves, span = [*now], span * out[axis]
    return math.prod(out) // max(1, span)


def _joined(
    whole: Callable[[NodeProto, Shapes], Shape], parts: Callable[[NodeProto], int]
) -> Callable[..., int]:
    """Of what is put together, or split, along an axis."""

    def count(node: NodeProto, shapes: Shapes) -> int:
        shape = whole(node, shapes)
        axis = attribute(node, "axis", 0) % max(1, len(shape))
        return math.prod(shape[:axis]) * parts(node)

    return count


def _transposed(node: NodeProto, shapes: Shapes) -> int:
    shape = shapes[node.input[0]]
    order = attribute(node, "perm", [*range(len(shape))][::-1])
    together = 1
    for place in reversed(range(len(shape))):
        if order[place] != place:
            break
        together *= shape[place]
    return math.prod(shape) // max(1, together)


def _gathered(node: NodeProto, shapes: Shapes) -> int:
    shape = shapes[node.input[0]]
    axis = attribute(node, "axis", 0) % max(1, len(shape))
    return math.prod(shape[:axis]) * math.prod(shapes[node.input[1]])


def _cut(node: NodeProto, shapes: Shapes) -> int:
    """Of a part of a value, or of one that is extended: stretches that both have in one piece."""
    read, written = shapes[node.input[0]], shapes[node.output[0]]
    small = min(read, written, key=math.prod)
    together = 1
    for one, other in zip(reversed(read), reversed(written), strict=False):
        together *= min(one, other)
        if one != other:
            break
    return math.prod(small) // max(1, together)


def _rows(node: NodeProto, shapes: Shapes) -> int:
    shape = shapes[node.input[0]]
    return math.prod(shape[:-1])


_WALKS: dict[str, Callable[[NodeProto, Shapes], int]] = {
    **dict.fromkeys(BROADCASTING, _broadcast),
    **dict.fromkeys(REDUCING, _rows),
    **dict.fromkeys(("Expand", "Pad", "Slice", "Tile"), _cut),
    "Concat": _joined(lambda node, shapes: shapes[node.output[0]], lambda node: len(node.input)),
    "Split": _joined(lambda node, shapes: shapes[node.input[0]], lambda node: len(node.output)),
    "Transpose": _transposed,
    "Gather": _gathered,
}
