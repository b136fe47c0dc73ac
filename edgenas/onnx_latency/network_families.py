"""Families of networks: what the blocks of one network have in common is drawn, and each block made by it."""

from collections.abc import Callable

import numpy as np

from edgenas.onnx_latency.graph_builder import Sketch, Value
from edgenas.space.onnx_graph import INPUT

CHANNELS = (
    8, 12, 16, 20, 24, 32, 36, 40, 48, 58, 64, 72, 80, 96, 104, 112, 116, 128, 144, 160, 192, 208, 232, 256, 320, 384,
    440, 512, 640, 768, 1024, 1536, 2048,
)  # fmt: skip


class Draw:
    """Random choices, each from a few that networks in use make."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def of(self, *options: int) -> int:
        """One of these numbers."""
        return int(self._rng.choice(options))

    def word(self, *options: str) -> str:
        """One of these words."""
        return str(self._rng.choice(options))

    def chance(self, share: float) -> bool:
        """True in that share of all cases."""
        return bool(self._rng.random() < share)

    def channels(self, low: int, high: int) -> int:
        """A usual number of channels between these, the lower one where there is none."""
        return self.of(*([width for width in CHANNELS if low <= width <= high] or [low]))


Block = Callable[[Sketch, Value, int, int], Value]
"""Adds one block to an image, given output channels and stride."""

Style = Callable[[Draw], Block]
"""Draws what the blocks of one network have in common."""


def _activation(draw: Draw) -> str:
    return draw.word("relu", "relu", "relu6", "hswish", "silu")


def _gate(draw: Draw, act: str) -> Callable[[Sketch, Value, int], Value]:
    """Squeeze-excite in one of the forms in use, or nothing."""
    if draw.chance(0.5):
        return lambda _, value, __: value
    inner = act if act == "silu" else "relu"
    outer = draw.word("sigmoid", "hsigmoid")

    def gated(sketch: Sketch, value: Value, squeezed: int) -> Value:
        gate = sketch.conv(sketch.global_pooled(value), max(4, squeezed), act=inner)
        return sketch.multiply(value, sketch.conv(gate, sketch.channels(value), act=outer))

    return gated


def _dense(draw: Draw) -> Block:
    return _plain(draw.of(3, 3, 3, 5), _activation(draw))


def _pointwise(draw: Draw) -> Block:
    return _plain(1, _activation(draw))


def _plain(kernel: int, act: str) -> Block:
    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        return sketch.conv(value, out, kernel, stride, act=act)

    return block


def _depthwise(draw: Draw) -> Block:
    """As many as fit between two changes of channels."""
    kernel, act, depth = draw.of(3, 3, 5, 7), _activation(draw), draw.of(1, 2, 4)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        value = sketch.conv(value, out, act="relu") if out != sketch.channels(value) else value
        for step in range(depth):
            value = sketch.conv(value, out, kernel, 1 if step else stride, out, act)
        return value

    return block


def _narrow(draw: Draw) -> Block:
    """Widens and narrows again, as all blocks with a bottleneck do, with nothing in between."""
    factor, act = draw.of(2, 3, 4, 6), _activation(draw)
    widens = draw.chance(0.7)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        inner = out * factor if widens else max(8, out // factor)
        return sketch.conv(sketch.conv(value, inner, 1, stride, act=act), out)

    return block


def _separable(draw: Draw) -> Block:
    kernel, act = draw.of(3, 3, 5, 7), _activation(draw)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        channels = sketch.channels(value)
        return sketch.conv(sketch.conv(value, channels, kernel, stride, channels, act), out, act=act)

    return block


def _inverted(draw: Draw) -> Block:
    kernel, expand, act = draw.of(3, 3, 5), draw.of(2, 3, 4, 6, 6), _activation(draw)
    gate = _gate(draw, act)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        channels = sketch.channels(value)
        inner = channels * expand
        inside = sketch.conv(sketch.conv(value, inner, act=act), inner, kernel, stride, inner, act)
        result = sketch.conv(gate(sketch, inside, channels // 4 * (1 if act == "silu" else expand)), out)
        return sketch.add(value, result) if (stride, out) == (1, channels) else result

    return block


def _fused_inverted(draw: Draw) -> Block:
    expand, act = draw.of(1, 4, 4), _activation(draw)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        channels = sketch.channels(value)
        result = sketch.conv(value, channels * expand, 3, stride, act=act)
        result = sketch.conv(result, out)
        return sketch.add(value, result) if (stride, out) == (1, channels) else result

    return block


def _residual(draw: Draw) -> Block:
    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        same = (stride, out) == (1, sketch.channels(value))
        result = sketch.conv(sketch.conv(value, out, 3, stride, act="relu"), out, 3)
        skip = value if same else sketch.conv(value, out, 1, stride)
        return sketch.activated(sketch.add(result, skip), "relu")

    return block


def _bottleneck(draw: Draw) -> Block:
    width, narrows = draw.of(0, 0, 8, 16, 24, 32, 64), draw.of(1, 4)
    gate = _gate(draw, "relu")

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        same = (stride, out) == (1, sketch.channels(value))
        inner = max(out // narrows, width, 8)
        inner -= inner % width if width else 0
        result = sketch.conv(value, inner, act="relu")
        result = sketch.conv(result, inner, 3, stride, inner // width if width else 1, "relu")
        result = sketch.conv(gate(sketch, result, inner // 4), out)
        skip = value if same else sketch.conv(value, out, 1, stride)
        return sketch.activated(sketch.add(result, skip), "relu")

    return block


def _fire(draw: Draw) -> Block:
    ratio = draw.of(4, 8)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        if stride == 2:
            value = sketch.pooled(value, "MaxPool", 3, 2)
        squeezed = sketch.conv(value, max(8, out // ratio), act="relu")
        sides = [sketch.conv(squeezed, out // 2, kernel, act="relu") for kernel in (1, 3)]
        return sketch.concatenated(sides)

    return block


def _inception(draw: Draw) -> Block:
    large = draw.of(3, 5)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        if stride == 2:
            value = sketch.pooled(value, "MaxPool", 3, 2)
        part = max(16, out // 64 * 16)
        branches = [sketch.conv(value, part, act="relu")]
        for kernel, inner, width in ((3, part, 2 * part), (large, 16, part)):
            branches.append(sketch.conv(sketch.conv(value, inner, act="relu"), width, kernel, act="relu"))
        branches.append(sketch.conv(sketch.pooled(value, "MaxPool", 3, 1), part, act="relu"))
        return sketch.concatenated(branches)

    return block


def _densely(draw: Draw) -> Block:
    growth = draw.of(12, 16, 32, 32, 48)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        if value == INPUT:
            value = sketch.conv(value, out, act="relu")
        if stride == 2:
            value = sketch.conv(
                sketch.activated(sketch.batch_norm(value), "relu"), sketch.channels(value) // 2
            )
            value = sketch.pooled(value, "AveragePool", 2, 2)
        inside = sketch.conv(sketch.activated(sketch.batch_norm(value), "relu"), 4 * growth, act="relu")
        return sketch.concatenated([value, sketch.conv(inside, growth, 3)])

    return block


def _shuffled(draw: Draw) -> Block:
    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        half = out // 2
        if stride == 1:
            kept, value = sketch.halves(value)
            half = sketch.channels(value)
        else:
            channels = sketch.channels(value)
            kept = sketch.conv(sketch.conv(value, channels, 3, 2, channels), half, act="relu")
        inside = sketch.conv(value, half, act="relu")
        inside = sketch.conv(sketch.conv(inside, half, 3, stride, half), half, act="relu")
        joined = sketch.concatenated([kept, inside])
        batch, channels, *size = sketch.shape(joined)
        pairs = sketch.reshaped(joined, batch, 2, channels // 2, *size)
        return sketch.reshaped(sketch.transposed(pairs, 0, 2, 1, 3, 4), batch, channels, *size)

    return block


def _pooling(draw: Draw) -> Block:
    operator, kernel = draw.word("MaxPool", "AveragePool"), draw.of(2, 3)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        if stride == 2 or kernel == 3:
            value = sketch.pooled(value, operator, kernel, stride)
        return sketch.conv(value, out, act="relu")

    return block


def _next(draw: Draw) -> Block:
    """ConvNeXt's (Liu et al., CVPR 2022)."""

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        if stride == 2:
            value = sketch.conv(value, out, 2, 2)
        channels = sketch.channels(value)
        inside = sketch.transposed(sketch.conv(value, channels, 7, 1, channels), 0, 2, 3, 1)
        inside = sketch.linear(sketch.normalised(inside), 4 * channels, "gelu")
        inside = sketch.transposed(sketch.scaled(sketch.linear(inside, channels)), 0, 3, 1, 2)
        return sketch.add(value, inside)

    return block


