"""Kernels of recurrent networks and transformers, and of products of matrices of all sizes."""

import math

from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.graph_writer import MICROSOFT
from edgenas.fragments.kinds.starting import Built, Draw, Kind, Start
from edgenas.space.onnx_graph import INPUT

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def _recurrent(operator: str) -> Kind:
    """One or two layers of one or two directions, on tokens whose second axis is time."""

    def build(draw: Draw, start: Start) -> Built:
        builder = start(draw.between(3, 200), draw.of(16, 40, 64, 128, 256))
        directions, hidden = draw.of(1, 1, 2), 8 * draw.between(2, 64)
        value = builder.transposed(INPUT, 1, 0, 2)
        for _ in range(draw.of(1, 2)):
            value = _layer(builder, operator, value, hidden, directions)
        return builder, builder.transposed(value, 1, 0, 2)

    return build


def _layer(builder: GraphBuilder, operator: str, value: Value, hidden: int, directions: int) -> Value:
    """A recurrent layer (steps, batch, features) -> (steps, batch, directions * hidden)."""
    steps, batch, features = builder.shape(value)
    rows = _GATES[operator] * hidden
    weights = [(rows, features), (rows, hidden), (2 * rows,)]
    inputs = [value, *(builder.weight(directions, *shape) for shape in weights)]
    builder.macs += steps * batch * directions * rows * (features + hidden)
    extra = {"linear_before_reset": 1} if operator == "GRU" else {}
    direction = "bidirectional" if directions == 2 else "forward"
    shape = (steps, directions, batch, hidden)
    value = builder.node(operator, inputs, shape, hidden_size=hidden, direction=direction, **extra)
    return merged_directions(builder, value)


def merged_directions(builder: GraphBuilder, value: Value) -> Value:
    """What a recurrent layer writes, with one axis for directions and features."""
    steps, directions, batch, hidden = builder.shape(value)
    return builder.reshaped(builder.transposed(value, 0, 2, 1, 3), steps, batch, directions * hidden)


