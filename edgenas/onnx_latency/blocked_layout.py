"""ONNX Runtime's blocked layout on CPUs (NCHWc), and the reorder kernels that convert from and to it.

Between convolutions, channels are stored in blocks as wide as a vector register and padded to whole blocks, so that 24
channels cost as much as 32. A convolution that cannot use the blocked layout (groups of 8 channels, 58 input channels)
and an operator without a blocked form (the multiplication of squeeze-excite) are preceded by a kernel that reorders
their input. These rules belong to the runtime, not to a device.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgenas.onnx_latency.kernels import Kernel, Shape

ALIGNED = 4
"""Blocked convolutions need a multiple of this many input channels."""

_CONVOLUTIONS = ("dense", "pointwise", "depthwise", "grouped")
_UNGROUPED = ("dense", "pointwise")
_SUMS = ("Add", "Sum")
_ACTIVATIONS = ("Clip", "Gelu", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh")
_WHOLE_BLOCKS = (
    "AveragePool",
    "BatchNormalization",
    "Concat",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool",
)
_COSTLY = (
    "Clip", "Elu", "Erf", "Exp", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Sigmoid", "Softplus", "Tanh"
)  # fmt: skip
"""Activations that take an extra pass over the output even when fused; a fused `Relu` is free."""


class Piece(NamedTuple):
    """What the runtime executes for a kernel or a part of it; counts include channel padding.

    Attributes:
        family: kind and operator, with `/blocked`, or `/few` for fewer input channels than a block: pieces of one
            family run the same code.
        macs: multiply-accumulates; for pooling, elements visited.
        read: elements read, weights excluded.
        written: elements written.
        weights: weights read.
        reuse: as `Work.reuse`.
    """

    family: str
    macs: int
    read: int
    written: int
    weights: int
    reuse: int = 1

    @property
    def kind(self) -> str:
        """The kind of its kernel."""
        return self.family.split("/")[0]

    @property
    def text(self) -> str:
        """Its form in tables."""
        return " ".join(map(str, self))


def piece_from_text(text: str) -> Piece:
    """Parse `Piece.text`."""
    family, *counts = text.split(" ")
    macs, read, written, weights, reuse = map(int, counts)
    return Piece(family, macs, read, written, weights, reuse)


def pieces_of(kernels: Sequence[Kernel], block: int) -> list[list[Piece]]:
    """The pieces executed for each kernel, in order.

    Args:
        kernels: of one graph, in execution order.
        block: channels per block; 1 for the plain layout throughout.
    """
    read = {value for kernel in kernels for value in kernel.reads}
    layout = _Layout(block, read)
    return [list(layout.pieces(kernel)) for kernel in kernels]


class _Layout:
    """Tracks which values exist in blocked and in plain layout; a value in neither set is a model input, in plain."""

    def __init__(self, block: int, read: set[str]) -> None:
        self._block = block
        self._read = read
        self._blocked: set[str] = set()
        self._plain: set[str] = set()

    def pieces(self, kernel: Kernel) -> Iterator[Piece]:
        blocked = self._block > 1 and self._runs_blocked(kernel)
        for i, (value, shape) in enumerate(zip(kernel.reads, kernel.input_shapes, strict=True)):
            if self._needs_reorder(value, blocked and not (i == 0 and self._has_few_channels(kernel))):
                yield _reorder(shape)
        yield self._run(kernel, blocked)
        for operator in dict.fromkeys(kernel.operators[1:]):
            if operator in _COSTLY:
                size = kernel.elements_written
                yield Piece(f"elementwise/{operator}", 0, size, size, 0)
        (self._blocked if blocked else self._plain).update(kernel.writes)
        for value, shape in zip(kernel.writes, kernel.output_shapes, strict=True):
            if blocked and value not in self._read:  # an output of the model, in plain layout
                yield _reorder(shape)

    def _needs_reorder(self, value: str, blocked: bool) -> bool:
        """Whether a value must be reordered for that layout; it is recorded as available in it."""
        in_plain = value in self._plain or value not in self._blocked
        available = value in self._blocked if blocked else in_plain
        (self._blocked if blocked else self._plain).add(value)
        return not available

    def _runs_blocked(self, kernel: Kernel) -> bool:
        if kernel.kind in _CONVOLUTIONS:
            return self._convolves_blocked(kernel)
        first = kernel.operators[0]
        if not kernel.reads or not self._blocked.issuperset(kernel.reads):
            return False
        if first in (*_SUMS, *_ACTIVATIONS):
            return len({*kernel.input_shapes, *kernel.output_shapes}) == 1
        return first in _WHOLE_BLOCKS and all(shape[1] % self._block == 0 for shape in kernel.input_shapes)

    def _convolves_blocked(self, kernel: Kernel) -> bool:
        if kernel.operators[0] != "Conv" or len(kernel.input_shapes[0]) != 4:
            return False
        channels = kernel.input_shapes[0][1]
        if kernel.kind in _UNGROUPED:
            return channels < self._block or channels % ALIGNED == 0
        if kernel.kind == "depthwise" and kernel.reuse == 1:
            return channels % ALIGNED == 0
        width = kernel.weight_shapes[0][1]
        return width % self._block == 0 and kernel.reuse % self._block == 0

    def _has_few_channels(self, kernel: Kernel) -> bool:
        """Whether a convolution with fewer input channels than a block reads plain and writes blocked layout."""
        return kernel.kind in _UNGROUPED and kernel.input_shapes[0][1] < self._block

    def _run(self, kernel: Kernel, blocked: bool) -> Piece:
        macs = kernel.macs + (kernel.window > 1) * kernel.window * kernel.elements_written
        family, reuse = f"{kernel.kind}/{kernel.operators[0]}", kernel.reuse
        if not blocked:
            return Piece(family, macs, kernel.elements_read, kernel.elements_written, kernel.weights, reuse)
        written, read = self._padding_factor(kernel.output_shapes), self._padding_factor(kernel.input_shapes)
        few = self._has_few_channels(kernel)
        read = 1.0 if few else read
        products = written * read if kernel.kind in _UNGROUPED else written
        return Piece(
            f"{family}/{'few' if few else 'blocked'}",
            round(macs * products),
            round(kernel.elements_read * read),
            round(kernel.elements_written * written),
            round(kernel.weights * products),
            round(reuse * written) if kernel.kind in _UNGROUPED else reuse,
        )

    def _padding_factor(self, shapes: Sequence[Shape]) -> float:
        """Size of the values padded to whole blocks, relative to their own size."""
        sizes = [(math.prod(shape), shape[1]) for shape in shapes]
        return (
            sum(size / width * -(-width // self._block) for size, width in sizes)
            * self._block
            / sum(size for size, _ in sizes)
        )


def _reorder(shape: Shape) -> Piece:
    size = math.prod(shape)
    return Piece("copy/Reorder", 0, size, size, 0)