def _attention(draw: Draw) -> Block:
    """The block of a vision transformer (Dosovitskiy et al., ICLR 2021) over the pixels as tokens."""
    heads = draw.of(2, 4, 8)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        if stride == 2 or sketch.shape(value)[2] > 14:
            value = (
                sketch.conv(value, out, 2, 2)
                if sketch.shape(value)[2] <= 28
                else sketch.conv(value, out, 4, 4)
            )
        batch, channels, rows, columns = sketch.shape(value)
        width = max(1, channels // heads)
        tokens = sketch.transposed(sketch.reshaped(value, batch, channels, rows * columns), 0, 2, 1)
        normal = sketch.normalised(tokens)
        parts = [
            sketch.reshaped(sketch.linear(normal, heads * width), batch, rows * columns, heads, width)
            for _ in range(3)
        ]
        query, keys, values = (
            sketch.transposed(part, *order)
            for part, order in zip(parts, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)), strict=True)
        )
        weights = sketch.softmax(sketch.unary("Mul", sketch.matmul(query, keys), width**-0.5))
        mixed = sketch.transposed(sketch.matmul(weights, values), 0, 2, 1, 3)
        mixed = sketch.linear(sketch.reshaped(mixed, batch * rows * columns, heads * width), channels)
        tokens = sketch.add(tokens, sketch.reshaped(mixed, batch, rows * columns, channels))
        inside = sketch.linear(sketch.linear(sketch.normalised(tokens), 4 * channels, "gelu"), channels)
        tokens = sketch.transposed(sketch.add(tokens, inside), 0, 2, 1)
        return sketch.reshaped(tokens, batch, channels, rows, columns)

    return block


def _classifier(draw: Draw) -> Block:
    """Large products of few rows, and the pooling before them."""
    wide = draw.of(512, 1024, 2048, 4096)

    def block(sketch: Sketch, value: Value, out: int, stride: int) -> Value:
        features = sketch.flat(sketch.global_pooled(sketch.conv(value, out, act="relu")))
        features = sketch.linear(sketch.linear(features, wide, "relu"), out)
        return sketch.reshaped(features, *sketch.shape(features), 1, 1)

    return block


STYLES: dict[str, Style] = {
    "inverted": _inverted,
    "bottleneck": _bottleneck,
    "dense": _dense,
    "pointwise": _pointwise,
    "depthwise": _depthwise,
    "narrow": _narrow,
    "shuffled": _shuffled,
    "densely": _densely,
    "fire": _fire,
    "residual": _residual,
    "separable": _separable,
    "inception": _inception,
    "fused-inverted": _fused_inverted,
    "pooling": _pooling,
    "next": _next,
    "attention": _attention,
    "classifier": _classifier,
}