def _heads(builder: GraphBuilder, value: Value, heads: int, *order: int) -> Value:
    batch, tokens, width = builder.shape(value)
    return builder.transposed(builder.reshaped(value, batch, tokens, heads, width // heads), *order)


def _attended(draw: Draw, builder: GraphBuilder, value: Value, heads: int) -> Value:
    """Self-attention, with or without a mask."""
    batch, tokens, width = builder.shape(value)
    query, keys, values = (
        _heads(builder, builder.linear(value, width), heads, *order)
        for order in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
    )
    scores = builder.unary("Div", builder.matmul(query, keys), math.sqrt(width // heads))
    if draw.chance(0.5):
        scores = builder.add(builder.weight(1, 1, tokens, tokens), scores)
    mixed = builder.transposed(builder.matmul(builder.softmax(scores), values), 0, 2, 1, 3)
    return builder.linear(builder.reshaped(mixed, batch, tokens, width), width)


def _encoder(draw: Draw, start: Start) -> Built:
    """Blocks of a transformer, norms behind the sums as in BERT or before the layers as in GPT."""
    heads, width = draw.of(2, 4, 8, 12), draw.of(32, 64)
    builder = start(draw.between(1, 512), heads * width)
    value, before = builder.normalised(INPUT), draw.chance(0.5)
    act = draw.word("gelu", "gelu-tanh", "relu")
    for _ in range(draw.of(1, 2)):
        inside = builder.normalised(value) if before else value
        value = builder.add(value, _attended(draw, builder, inside, heads))
        inside = value = builder.normalised(value)
        inside = builder.linear(inside, 4 * heads * width, act)
        value = builder.add(value, builder.linear(inside, heads * width))
    return builder, builder.normalised(value)


def _decoder(draw: Draw, start: Start) -> Built:
    """One token that attends to those before it, which are kept."""
    heads, width, tokens = draw.of(2, 4, 8, 12), draw.of(32, 64), draw.between(8, 512)
    builder = start(1, heads * width)
    past = [builder.input((start.batch, heads, tokens, width)) for _ in range(2)]
    query, *new = (_heads(builder, builder.linear(INPUT, heads * width), heads, 0, 2, 1, 3) for _ in range(3))
    shape = (start.batch, heads, tokens + 1, width)
    keys, values = (builder.node("Concat", list(pair), shape, axis=2) for pair in zip(past, new, strict=True))
    scores = builder.matmul(query, builder.transposed(keys, 0, 1, 3, 2))
    weights = builder.softmax(builder.unary("Mul", scores, width**-0.5))
    mixed = builder.transposed(builder.matmul(weights, values), 0, 2, 1, 3)
    value = builder.linear(builder.reshaped(mixed, start.batch, 1, heads * width), heads * width)
    return builder, builder.normalised(builder.add(INPUT, value))


def _norm(draw: Draw, start: Start) -> Built:
    """Layer norms: as one node, or in parts; of sums that the runtime fuses with them, or of other things."""
    width = draw.of(32, 64, 128, 256, 384, 768)
    builder = start(draw.between(1, 512), width)
    value = INPUT
    for _ in range(draw.of(2, 3)):
        if draw.chance(0.5):
            value = builder.add(INPUT, builder.unary("Tanh", value))
        value = builder.normalised(value) if draw.chance(0.5) else _norm_in_parts(draw, builder, value)
    return builder, value


def _norm_in_parts(draw: Draw, builder: GraphBuilder, value: Value) -> Value:
    """A layer norm as old exporters write it, or a root mean square norm."""
    means = (*builder.shape(value)[:-1], 1)
    if draw.chance(0.7):
        mean = builder.node("ReduceMean", [value], means, axes=[-1])
        value = builder.node("Sub", [value, mean], builder.shape(value))
    square = builder.node("ReduceMean", [builder.unary("Pow", value, 2.0)], means, axes=[-1])
    spread = builder.unary("Sqrt", builder.unary("Add", square, 1e-5))
    value = builder.scaled(builder.node("Div", [value, spread], builder.shape(value)))
    return builder.add(builder.weight(builder.shape(value)[-1]), value)


def _gelu(draw: Draw, start: Start) -> Built:
    """The two layers of a transformer's network, with all forms of GELU."""
    width, biased = draw.of(64, 128, 256, 384), draw.chance(0.5)
    builder = start(draw.between(1, 256), width)
    value = INPUT
    for form in ("gelu", "gelu-tanh", "gelu-quick"):
        inside = builder.linear(value, 2 * width) if biased else value
        value = builder.linear(builder.activated(inside, form), width)
    return builder, builder.add(INPUT, value)


def _embedding(draw: Draw, start: Start) -> Built:
    """Rows of a large table, with positions added."""
    width, tokens = draw.of(32, 64, 128, 300, 768), draw.between(1, 512)
    words = draw.between(1000, 30000) if width < 300 else 5000
    builder = start(tokens, kind=TensorProto.INT64)
    shape = (start.batch, tokens, width)
    indices = builder.unary("Mul", INPUT, draw.between(1, words // 2))
    value = builder.node("Gather", [builder.weight(words, width), indices], shape, TensorProto.FLOAT)
    spread = builder.drawn(0, words, 1, tokens)
    indices = builder.unary("Clip", builder.add(spread, INPUT), 0, words - 1)
    more = builder.node("Gather", [builder.weight(words, width), indices], shape, TensorProto.FLOAT)
    value = builder.add(builder.weight(1, tokens, width), builder.add(more, value))
    return builder, builder.normalised(value)


def _einsum(draw: Draw, start: Start) -> Built:
    """The products of an attention, written as sums of products."""
    heads, width, tokens = draw.of(2, 4, 8), draw.of(16, 32, 64), draw.between(4, 128)
    builder = start(tokens, heads, width)
    pairs = (start.batch, heads, tokens, tokens)
    builder.macs += 2 * math.prod(pairs) * width
    scores = builder.node("Einsum", [INPUT, INPUT], pairs, equation="bqhd,bkhd->bhqk")
    inputs = [builder.softmax(scores), INPUT]
    value = builder.node("Einsum", inputs, builder.shape(INPUT), equation="bhqk,bkhd->bqhd")
    inputs = [value, builder.weight(heads, width, heads * width)]
    shape = (start.batch, tokens, heads * width)
    builder.macs += math.prod(shape) * heads * width
    return builder, builder.node("Einsum", inputs, shape, equation="bqhd,hdc->bqc")


def _large(draw: Draw, start: Start) -> Built:
    """Fully connected layers whose weights do not stay in cache."""
    width, out = draw.of(512, 1024, 2048, 4096, 4096), draw.of(1000, 2048, 4096)
    builder = start(width)
    value = builder.linear(INPUT, out, draw.word("relu", "none"))
    return builder, builder.linear(value, draw.of(10, 100, 1000))


def _head(draw: Draw, start: Start) -> Built:
    """Layers on what another network has computed, whose weights stay in cache."""
    builder = start(draw.of(512, 1024, 1536, 3072))
    value = INPUT
    for _ in range(draw.of(1, 2)):
        value = builder.linear(value, draw.of(64, 128, 128, 256))
        value = builder.activated(builder.normalised(value) if draw.chance(0.5) else value, "relu")
    return builder, builder.activated(builder.linear(value, draw.of(1, 2, 10)), "sigmoid")


def _small(draw: Draw, start: Start) -> Built:
    """Chains of tiny layers."""
    outer = [draw.of(1, 2, 10)] if draw.chance(0.5) else []
    builder = start(*outer, draw.of(4, 8, 16, 64, 128))
    value = INPUT
    for _ in range(draw.of(4, 8, 16)):
        act = draw.word("relu", "sigmoid", "tanh", "leaky", "none", "silu")
        value = builder.linear(value, draw.of(8, 16, 32, 64, 128), act)
    return builder, builder.softmax(builder.linear(value, draw.of(1, 2, 10)))


def _gemm(draw: Draw, start: Start) -> Built:
    """Products of many rows, in all forms that exporters have for them."""
    rows, inner, out = draw.between(2, 256), draw.of(20, 64, 128, 256, 500), draw.of(10, 64, 128, 256, 500)
    builder = start(rows, inner)
    value = builder.reshaped(INPUT, start.batch * rows, inner)
    shape = (start.batch * rows, out)
    builder.macs += math.prod(shape) * inner
    inputs = [value, builder.weight(inner, out), *([builder.weight(out)] if draw.chance(0.5) else [])]
    value = builder.activated(builder.node("Gemm", inputs, shape), draw.word("relu", "tanh", "none"))
    value = builder.matmul(value, builder.weight(out, inner))
    return builder, builder.linear(builder.activated(value, "relu"), out)


def _products(draw: Draw, start: Start) -> Built:
    """Products of two activations: many small ones, or few large ones."""
    outer, rows, inner = draw.of(1, 4, 16, 64), draw.between(1, 128), draw.of(8, 16, 32, 64, 128)
    columns = draw.between(1, 128)
    builder = start(outer, rows, inner)
    right = builder.input((start.batch, outer, inner, columns))
    value = builder.activated(builder.matmul(INPUT, right), "relu")
    back = builder.input((start.batch, outer, columns, inner))
    return builder, builder.matmul(value, back)


def _contributed(draw: Draw, start: Start) -> Built:
    """Nodes that optimised files have already: attention and skip norms in one node each."""
    heads, width, tokens = draw.of(2, 4, 8), draw.of(32, 64), draw.between(8, 128)
    size = heads * width
    builder = start(tokens, size)
    shape = builder.shape(INPUT)
    builder.macs += start.batch * tokens * (3 * size * size + 2 * tokens * size)
    inputs = [INPUT, builder.weight(size, 3 * size), builder.weight(3 * size)]
    value = builder.node("Attention", inputs, shape, domain=MICROSOFT, num_heads=heads)
    norms = [builder.weight(size) for _ in range(2)]
    value = builder.node("SkipLayerNormalization", [INPUT, value, *norms], shape, domain=MICROSOFT)
    operator = draw.word("Gelu", "FastGelu", "QuickGelu")
    value = builder.node(
        operator, [builder.linear(value, 2 * size)], (*shape[:2], 2 * size), domain=MICROSOFT
    )
    return builder, builder.linear(value, size)


SEQUENCES: dict[str, Kind] = {
    **{operator.lower(): _recurrent(operator) for operator in _GATES},
    "encoder": _encoder,
    "decoder": _decoder,
    "layer-norm": _norm,
    "gelu": _gelu,
    "embedding": _embedding,
    "einsum": _einsum,
    "contributed": _contributed,
    "large-linear": _large,
    "head": _head,
    "small-linear": _small,
    "gemm": _gemm,
    "products": _products,
}
