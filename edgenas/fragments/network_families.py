"""Families of networks: hyperparameters are drawn once per network, then shared by its blocks."""

from collections.abc import Callable

import numpy as np

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.space.onnx_graph import INPUT

CHANNELS = (
    8, 12, 16, 20, 24, 32, 36, 40, 48, 58, 64, 72, 80, 96, 104, 112, 116, 128, 144, 160, 192, 208, 232, 256, 320, 384,
    440, 512, 640, 768, 1024, 1536, 2048,
)  # fmt: skip


class Draw:
    """Random choices among values that are common in practice.

    Args:
        rng: decides.
        part: which of how many equal parts of its range, on a log scale, `between` draws from.
    """

    def __init__(self, rng: np.random.Generator, part: tuple[int, int] = (0, 1)) -> None:
        self._rng = rng
        self._part = part

    def of(self, *options: int) -> int:
        """One of the numbers."""
        return int(self._rng.choice(options))

    def word(self, *options: str) -> str:
        """One of the strings."""
        return str(self._rng.choice(options))

    def some(self, count: int, *options: str) -> list[str]:
        """So many of the strings, each at most once."""
        return [str(each) for each in self._rng.choice(options, count, replace=False)]

    def between(self, low: int, high: int) -> int:
        """A number from the lower to the upper bound, log-uniform."""
        number, count = self._part
        place = (number + self._rng.random()) / count
        return int(low * ((high + 1) / low) ** place)

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return bool(self._rng.random() < share)

    def channels(self, low: int, high: int) -> int:
        """A common number of channels within the bounds, or the lower bound if there is none."""
        return self.of(*([width for width in CHANNELS if low <= width <= high] or [low]))


Block = Callable[[GraphBuilder, Value, int, int], Value]
"""Adds one block to an image, given output channels and stride."""

Style = Callable[[Draw], Block]
"""Draws the hyperparameters of a network's blocks."""


def _activation(draw: Draw) -> str:
    return draw.word("relu", "relu", "relu6", "hswish", "silu")


def _gate(draw: Draw, act: str) -> Callable[[GraphBuilder, Value, int], Value]:
    """Squeeze-excite in one of its common forms, or nothing."""
    if draw.chance(0.5):
        return lambda _, value, __: value
    inner = act if act == "silu" else "relu"
    outer = draw.word("sigmoid", "hsigmoid")

    def gated(builder: GraphBuilder, value: Value, squeezed: int) -> Value:
        gate = builder.conv(builder.global_pooled(value), max(4, squeezed), act=inner)
        return builder.multiply(value, builder.conv(gate, builder.channels(value), act=outer))

    return gated


def _dense(draw: Draw) -> Block:
    return _plain(draw.of(3, 3, 3, 5), _activation(draw))


def _pointwise(draw: Draw) -> Block:
    return _plain(1, _activation(draw))


def _plain(kernel: int, act: str) -> Block:
    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        return builder.conv(value, out, kernel, stride, act=act)

    return block


def _depthwise(draw: Draw) -> Block:
    """Several depthwise convolutions in a row."""
    kernel, act, depth = draw.of(3, 3, 5, 7), _activation(draw), draw.of(1, 2, 4)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        value = builder.conv(value, out, act="relu") if out != builder.channels(value) else value
        for step in range(depth):
            value = builder.conv(value, out, kernel, 1 if step else stride, out, act)
        return value

    return block


