"""Kernels that move, choose or make elements, and the arithmetic of shapes that exporters write around them."""

from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.kinds.arrays import reduced
from edgenas.fragments.kinds.starting import Built, Draw, Kind, Start, repeats
from edgenas.space.onnx_graph import INPUT

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL

_ORDERS = ((0, 2, 3, 1), (0, 3, 1, 2), (0, 2, 1, 3), (0, 1, 3, 2), (0, 3, 2, 1), (2, 0, 1, 3))


def _transposed(draw: Draw, start: Start) -> Built:
    """Axes in several orders."""
    builder = start(draw.of(3, 12, 32, 64), draw.between(4, 60), draw.between(4, 60))
    value = INPUT
    for operator in ("Neg", "Abs") * (1 + repeats(builder)):  # else the runtime would merge them
        order = _ORDERS[draw.of(*range(len(_ORDERS)))]
        value = builder.unary(operator, builder.transposed(value, *order))
    return builder, value


def _sliced(draw: Draw, start: Start) -> Built:
    """Every second pixel of images, four times, then a part of what is joined of them."""
    rows = 4 * draw.between(4, 50)
    builder = start(draw.of(3, 16, 32), rows, rows)
    batch, channels, *_ = builder.shape(INPUT)
    shape = (batch, channels, rows // 2, rows // 2)
    ends, axes, steps = builder.integers(rows, rows), builder.integers(2, 3), builder.integers(2, 2)
    parts = [
        builder.node("Slice", [INPUT, builder.integers(i, j), ends, axes, steps], shape)
        for i in (0, 1)
        for j in (0, 1)
    ]
    value = builder.node("Concat", parts, (batch, 4 * channels, *shape[2:]), axis=1)
    axis, part = draw.of(1, 2, 3), list(builder.shape(value))
    part[axis] //= 2
    bounds = [builder.integers(number) for number in (0, part[axis], axis)]
    return builder, builder.node("Slice", [builder.activated(value, "relu"), *bounds], part)


def _joined(draw: Draw, start: Start) -> Built:
    """Values split and concatenated along various axes."""
    axis = draw.of(1, 2, 3)
    builder = start(4 * draw.of(1, 4, 16), 4 * draw.between(1, 30), 4 * draw.of(1, 4, 15))
    shape = builder.shape(INPUT)
    value, part = INPUT, [size // 4 if i == axis else size for i, size in enumerate(shape)]
    for _ in range(1 + repeats(builder)):
        parts = [builder.node("Split", [value], part, axis=axis), *(builder.also(part) for _ in range(3))]
        parts[0] = builder.unary("Neg", parts[0])
        value = builder.node("Concat", parts[::-1], shape, axis=axis)
    return builder, value


def _repeated(draw: Draw, start: Start) -> Built:
    """Copies of a value: expanded, then tiled."""
    rows, width, times = draw.between(30, 300), draw.of(64, 128, 256), draw.of(2, 3, 4)
    builder = start(rows, 1, width)
    shape = (start.batch, rows, times, width)
    value = builder.node("Expand", [INPUT, builder.integers(*shape)], shape)
    counts = (1, times, 1, 1) if draw.chance(0.5) else (1, 1, 1, times)
    tiled = [size * count for size, count in zip(shape, counts, strict=True)]
    value = builder.node("Tile", [builder.activated(value, "relu"), builder.integers(*counts)], tiled)
    return builder, builder.unary("Neg", value)


def _gathered(draw: Draw, start: Start) -> Built:
    """Rows and elements, by constant indices."""
    rows, width, count = draw.between(4, 400), draw.of(4, 16, 64, 256), draw.between(1, 200)
    builder, shape = start(rows, width), (start.batch, count, width)
    value = builder.node("Gather", [INPUT, builder.drawn(0, rows, count)], shape, axis=1)
    for _ in range(repeats(builder)):
        value = builder.node("Gather", [value, builder.drawn(0, width, width)], shape, axis=2)
        value = builder.node("GatherElements", [value, builder.drawn(0, count, *shape)], shape, axis=1)
        indices = builder.drawn(0, count, *shape[:2], 1)
        value = builder.node("GatherND", [value, indices], shape, batch_dims=1)
    return builder, value


def _scattered(draw: Draw, start: Start) -> Built:
    """Elements and rows written to constant places."""
    rows, width, count = draw.between(4, 400), draw.of(4, 16, 64, 256), draw.between(1, 4)
    builder, shape = start(rows, width), (start.batch, count, width)
    bounds = [builder.integers(number) for number in (0, count, 1)]
    updates = builder.unary("Neg", builder.node("Slice", [INPUT, *bounds], shape))
    value = INPUT
    for _ in range(repeats(builder)):
        inputs = [value, builder.drawn(0, rows, *shape), updates]
        value = builder.unary("Abs", builder.node("ScatterElements", inputs, builder.shape(INPUT), axis=1))
        inputs = [value, builder.drawn(0, min(start.batch, rows), *shape[:2], 2), updates]
        value = builder.node("ScatterND", inputs, builder.shape(INPUT))
    return builder, value


def _chosen(draw: Draw, start: Start) -> Built:
    """A mask, and the elements where it is true."""
    builder = start(draw.between(10, 20_000))
    shape = builder.shape(INPUT)
    value = INPUT
    for _ in range(repeats(builder)):
        mask = builder.node("Greater", [value, builder.scalar(0.5)], shape, BOOL)
        value = builder.unary("Sin", builder.node("Where", [mask, value, builder.scalar(0.0)], shape, FLOAT))
    places = builder.transposed(builder.node("NonZero", [value], (2, shape[-1]), INT64), 1, 0)
    value = builder.node("GatherND", [INPUT, places], shape[1:], FLOAT)
    flags = builder.node("Equal", [value, builder.scalar(0.75)], shape[1:], BOOL)
    value = builder.node("Compress", [value, builder.node("Not", [flags], shape[1:])], shape[1:], axis=0)
    return builder, reduced(builder, "ReduceSum", value, [0], True)


def _as_given(builder: GraphBuilder, *shape: int) -> Value:
    """The first input in a shape that only the caller decides, so that nothing about it is computed beforehand."""
    ones = builder.input((len(shape),), INT64)
    sizes = builder.node("Mul", [ones, builder.integers(*shape)], (len(shape),))
    return builder.node("Reshape", [INPUT, sizes], shape)


def _shapes(draw: Draw, start: Start) -> Built:
    """Arithmetic of shapes around a reshape, as exporters write it for open axes."""
    rows, width = 2 * draw.between(1, 50), draw.of(8, 32, 128)
    builder = start(rows * width)
    shape, two = [start.batch, rows, width], builder.scalar(2, INT64)
    value = _as_given(builder, *shape)
    for number in range(draw.of(2, 3, 4)):
        sizes = builder.node("Shape", [value], (3,), INT64)
        size = [builder.node("Gather", [sizes, builder.scalar(i, INT64)], ()) for i in range(3)]
        # Two sizes change, since the runtime makes one that does a constant -1.
        more, less = (1, 2) if number % 2 else (2, 1)
        size[more] = builder.node("Mul", [size[more], two], ())
        size[less] = builder.node("Div", [size[less], two], ())
        shape[more], shape[less] = shape[more] * 2, shape[less] // 2
        target = [builder.node("Unsqueeze", [each, builder.integers(0)], (1,)) for each in size]
        value = builder.node("Reshape", [value, builder.node("Concat", target, (3,), axis=0)], shape)
        value = builder.unary("Abs", value)
    return builder, value


def _made(draw: Draw, start: Start) -> Built:
    """Positions, masks and constants made for a length that only the caller decides."""
    tokens, width = draw.between(2, 200), draw.of(8, 32)
    builder = start(tokens * width)
    square = (tokens, tokens)
    value = _as_given(builder, start.batch, tokens, width)
    sizes = builder.node("Shape", [value], (3,), INT64)
    bounds = [builder.integers(number) for number in (1, 2, 0)]
    length = builder.node("Slice", [sizes, *bounds], (1,))
    scalar = builder.node("Squeeze", [length, builder.integers(0)], ())
    steps = [builder.scalar(number, INT64) for number in (0, 1)]
    places = builder.node("Range", [steps[0], scalar, steps[1]], (tokens,), INT64)
    rows = builder.node("Unsqueeze", [places, builder.integers(1)], (tokens, 1))
    mask = builder.node(draw.word("Less", "GreaterOrEqual"), [places, rows], square, BOOL)
    both = builder.node("Concat", [length, length], (2,), axis=0)
    zeros = builder.node("ConstantOfShape", [both], square, FLOAT)
    mask = builder.node("Where", [mask, zeros, builder.scalar(-1e4)], square, FLOAT)
    mask = builder.node("Trilu", [mask], square, upper=0)
    hot = builder.node("OneHot", [places, scalar, builder.floats(0, 1)], square, FLOAT)
    mask = builder.add(hot, mask)
    mask = builder.node("Slice", [mask, builder.integers(0), length, builder.integers(1)], square)
    floats = [builder.scalar(0.0), builder.cast(scalar, FLOAT), builder.scalar(1.0)]
    angles = builder.node("Range", floats, (tokens,), FLOAT)
    angles = builder.node("Unsqueeze", [angles, builder.integers(1)], (tokens, 1))
    angles = builder.node("Mul", [angles, builder.weight(width)], (tokens, width))
    value = builder.add(builder.unary(draw.word("Sin", "Cos"), angles), value)
    return builder, builder.node("MatMul", [mask, value], (start.batch, tokens, width), FLOAT)


def _numbers(kind: int) -> Kind:
    """Integers and bytes that are moved, not computed with."""

    def build(draw: Draw, start: Start) -> Built:
        rows, width = draw.between(2, 300), 2 * draw.of(2, 8, 32)
        builder = start(rows, width, kind=kind)
        batch, value = start.batch, INPUT
        for _ in range(draw.of(2, 3)):
            value = builder.transposed(builder.reshaped(value, batch, rows, width), 0, 2, 1)
            bounds = [builder.integers(number) for number in (0, width // 2, 1)]
            half = builder.node("Slice", [value, *bounds], (batch, width // 2, rows))
            value = builder.node("Concat", [half, half], (batch, width, rows), axis=1)
            value = builder.node(
                "Gather", [value, builder.drawn(0, width, width)], (batch, width, rows), axis=1
            )
        ones = builder.input((4,), INT64)
        target = builder.node("Mul", [ones, builder.integers(batch, 2, width, rows)], (4,))
        value = builder.node("Unsqueeze", [value, builder.integers(1)], (batch, 1, width, rows))
        value = builder.node("Expand", [value, target], (batch, 2, width, rows))
        target = builder.node("Shape", [value], (4,), INT64)
        same = builder.node("Equal", [target, builder.scalar(-1, INT64)], (4,), BOOL)
        target = builder.node("Where", [same, builder.integers(1, 1, 1, 1), target], (4,), INT64)
        return builder, builder.node("Reshape", [value, target], (batch, 2, width, rows))

    return build


def _views(draw: Draw, start: Start) -> Built:
    """Tiny values in many shapes: launches, and nothing else."""
    width = draw.of(4, 8, 32)
    builder = start(2, width)
    batch, value = start.batch, INPUT
    for _ in range(draw.of(4, 8, 16)):
        value = builder.node("Unsqueeze", [value, builder.integers(1)], (batch, 1, 2, width))
        value = builder.unary("Neg", value)
        value = builder.node("Squeeze", [value, builder.integers(1)], (batch, 2, width))
        value = builder.unary("Abs", builder.flat(value))
        value = builder.reshaped(value, batch, 2, width)
    return builder, value


def _cast(draw: Draw, start: Start) -> Built:
    """From one type to another, with a little arithmetic in each."""
    builder = start(draw.between(10, 300_000))
    value = INPUT
    names = draw.some(4, "INT32", "INT64", "FLOAT16", "DOUBLE", "UINT8", "INT8", "BOOL")
    for name in names * repeats(builder):
        value = builder.cast(value, TensorProto.DataType.Value(name))
        value = builder.cast(value, FLOAT)
        value = builder.unary("Add", value, 1.5)
    return builder, value


MOVEMENT: dict[str, Kind] = {
    "transpose": _transposed,
    "slice": _sliced,
    "split": _joined,
    "tile": _repeated,
    "gather": _gathered,
    "scatter": _scattered,
    "choice": _chosen,
    "shapes": _shapes,
    "masks": _made,
    "views": _views,
    **{
        f"moved-{name}": _numbers(TensorProto.DataType.Value(name.upper()))
        for name in ("int32", "int64", "uint8")
    },
    "cast": _cast,
}
