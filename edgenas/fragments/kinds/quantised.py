"""Networks of eight bits in the forms that tools write: Q/DQ pairs, quantised operators, dynamic quantisation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.graph_writer import MICROSOFT
from edgenas.fragments.kinds.arrays import reduced
from edgenas.fragments.kinds.sequences import merged_directions
from edgenas.fragments.kinds.starting import Built, Draw, Kind, Start, image
from edgenas.space.onnx_graph import INPUT

FLOAT, INT8, UINT8, INT32 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32

STEP = 0.02
"""Of all quantised values; timings do not depend on it."""


@dataclass(frozen=True, slots=True)
class _Quantiser:
    """Adds quantised layers to a graph; values are of float between them, each a dequantised one.

    Attributes:
        builder: the graph.
        kind: type of activations.
        weight_kind: type of weights.
        per_channel: whether each output channel has a scale of its own.
    """

    builder: GraphBuilder
    kind: int = UINT8
    weight_kind: int = INT8
    per_channel: bool = True

    def pair(self, value: Value, positive: bool = False) -> Value:
        """A value quantised and dequantised; with the lowest level for zero, a preceding Relu comes free."""
        builder, shape = self.builder, self.builder.shape(value)
        zero = (0 if positive else 128) - (0 if self.kind == UINT8 else 128)
        inputs = [builder.scalar(STEP), builder.scalar(zero, self.kind)]
        value = builder.node("QuantizeLinear", [value, *inputs], shape, self.kind)
        return builder.node("DequantizeLinear", [value, *inputs], shape, FLOAT)

    def weight(self, *shape: int, axis: int = 0) -> Value:
        """A dequantised weight whose output channels are along an axis."""
        builder, kind = self.builder, self.weight_kind
        low = 0 if kind == UINT8 else -127
        content = builder.drawn(low, low + 255, *shape, kind=kind)
        zero = 128 if kind == UINT8 else 0
        if not self.per_channel:
            inputs = [builder.scalar(STEP / 8), builder.scalar(zero, kind)]
            return builder.node("DequantizeLinear", [content, *inputs], shape, FLOAT)
        inputs = [
            builder.floats(*[STEP / 8] * shape[axis]),
            builder.integers(*[zero] * shape[axis], kind=kind),
        ]
        return builder.node("DequantizeLinear", [content, *inputs], shape, FLOAT, axis=axis)

    def bias(self, out: int) -> Value:
        """A dequantised bias."""
        builder = self.builder
        content, scale = builder.drawn(-1000, 1000, out, kind=INT32), STEP * STEP / 8
        if not self.per_channel:
            inputs = [builder.scalar(scale), builder.scalar(0, INT32)]
            return builder.node("DequantizeLinear", [content, *inputs], (out,), FLOAT)
        inputs = [builder.floats(*[scale] * out), builder.integers(*[0] * out, kind=INT32)]
        return builder.node("DequantizeLinear", [content, *inputs], (out,), FLOAT, axis=0)

    def conv(self, value: Value, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Value:
        """A convolution with bias and Relu, which the runtime fuses."""
        builder = self.builder
        batch, channels, *rest = builder.shape(value)
        pad = (kernel - 1) // 2
        sizes = [(size + 2 * pad - kernel) // stride + 1 for size in rest]
        weight = self.weight(out, channels // groups, kernel, kernel)
        builder.macs += batch * out * math.prod(sizes) * channels // groups * kernel**2
        value = builder.node(
            "Conv", [value, weight, self.bias(out)], (batch, out, *sizes),
            kernel_shape=[kernel] * 2, pads=[pad] * 4, strides=[stride] * 2, group=groups,
        )  # fmt: skip
        return self.pair(builder.activated(value, "relu"), positive=True)

    def linear(self, value: Value, out: int) -> Value:
        """`Gemm` with bias for two axes, `MatMul` for more."""
        builder = self.builder
        *outer, inner = builder.shape(value)
        builder.macs += math.prod(outer) * inner * out
        if len(outer) == 1:
            inputs = [value, self.weight(out, inner), self.bias(out)]
            return self.pair(builder.node("Gemm", inputs, (*outer, out), transB=1))
        return self.pair(builder.node("MatMul", [value, self.weight(inner, out, axis=1)], (*outer, out)))


def _quantiser(draw: Draw, builder: GraphBuilder) -> _Quantiser:
    """One of the usual forms: uint8 with int8 weights, or all int8, or all uint8."""
    kind, weight_kind = ((UINT8, INT8), (UINT8, INT8), (INT8, INT8), (UINT8, UINT8))[draw.of(0, 1, 2, 3)]
    return _Quantiser(builder, kind, weight_kind, weight_kind == INT8 and draw.chance(0.7))


def _dense(draw: Draw, start: Start) -> Built:
    builder = image(draw, start, 3, 16, 32, 64, 128, 256)
    quantiser = _quantiser(draw, builder)
    value = quantiser.pair(INPUT)
    for _ in range(draw.of(2, 3)):
        value = quantiser.conv(value, draw.of(16, 32, 64, 128, 256), 3, draw.of(1, 1, 2))
    return builder, value


def _pointwise(draw: Draw, start: Start) -> Built:
    builder = image(draw, start, 16, 32, 64, 128, 256, 512)
    quantiser = _quantiser(draw, builder)
    value = quantiser.pair(INPUT)
    for _ in range(draw.of(2, 3)):
        value = quantiser.conv(value, draw.of(32, 64, 128, 256, 512))
    return builder, value


def _separable(draw: Draw, start: Start) -> Built:
    """Inverted residuals, with the sum that closes them."""
    builder = image(draw, start, 16, 24, 32, 64, 96)
    quantiser, channels = _quantiser(draw, builder), builder.channels(INPUT)
    value = quantiser.pair(INPUT)
    for _ in range(draw.of(1, 2)):
        inner = channels * draw.of(1, 3, 6)
        inside = quantiser.conv(quantiser.conv(value, inner), inner, draw.of(3, 5), groups=inner)
        value = quantiser.pair(builder.add(value, quantiser.conv(inside, channels)))
    return builder, value


def _residual(draw: Draw, start: Start) -> Built:
    """Residual blocks, then a classifier."""
    builder = image(draw, start, 16, 32, 64, 128)
    quantiser, channels = _quantiser(draw, builder), builder.channels(INPUT)
    value = quantiser.pair(INPUT)
    for _ in range(draw.of(1, 2)):
        inside = quantiser.conv(quantiser.conv(value, channels, 3), channels, 3)
        value = quantiser.pair(builder.add(value, inside))
    value = quantiser.pair(builder.pooled(value, "MaxPool", 3, 2))
    value = quantiser.pair(builder.global_pooled(value))
    return builder, quantiser.linear(quantiser.pair(builder.flat(value)), draw.of(10, 100, 1000))


def _neighbours(draw: Draw, start: Start) -> Built:
    """What else the runtime has in eight bits: other functions and products, joints, averages."""
    builder = image(draw, start, 16, 32, 64)
    quantiser = _quantiser(draw, builder)
    value = quantiser.conv(quantiser.pair(INPUT), builder.channels(INPUT), draw.of(1, 3))
    for act in ("leaky", "sigmoid"):
        other = quantiser.pair(builder.activated(value, act))
        value = quantiser.pair(builder.multiply(value, other))
    value = quantiser.pair(builder.concatenated([value, other]))
    value = quantiser.conv(value, 2 * builder.channels(INPUT))
    if draw.chance(0.5):
        value = quantiser.pair(builder.pooled(value, "AveragePool", 3, 2))
    pooled = reduced(builder, "ReduceMean", value, [2, 3], True)
    return builder, quantiser.pair(builder.softmax(builder.flat(quantiser.pair(pooled))))


def _linear(draw: Draw, start: Start) -> Built:
    """Fully connected layers, small or large."""
    builder = start(draw.of(64, 128, 512, 2048))
    quantiser = _quantiser(draw, builder)
    value = quantiser.pair(INPUT)
    for _ in range(draw.of(2, 3, 4)):
        value = quantiser.linear(value, draw.of(32, 128, 512, 1024))
        value = quantiser.pair(builder.activated(value, "relu"), positive=True)
    return builder, value


def _tokens(draw: Draw, start: Start) -> Built:
    """The products of a transformer, with and without a constant operand."""
    width = 8 * draw.between(4, 64)
    builder = start(draw.between(4, 400), width)
    quantiser = _Quantiser(builder, draw.of(UINT8, INT8), INT8, per_channel=False)
    value = quantiser.pair(INPUT)
    keys = quantiser.pair(builder.transposed(quantiser.linear(value, width), 0, 2, 1))
    scores = quantiser.pair(builder.matmul(quantiser.linear(value, width), keys))
    mixed = quantiser.pair(builder.matmul(quantiser.pair(builder.softmax(scores)), value))
    value = quantiser.pair(builder.normalised(builder.add(value, mixed)))
    return builder, quantiser.linear(value, 4 * width)


def _embedding(draw: Draw, start: Start) -> Built:
    """Rows of a table of bytes, dequantised once they are chosen."""
    words, width, tokens = draw.between(300, 20_000), draw.of(32, 64, 256), draw.between(8, 512)
    builder = start(tokens, kind=TensorProto.INT64)
    value = builder.node("Mul", [INPUT, builder.drawn(0, words, tokens)], (start.batch, tokens))
    table = builder.drawn(0, 256, words, width, kind=UINT8)
    value = builder.node("Gather", [table, value], (start.batch, tokens, width), UINT8)
    inputs = [value, builder.scalar(STEP), builder.scalar(128, UINT8)]
    value = builder.node("DequantizeLinear", inputs, builder.shape(value), FLOAT)
    return builder, builder.activated(builder.linear(value, draw.of(16, 64, 128)), "relu")


def _unfused(draw: Draw, start: Start) -> Built:
    """Q/DQ pairs around what the runtime has no eight-bit code for: they are kernels of their own."""
    builder = image(draw, start, 8, 16, 32, 64)
    quantiser = _quantiser(draw, builder)
    value = quantiser.pair(INPUT)
    for operator in draw.some(3, "Tanh", "Erf", "Exp", "HardSwish", "Softplus", "Abs"):
        value = quantiser.pair(builder.unary(operator, value))
    return builder, value


def _operators(draw: Draw, start: Start) -> Built:
    """Quantised operators as such, as older tools wrote them."""
    builder = image(draw, start, 16, 32, 64, 128)
    shape = builder.shape(INPUT)
    point = [builder.scalar(STEP), builder.scalar(128, UINT8)]
    value = builder.node("QuantizeLinear", [INPUT, *point], shape, UINT8)
    weight_point = [builder.scalar(STEP / 8), builder.scalar(0, INT8)]
    first = value
    for _ in range(draw.of(1, 2)):
        kernel = draw.of(1, 3)
        weight = builder.drawn(-127, 128, shape[1], shape[1], kernel, kernel, kind=INT8)
        bias = builder.drawn(-1000, 1000, shape[1], kind=INT32)
        inputs = [value, *point, weight, *weight_point, *point, bias]
        builder.macs += math.prod(shape) * shape[1] * kernel**2
        value = builder.node("QLinearConv", inputs, shape, pads=[kernel // 2] * 4)
    inputs = [first, *point, value, *point, *point]
    value = builder.node("QLinearAdd", inputs, shape, domain=MICROSOFT)
    value = builder.node(
        "QLinearGlobalAveragePool", [value, *point, *point], (*shape[:2], 1, 1), domain=MICROSOFT
    )
    value, out = builder.flat(value), draw.of(10, 100, 1000)
    weight = builder.drawn(-127, 128, shape[1], out, kind=INT8)
    inputs = [value, *point, weight, *weight_point, *point]
    value = builder.node("QLinearMatMul", inputs, (shape[0], out))
    return builder, builder.node("DequantizeLinear", [value, *point], (shape[0], out), FLOAT)


def _on_the_fly(builder: GraphBuilder, value: Value) -> Sequence[Value]:
    """A value quantised with a scale computed from it: content, scale, zero point."""
    content = builder.node("DynamicQuantizeLinear", [value], builder.shape(value), UINT8)
    return content, builder.also((), FLOAT), builder.also((), UINT8)


def _rescaled(
    builder: GraphBuilder, value: Value, scale: Value, bias: Sequence[int], step: float = STEP / 8
) -> Value:
    """The result of a product of integers, as a float, with a bias of the given shape."""
    value = builder.cast(value, FLOAT)
    value = builder.multiply(value, builder.node("Mul", [scale, builder.scalar(step)], ()))
    return builder.node("Add", [value, builder.weight(*bias)], builder.shape(value))


def _dynamic_products(draw: Draw, start: Start) -> Built:
    """Fully connected layers quantised on the fly, one or two of the same tokens."""
    builder = start(draw.between(1, 256), 32 * draw.between(2, 32))
    value, weight_kind = INPUT, draw.of(INT8, UINT8)
    for products in (1, 2, 1):  # those that share an operand are fused in another way
        *outer, inner = builder.shape(value)
        out = 16 * draw.between(4, 64)
        content, scale, zero = _on_the_fly(builder, value)
        parts = []
        for number in range(products):
            weight = builder.drawn(0, 120, inner, out, kind=weight_kind)
            inputs = [content, weight, zero, builder.scalar(0, weight_kind)]
            builder.macs += math.prod(outer) * inner * out
            part = builder.node("MatMulInteger", inputs, (*outer, out), INT32)
            parts.append(_rescaled(builder, part, scale, (out,), STEP / (number + 8)))
        value = builder.add(*parts) if products == 2 else builder.activated(parts[0], "relu")
    return builder, value


def _dynamic_convolutions(draw: Draw, start: Start) -> Built:
    builder = image(draw, start, 16, 32, 64, 128)
    value, weight_kind = INPUT, draw.of(UINT8, UINT8, INT8)
    for _ in range(draw.of(1, 2)):
        batch, channels, *rest = builder.shape(value)
        out, kernel = draw.of(32, 64, 128), draw.of(1, 3, 3)
        content, scale, zero = _on_the_fly(builder, value)
        weight = builder.drawn(0, 120, out, channels, kernel, kernel, kind=weight_kind)
        inputs = [content, weight, zero, builder.scalar(0, weight_kind)]
        builder.macs += batch * out * math.prod(rest) * channels * kernel**2
        value = builder.node(
            "ConvInteger",
            inputs,
            (batch, out, *rest),
            INT32,
            pads=[kernel // 2] * 4,
            kernel_shape=[kernel] * 2,
        )
        value = builder.activated(_rescaled(builder, value, scale, (out, 1, 1)), "relu")
    return builder, value


def _dynamic_recurrent(draw: Draw, start: Start) -> Built:
    """LSTMs with weights of eight bits."""
    features, hidden, directions = draw.of(40, 64, 256), 8 * draw.between(4, 64), draw.of(1, 2)
    builder = start(draw.between(1, 200), features)
    value = builder.transposed(INPUT, 1, 0, 2)
    for _ in range(draw.of(1, 2)):
        steps, batch, features = builder.shape(value)
        weights = [
            builder.drawn(-127, 128, directions, width, 4 * hidden, kind=INT8) for width in (features, hidden)
        ]
        points = [
            point
            for _ in weights
            for point in (builder.weight(directions), builder.integers(*[0] * directions, kind=INT8))
        ]
        inputs = [value, *weights, builder.weight(directions, 8 * hidden), "", "", "", "", *points]
        builder.macs += steps * batch * directions * 4 * hidden * (features + hidden)
        value = builder.node(
            "DynamicQuantizeLSTM", inputs, (steps, directions, batch, hidden), domain=MICROSOFT,
            hidden_size=hidden, direction="bidirectional" if directions == 2 else "forward",
        )  # fmt: skip
        value = merged_directions(builder, value)
    return builder, builder.transposed(value, 1, 0, 2)


QUANTISED: dict[str, Kind] = {
    "qdq-dense": _dense,
    "qdq-pointwise": _pointwise,
    "qdq-separable": _separable,
    "qdq-residual": _residual,
    "qdq-neighbours": _neighbours,
    "qdq-linear": _linear,
    "qdq-tokens": _tokens,
    "qdq-unfused": _unfused,
    "quantised-embedding": _embedding,
    "quantised-operators": _operators,
    "dynamic-products": _dynamic_products,
    "dynamic-convolutions": _dynamic_convolutions,
    "dynamic-lstm": _dynamic_recurrent,
}