def _narrow(draw: Draw) -> Block:
    """The two pointwise convolutions of a bottleneck or inverted residual, with nothing in between."""
    factor, act = draw.of(2, 3, 4, 6), _activation(draw)
    widens = draw.chance(0.7)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        inner = out * factor if widens else max(8, out // factor)
        return builder.conv(builder.conv(value, inner, 1, stride, act=act), out)

    return block


def _separable(draw: Draw) -> Block:
    kernel, act = draw.of(3, 3, 5, 7), _activation(draw)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        channels = builder.channels(value)
        return builder.conv(builder.conv(value, channels, kernel, stride, channels, act), out, act=act)

    return block


def _inverted(draw: Draw) -> Block:
    kernel, expand, act = draw.of(3, 3, 5), draw.of(2, 3, 4, 6, 6), _activation(draw)
    gate = _gate(draw, act)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        channels = builder.channels(value)
        inner = channels * expand
        inside = builder.conv(builder.conv(value, inner, act=act), inner, kernel, stride, inner, act)
        result = builder.conv(gate(builder, inside, channels // 4 * (1 if act == "silu" else expand)), out)
        return builder.add(value, result) if (stride, out) == (1, channels) else result

    return block


def _fused_inverted(draw: Draw) -> Block:
    expand, act = draw.of(1, 4, 4), _activation(draw)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        channels = builder.channels(value)
        result = builder.conv(value, channels * expand, 3, stride, act=act)
        result = builder.conv(result, out)
        return builder.add(value, result) if (stride, out) == (1, channels) else result

    return block


def _residual(draw: Draw) -> Block:
    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        same = (stride, out) == (1, builder.channels(value))
        result = builder.conv(builder.conv(value, out, 3, stride, act="relu"), out, 3)
        skip = value if same else builder.conv(value, out, 1, stride)
        return builder.activated(builder.add(result, skip), "relu")

    return block


def _bottleneck(draw: Draw) -> Block:
    width, narrows = draw.of(0, 0, 8, 16, 24, 32, 64), draw.of(1, 4)
    gate = _gate(draw, "relu")

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        same = (stride, out) == (1, builder.channels(value))
        inner = max(out // narrows, width, 8)
        inner -= inner % width if width else 0
        result = builder.conv(value, inner, act="relu")
        result = builder.conv(result, inner, 3, stride, inner // width if width else 1, "relu")
        result = builder.conv(gate(builder, result, inner // 4), out)
        skip = value if same else builder.conv(value, out, 1, stride)
        return builder.activated(builder.add(result, skip), "relu")

    return block


def _fire(draw: Draw) -> Block:
    ratio = draw.of(4, 8)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        if stride == 2:
            value = builder.pooled(value, "MaxPool", 3, 2)
        squeezed = builder.conv(value, max(8, out // ratio), act="relu")
        sides = [builder.conv(squeezed, out // 2, kernel, act="relu") for kernel in (1, 3)]
        return builder.concatenated(sides)

    return block


def _inception(draw: Draw) -> Block:
    large = draw.of(3, 5)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        if stride == 2:
            value = builder.pooled(value, "MaxPool", 3, 2)
        part = max(16, out // 64 * 16)
        branches = [builder.conv(value, part, act="relu")]
        for kernel, inner, width in ((3, part, 2 * part), (large, 16, part)):
            branches.append(builder.conv(builder.conv(value, inner, act="relu"), width, kernel, act="relu"))
        branches.append(builder.conv(builder.pooled(value, "MaxPool", 3, 1), part, act="relu"))
        return builder.concatenated(branches)

    return block


def _dense_connected(draw: Draw) -> Block:
    growth = draw.of(12, 16, 32, 32, 48)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        if value == INPUT:
            value = builder.conv(value, out, act="relu")
        if stride == 2:
            value = builder.conv(
                builder.activated(builder.batch_norm(value), "relu"), builder.channels(value) // 2
            )
            value = builder.pooled(value, "AveragePool", 2, 2)
        inside = builder.conv(builder.activated(builder.batch_norm(value), "relu"), 4 * growth, act="relu")
        return builder.concatenated([value, builder.conv(inside, growth, 3)])

    return block


def _shuffled(draw: Draw) -> Block:
    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        half = out // 2
        if stride == 1:
            kept, value = builder.halves(value)
            half = builder.channels(value)
        else:
            channels = builder.channels(value)
            kept = builder.conv(builder.conv(value, channels, 3, 2, channels), half, act="relu")
        inside = builder.conv(value, half, act="relu")
        inside = builder.conv(builder.conv(inside, half, 3, stride, half), half, act="relu")
        joined = builder.concatenated([kept, inside])
        batch, channels, *size = builder.shape(joined)
        pairs = builder.reshaped(joined, batch, 2, channels // 2, *size)
        return builder.reshaped(builder.transposed(pairs, 0, 2, 1, 3, 4), batch, channels, *size)

    return block


def _pooling(draw: Draw) -> Block:
    operator, kernel = draw.word("MaxPool", "AveragePool"), draw.of(2, 3)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        if stride == 2 or kernel == 3:
            value = builder.pooled(value, operator, kernel, stride)
        return builder.conv(value, out, act="relu")

    return block


def _convnext(draw: Draw) -> Block:
    """ConvNeXt's block (Liu et al., CVPR 2022)."""

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        if stride == 2:
            value = builder.conv(value, out, 2, 2)
        channels = builder.channels(value)
        inside = builder.transposed(builder.conv(value, channels, 7, 1, channels), 0, 2, 3, 1)
        inside = builder.linear(builder.normalised(inside), 4 * channels, "gelu")
        inside = builder.transposed(builder.scaled(builder.linear(inside, channels)), 0, 3, 1, 2)
        return builder.add(value, inside)

    return block


def _attention(draw: Draw) -> Block:
    """A vision transformer's block (Dosovitskiy et al., ICLR 2021), with pixels as tokens."""
    heads = draw.of(2, 4, 8)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        if stride == 2 or builder.shape(value)[2] > 14:
            value = (
                builder.conv(value, out, 2, 2)
                if builder.shape(value)[2] <= 28
                else builder.conv(value, out, 4, 4)
            )
        batch, channels, rows, columns = builder.shape(value)
        width = max(1, channels // heads)
        tokens = builder.transposed(builder.reshaped(value, batch, channels, rows * columns), 0, 2, 1)
        normal = builder.normalised(tokens)
        parts = [
            builder.reshaped(builder.linear(normal, heads * width), batch, rows * columns, heads, width)
            for _ in range(3)
        ]
        query, keys, values = (
            builder.transposed(part, *order)
            for part, order in zip(parts, ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3)), strict=True)
        )
        weights = builder.softmax(builder.unary("Mul", builder.matmul(query, keys), width**-0.5))
        mixed = builder.transposed(builder.matmul(weights, values), 0, 2, 1, 3)
        mixed = builder.linear(builder.reshaped(mixed, batch * rows * columns, heads * width), channels)
        tokens = builder.add(tokens, builder.reshaped(mixed, batch, rows * columns, channels))
        inside = builder.linear(builder.linear(builder.normalised(tokens), 4 * channels, "gelu"), channels)
        tokens = builder.transposed(builder.add(tokens, inside), 0, 2, 1)
        return builder.reshaped(tokens, batch, channels, rows, columns)

    return block


def _classifier(draw: Draw) -> Block:
    """Global pooling followed by large linear layers."""
    wide = draw.of(512, 1024, 2048, 4096)

    def block(builder: GraphBuilder, value: Value, out: int, stride: int) -> Value:
        features = builder.flat(builder.global_pooled(builder.conv(value, out, act="relu")))
        features = builder.linear(builder.linear(features, wide, "relu"), out)
        return builder.reshaped(features, *builder.shape(features), 1, 1)

    return block


STYLES: dict[str, Style] = {
    "inverted": _inverted,
    "bottleneck": _bottleneck,
    "dense": _dense,
    "pointwise": _pointwise,
    "depthwise": _depthwise,
    "narrow": _narrow,
    "shuffled": _shuffled,
    "densely": _dense_connected,
    "fire": _fire,
    "residual": _residual,
    "separable": _separable,
    "inception": _inception,
    "fused-inverted": _fused_inverted,
    "pooling": _pooling,
    "next": _convnext,
    "attention": _attention,
    "classifier": _classifier,
}
