"""Elementwise functions, and reductions of arrays."""

import math
from collections.abc import Sequence
from functools import reduce

from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.kinds.starting import Built, Draw, Kind, Start, repeats
from edgenas.space.onnx_graph import INPUT

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL

_FUNCTIONS = {
    "exponential": "Exp Log Sqrt Reciprocal Erf Softplus Pow",
    "trigonometric": "Sin Cos Tan Atan Asin Sinh Cosh",
    "rounding": "Abs Neg Floor Ceil Round Sign",
    "bounded": "Tanh Sigmoid HardSigmoid HardSwish Softsign",
    "rectified": "Relu LeakyRelu Elu Selu Celu ThresholdedRelu PRelu",
}
"""Functions of one element by the code that they are likely to share."""


def _size(draw: Draw, start: Start) -> GraphBuilder:
    """From ten elements to a million, as a list, as tokens or as an image."""
    size = draw.between(10, 1_000_000)
    if size < 1000 or draw.chance(0.3):
        return start(size)
    if draw.chance(0.5):
        width = draw.of(64, 128, 256)
        return start(max(1, size // width), width)
    rows = draw.of(7, 14, 28)
    return start(max(2, size // rows**2), rows, rows)


def _functions(names: str) -> Kind:
    """All of these functions one after the other, of numbers that none of them lets overflow."""

    def build(draw: Draw, start: Start) -> Built:
        builder = _size(draw, start)
        value, shuffled = INPUT, draw.some(len(names.split()), *names.split())
        for name in shuffled * repeats(builder):
            value = builder.unary("Clip", _function(builder, name, value), 0.1, 0.9)
        return builder, value

    return build


def _function(builder: GraphBuilder, name: str, value: Value) -> Value:
    if name == "Pow":
        return builder.unary("Pow", value, 2.0)
    if name == "PRelu":
        return builder.node("PRelu", [value, builder.weight(1)], builder.shape(value))
    return builder.unary(name, value)


def _binary(draw: Draw, start: Start) -> Built:
    """Arithmetic of equal shapes."""
    builder = _size(draw, start)
    other = builder.input(builder.shape(INPUT))
    value = INPUT
    for operator in draw.some(3, "Add", "Sub", "Mul", "Div", "Max", "Min") * repeats(builder):
        value = builder.node(operator, [value, other], builder.shape(value))
    return builder, value


def _scalar(draw: Draw, start: Start) -> Built:
    """Arithmetic with a number."""
    builder = _size(draw, start)
    value = INPUT
    for operator in draw.some(3, "Add", "Sub", "Mul", "Div", "Max", "Min") * repeats(builder):
        value = builder.unary(operator, value, draw.of(2, 3) / 2)
    return builder, value


def _broadcast(last: bool) -> Kind:
    """Arithmetic with one number for each channel of an image, or along the last axis of tokens."""

    def build(draw: Draw, start: Start) -> Built:
        width, size = draw.of(8, 32, 64, 256), draw.between(1, 2000)
        rows = max(1, math.isqrt(size))
        builder = start(size, width) if last else start(width, rows, rows)
        shape = (1, width) if last else (width, 1, 1)
        value = INPUT
        for operator in draw.some(3, "Add", "Sub", "Mul", "Div", "PRelu") * repeats(builder):
            value = builder.node(operator, [value, builder.weight(*shape)], builder.shape(value))
        gate = builder.input((start.batch, *shape))
        return builder, builder.multiply(value, gate)

    return build


def _variadic(draw: Draw, start: Start) -> Built:
    builder = _size(draw, start)
    others = [builder.input(builder.shape(INPUT)) for _ in range(2)]
    value = INPUT
    for operator in draw.some(4, "Sum", "Max", "Min", "Mean") * repeats(builder):
        value = builder.node(operator, [value, *others], builder.shape(value))
    return builder, value


def _compared(draw: Draw, start: Start) -> Built:
    """Comparisons, logic, and a choice by them."""
    builder = _size(draw, start)
    shape = builder.shape(INPUT)
    other = builder.input(shape)
    masks = [
        builder.node(operator, [INPUT, other], shape, BOOL)
        for operator in draw.some(3, "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
    ]
    both = builder.node("And", masks[:2], shape)
    mask = builder.node("Not", [builder.node("Or", [both, masks[2]], shape)], shape)
    value = builder.node("Where", [mask, INPUT, other], shape, FLOAT)
    for _ in range(repeats(builder)):
        mask = builder.node("Greater", [value, other], shape, BOOL)
        value = builder.node("Where", [mask, builder.unary("Neg", value), other], shape, FLOAT)
    return builder, value


def _whole_numbers(draw: Draw, start: Start) -> Built:
    """Arithmetic of integers."""
    kind = TensorProto.INT32 if draw.chance(0.5) else INT64
    shape = (draw.between(10, 1_000_000),)
    builder = start(*shape, kind=kind)
    value = builder.node("Add", [INPUT, builder.drawn(1, 90, *shape, kind=kind)], (start.batch, *shape))
    for operator in draw.some(3, "Sub", "Mul", "Div", "Mod") * repeats(builder):
        value = builder.unary(operator, value, draw.of(2, 3, 5))
    mask = builder.node("Equal", [value, builder.scalar(1, kind)], builder.shape(value), BOOL)
    return builder, builder.cast(mask, FLOAT)


def _softmax(draw: Draw, start: Start) -> Built:
    """Along a long last axis, or along another one."""
    operator, axis = draw.word("Softmax", "LogSoftmax"), draw.of(1, 2, 2)
    builder = start(draw.between(1, 300), draw.between(10, 3000))
    value = INPUT
    for _ in range(2 * repeats(builder)):
        value = builder.unary(operator, builder.unary("Mul", value, 0.5), axis=axis)
    return builder, value


def reduced(builder: GraphBuilder, operator: str, value: Value, axes: Sequence[int], keeps: bool) -> Value:
    """A reduction, in the form that its operator has in this opset."""
    sizes = list(enumerate(builder.shape(value)))
    shape = [1 if i in axes else size for i, size in sizes if keeps or i not in axes]
    if operator == "ReduceSum":
        return builder.node(operator, [value, builder.integers(*axes)], shape, keepdims=int(keeps))
    return builder.node(operator, [value], shape, axes=list(axes), keepdims=int(keeps))


def _reductions(last: bool) -> Kind:
    """Reductions over the last axis, or over others."""

    def build(draw: Draw, start: Start) -> Built:
        builder = start(draw.between(2, 300), draw.between(2, 40), draw.between(2, 60))
        operators = ["Sum", "Max", "Mean", "Min", *draw.some(2, "Prod", "L1", "L2", "SumSquare", "LogSumExp")]
        options = ([3], [2, 3]) if last else ([1], [2], [1, 2])
        axes = options[draw.of(*range(len(options)))]
        value = INPUT
        for _ in range(min(3, repeats(builder))):
            parts = [reduced(builder, f"Reduce{operator}", value, axes, True) for operator in operators]
            value = builder.node("Div", [INPUT, reduce(builder.add, parts)], builder.shape(INPUT))
        return builder, reduced(builder, "ReduceSum", value, axes, False)

    return build


def _ranked(draw: Draw, start: Start) -> Built:
    """The largest elements, and running sums."""
    rows, columns = draw.between(1, 100), draw.between(10, 1000)
    builder = start(rows, columns)
    sums = INPUT
    for _ in range(repeats(builder)):
        sums = builder.unary("Sin", sums)
        sums = builder.node("CumSum", [sums, builder.scalar(2, INT64)], builder.shape(INPUT))
    count = draw.of(1, 5, 10)
    shape = (start.batch, rows, count)
    value = builder.node("TopK", [sums, builder.integers(count)], shape, axis=-1)
    builder.also(shape, INT64)
    for operator in ("ArgMax", "ArgMin"):
        place = builder.node(operator, [sums], (*shape[:2], 1), INT64, axis=-1, keepdims=1)
        value = builder.add(builder.cast(place, FLOAT), value)
    return builder, value


ARRAYS: dict[str, Kind] = {
    **{name: _functions(names) for name, names in _FUNCTIONS.items()},
    "binary": _binary,
    "scalar": _scalar,
    "channel-broadcast": _broadcast(last=False),
    "last-broadcast": _broadcast(last=True),
    "variadic": _variadic,
    "comparison": _compared,
    "integers": _whole_numbers,
    "softmax": _softmax,
    "last-reduction": _reductions(last=True),
    "outer-reduction": _reductions(last=False),
    "ranking": _ranked,
}
