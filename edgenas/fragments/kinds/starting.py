"""What all kinds of fragments begin with: random choices, and inputs whose first axis is the batch."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from edgenas.fragments.graph_builder import GraphBuilder, Value
from edgenas.fragments.network_families import Draw
from edgenas.space.onnx_graph import INPUT

__all__ = ["Built", "Draw", "Kind", "Start", "image", "repeats"]

MAX_IMAGE = 400_000
"""Elements of a feature map."""

MANY = 20_000
"""Elements that take far longer than a launch."""

Built = tuple[GraphBuilder, Value]
"""A graph, and the value that is its output."""


@dataclass(frozen=True, slots=True)
class Start:
    """Begins graphs.

    Attributes:
        batch: first axis of all inputs.
        rng: draws the weights.
    """

    batch: int
    rng: np.random.Generator

    def __call__(self, *shape: int, kind: int = TensorProto.FLOAT) -> GraphBuilder:
        """A graph with one input; the shape lacks the batch."""
        return GraphBuilder((self.batch, *shape), self.rng, kind)


Kind = Callable[[Draw, Start], Built]
"""Draws sizes, then builds a chain of one kind of kernels and their usual neighbours."""


def image(draw: Draw, start: Start, *channels: int) -> GraphBuilder:
    """A feature map with one of these numbers of channels."""
    width = draw.of(*channels)
    rows = draw.of(*(rows for rows in (7, 14, 20, 28, 40, 56, 80) if rows**2 * width < MAX_IMAGE))
    return start(width, rows, rows)


def repeats(builder: GraphBuilder) -> int:
    """How often small values pass through the same kernels, so that a call takes longer than its overhead."""
    return max(1, min(8, MANY // math.prod(builder.shape(INPUT))))
