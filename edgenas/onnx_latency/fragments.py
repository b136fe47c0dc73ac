"""Fragments: small random networks of the families in use, timed to learn what kernels cost on a device.

Kernels do not cost in a network what they cost alone: runtimes keep a layout of their own between them, and weights
come from further away the more of them there are. So fragments are chains, from one block to eight, drawn
from a seed; what a kernel costs is learnt from the sums (`learning`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx

from edgenas.onnx_latency.graph_builder import Sketch, Value
from edgenas.onnx_latency.network_families import STYLES, Block, Draw, Style
from edgenas.space.onnx_graph import INPUT

COUNT = 400
"""Fragments that are timed."""

MAX_MACS = 500_000_000
MAX_WEIGHTS = 12_000_000
MAX_BLOCKS = 8
ROWS = (112, 56, 28, 14, 7)
WIDEST = {112: 64, 56: 256, 28: 512, 14: 1024, 7: 2048}
"""Channels that images of so many rows have at most, as far as networks go."""


class Fragment(NamedTuple):
    """One small network, the shape of its input, and a name that says how it was drawn."""

    name: str
    shape: tuple[int, ...]
    model: onnx.ModelProto


_TURNS = (*STYLES, "bottleneck", "residual", "inverted")
"""Whose turn it is; those that most networks are made of come twice."""


def fragments(batch: int, count: int = COUNT, seed: int = 0) -> Iterator[Fragment]:
    """Draw fragments, for that batch size, every family in turn."""
    for number in range(count):
        name = _TURNS[number % len(_TURNS)]
        sketch, value = _fitting(STYLES[name], batch, [seed, number])
        yield Fragment(f"{seed}.{number}/{name}", sketch.shape(INPUT), sketch.model(value))


def _fitting(style: Style, batch: int, seed: list[int]) -> tuple[Sketch, Value]:
    """The first drawing that is not too large to time; were a thousand, the last one."""
    for attempt in range(1000):
        rng = np.random.default_rng([*seed, attempt])
        draw = Draw(rng)
        sketch, value = _start(draw, batch, rng)
        value = _chain(draw, style(draw), sketch, value, _length(rng))
        if sketch.macs <= MAX_MACS * batch and sketch.weights <= MAX_WEIGHTS:
            break
    return sketch, value


def _start(draw: Draw, batch: int, rng: np.random.Generator) -> tuple[Sketch, Value]:
    """An image with a stem, or the features of some stage, with or without a convolution before all blocks."""
    if draw.chance(0.2):
        sketch = Sketch((batch, 3, *[draw.of(224, 192, 160, 128)] * 2), rng)
        kernel, out = draw.of(3, 3, 3, 7), draw.of(16, 24, 32, 64)
        value = sketch.conv(INPUT, out, kernel, 2, act=draw.word("relu", "relu6", "hswish", "silu"))
        return sketch, sketch.pooled(value, "MaxPool", 3, 2) if draw.chance(0.5) else value
    rows = draw.of(*ROWS)
    channels = draw.channels(WIDEST[rows] // 16, WIDEST[rows])
    sketch = Sketch((batch, channels, rows, rows), rng)
    return sketch, sketch.conv(INPUT, channels, act="relu") if draw.chance(0.5) else INPUT


def _chain(draw: Draw, block: Block, sketch: Sketch, value: Value, length: int) -> Value:
    """Blocks one after the other: most keep size and channels, some halve the one and widen the other."""
    for _ in range(length):
        channels, rows = sketch.channels(value), sketch.shape(value)[2]
        shrinks = rows > 7 and draw.chance(0.3)
        widens = shrinks or draw.chance(0.2)
        out = draw.channels(channels, min(2048, max(24, 2 * channels))) if widens else channels
        value = block(sketch, value, out, 2 if shrinks else 1)
    return _head(draw, sketch, value) if draw.chance(0.3) else value


def _head(draw: Draw, sketch: Sketch, value: Value) -> Value:
    if draw.chance(0.3):
        value = sketch.conv(value, draw.of(576, 960, 1280), act=draw.word("relu", "hswish", "silu"))
    value = sketch.flat(sketch.global_pooled(value)) if draw.chance(0.6) else sketch.mean(value)
    return sketch.linear(value, draw.of(10, 100, 1000, 1000))


def _length(rng: np.random.Generator) -> int:
    """1 to `MAX_BLOCKS`, short ones as likely as long ones by their logarithm."""
    return int(np.exp(rng.uniform(0, np.log(MAX_BLOCKS + 1))))
