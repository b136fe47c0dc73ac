"""Fragments: small random networks of common families, timed to learn kernel costs on a device.

A kernel costs something else inside a network than alone: runtimes use their own layout between kernels, and large
weights do not stay in cache. Fragments are therefore chains of one to eight blocks; kernel costs are learnt from
their total times (`kernel_fitting`).

Those of `fragments` are image networks in float32; those of `further` have the kernels of all other files that people
have (`kinds`).
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from edgenas.board.random_inputs import FLOATS, random_input
from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.kinds import APPENDED, FREQUENT, KINDS
from edgenas.fragments.kinds.starting import Start
from edgenas.fragments.network_families import STYLES, Block, Draw, Style
from edgenas.space.onnx_graph import INPUT

COUNT = 400
"""Fragments that are timed."""

MAX_MACS = 500_000_000
MAX_WEIGHTS = 12_000_000
MAX_BLOCKS = 8
ROWS = (112, 56, 28, 14, 7)
WIDEST = {112: 64, 56: 256, 28: 512, 14: 1024, 7: 2048}
"""Largest number of channels at each resolution (rows)."""

FURTHER = 3
"""Fragments of each kind that `further` draws; twice as many of frequent ones."""

FURTHER_MACS = 150_000_000
FURTHER_ELEMENTS = 5_000_000
FURTHER_WEIGHTS = 17_000_000

MIN_WORK = 15_000
"""Of further fragments, lest the overhead of a call hide them; roughly nanoseconds on one thread of a laptop."""


DICTIONARIES_NS = 12_000
"""What a list of dictionaries adds to that: Python builds it after the run."""


class Fragment(NamedTuple):
    """One small network, the shapes and NumPy types of its inputs, and a name made of seed, number and family."""

    name: str
    inputs: dict[str, tuple[tuple[int, ...], str]]
    model: onnx.ModelProto

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.inputs[INPUT][0]

    def feeds(self) -> dict[str, NDArray[Any]]:
        """Inputs to time it with: floats from 0 to 1, so that every function is defined; others as for any file."""
        rng = np.random.default_rng(0)
        return {
            name: rng.random(shape, np.float32).astype(dtype)
            if dtype in FLOATS
            else random_input(shape, dtype)
            for name, (shape, dtype) in self.inputs.items()
        }


_FAMILIES = (*STYLES, "bottleneck", "residual", "inverted")
"""Drawn in rotation; the most common ones come twice."""


def fragments(batch: int, count: int = COUNT, seed: int = 0) -> Iterator[Fragment]:
    """Draw fragments for a batch size, rotating through the families."""
    for number in range(count):
        name = _FAMILIES[number % len(_FAMILIES)]
        builder, value = _small_enough(STYLES[name], batch, [seed, number])
        yield Fragment(f"{seed}.{number}/{name}", builder.inputs, builder.model(value))


def further(batch: int, seed: int = 0) -> Iterator[Fragment]:
    """Draw fragments of the kinds that other people's files have, in turn, those of appended kinds last.

    They are numbered after the others.
    """
    kinds = [*(kind for kind in KINDS if kind not in APPENDED), *FREQUENT]
    drawn = [(turn, kind) for each in (kinds, APPENDED * 2) for turn in range(FURTHER) for kind in each]
    for number, (turn, kind) in enumerate(drawn):
        yield further_fragment(kind, batch, [seed, COUNT + number], turn)


def further_fragment(kind: str, batch: int, seed: list[int], turn: int = 0) -> Fragment:
    """The first draw within the size limits, or the thousandth.

    Args:
        kind: its kind.
        batch: first axis of its inputs.
        seed: seed and number, which are in its name.
        turn: sizes are small at the first turn, large at the last of `FURTHER`.
    """
    for attempt in range(1000):
        rng = np.random.default_rng([*seed, attempt])
        builder, value = KINDS[kind](Draw(rng, (turn, FURTHER)), Start(batch, rng))
        small = builder.macs <= FURTHER_MACS * batch and builder.elements <= FURTHER_ELEMENTS * batch
        work = 1000 * builder.launches + builder.elements / 3 + builder.macs / 20
        work += DICTIONARIES_NS * builder.dictionary_lists
        if small and builder.weights <= FURTHER_WEIGHTS and work >= MIN_WORK:
            break
    return Fragment(f"{'.'.join(map(str, seed))}/{kind}", builder.inputs, builder.model(value))


def _small_enough(style: Style, batch: int, seed: list[int]) -> tuple[GraphBuilder, Value]:
    """The first draw within the size limits, or the thousandth."""
    for attempt in range(1000):
        rng = np.random.default_rng([*seed, attempt])
        draw = Draw(rng)
        builder, value = _start(draw, batch, rng)
        value = _chain(draw, style(draw), builder, value, _length(rng))
        if builder.macs <= MAX_MACS * batch and builder.weights <= MAX_WEIGHTS:
            break
    return builder, value


def _start(draw: Draw, batch: int, rng: np.random.Generator) -> tuple[GraphBuilder, Value]:
    """An image followed by a stem, or a mid-network feature map, optionally followed by a convolution."""
    if draw.chance(0.2):
        builder = GraphBuilder((batch, 3, *[draw.of(224, 192, 160, 128)] * 2), rng)
        kernel, out = draw.of(3, 3, 3, 7), draw.of(16, 24, 32, 64)
        value = builder.conv(INPUT, out, kernel, 2, act=draw.word("relu", "relu6", "hswish", "silu"))
        return builder, builder.pooled(value, "MaxPool", 3, 2) if draw.chance(0.5) else value
    rows = draw.of(*ROWS)
    channels = draw.channels(WIDEST[rows] // 16, WIDEST[rows])
    builder = GraphBuilder((batch, channels, rows, rows), rng)
    return builder, builder.conv(INPUT, channels, act="relu") if draw.chance(0.5) else INPUT


def _chain(draw: Draw, block: Block, builder: GraphBuilder, value: Value, length: int) -> Value:
    """A sequence of blocks: most keep resolution and channels, some halve the resolution and widen the channels."""
    for _ in range(length):
        channels, rows = builder.channels(value), builder.shape(value)[2]
        shrinks = rows > 7 and draw.chance(0.3)
        widens = shrinks or draw.chance(0.2)
        out = draw.channels(channels, min(2048, max(24, 2 * channels))) if widens else channels
        value = block(builder, value, out, 2 if shrinks else 1)
    return _head(draw, builder, value) if draw.chance(0.3) else value


def _head(draw: Draw, builder: GraphBuilder, value: Value) -> Value:
    if draw.chance(0.3):
        value = builder.conv(value, draw.of(576, 960, 1280), act=draw.word("relu", "hswish", "silu"))
    value = builder.flat(builder.global_pooled(value)) if draw.chance(0.6) else builder.mean(value)
    return builder.linear(value, draw.of(10, 100, 1000, 1000))


def _length(rng: np.random.Generator) -> int:
    """1 to `MAX_BLOCKS`, log-uniform."""
    return int(np.exp(rng.uniform(0, np.log(MAX_BLOCKS + 1))))
