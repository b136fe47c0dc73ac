"""What ONNX Runtime's layout on processors does to a graph: channels in blocks, and kernels that change to and fro.

Between convolutions it keeps images with their channels in blocks as wide as a vector register (NCHWc). Channels are
filled up to whole blocks, so that 24 cost what 32 do, and a convolution that cannot take blocks (a group of 8
channels, 58 channels in) or an operator that has no blocked form (a product with a gate of squeeze-excite) is
preceded by a kernel that puts its input back in plain order. Which is which is a fact of the runtime, not of a device.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgenas.onnx_latency.kernels import Kernel, Shape

ALIGNED = 4
"""Input channels of a convolution must be a multiple of it."""

_CONVOLUTIONS = ("dense", "pointwise", "depthwise", "grouped")
_WHOLE = ("dense", "pointwise")
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
"""Activations that are a pass of their own over what was written, wherever they run; a `Relu` costs nothing."""


class Piece(NamedTuple):
    """What is really run for a kernel, or for a part of it, counted as the layout makes it.

    Attributes:
        family: its kind and operator, whether it is in blocks, and whether it reads too few channels for one: what
            has one piece of code.
        macs: multiply-accumulates; of pooling, numbers looked at.
        read: numbers read that are no weights.
        written: numbers written.
        weights: numbers read that are.
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
        """As tables keep it."""
        return " ".join(map(str, self))


def piece_from_text(text: str) -> Piece:
    """The piece of a text that `Piece.text` gave."""
    family, *counts = text.split(" ")
    macs, read, written, weights, reuse = map(int, counts)
    return Piece(family, macs, read, written, weights, reuse)


def pieces_of(kernels: Sequence[Kernel], block: int) -> list[list[Piece]]:
    """What runs for each of these kernels, in order.

    Args:
        kernels: of one graph, in the order they run.
        block: channels that lie together; 1 for the plain order throughout.
    """
    read = {value for kernel in kernels for value in kernel.reads}
    layout = _Layout(block, read)
    return [list(layout.pieces(kernel)) for kernel in kernels]


class _Layout:
    """Which values there are in blocks, and in plain order, so far; one in neither is given, in plain order."""

    def __init__(self, block: int, read: set[str]) -> None:
        self._block = block
        self._read = read
        self._blocked: set[str] = set()
        self._plain: set[str] = set()

    def pieces(self, kernel: Kernel) -> Iterator[Piece]:
        blocked = self._block > 1 and self._takes_blocks(kernel)
        for i, (value, shape) in enumerate(zip(kernel.reads, kernel.input_shapes, strict=True)):
            if self._must_move(value, blocked and not (i == 0 and self._takes_few(kernel))):
                yield _reorder(shape)
        yield self._run(kernel, blocked)
        for operator in dict.fromkeys(kernel.operators[1:]):
            if operator in _COSTLY:
                size = kernel.elements_written
                yield Piece(f"elementwise/{operator}", 0, size, size, 0)
        (self._blocked if blocked else self._plain).update(kernel.writes)
        for value, shape in zip(kernel.writes, kernel.output_shapes, strict=True):
            if blocked and value not in self._read:  # the model gives it, in plain order
                yield _reorder(shape)

    def _must_move(self, value: str, blocked: bool) -> bool:
        """Whether a value is not yet there in that order; it is from now on."""
        given = value not in self._blocked
        there = value in self._blocked if blocked else value in self._plain or given
        (self._blocked if blocked else self._plain).add(value)
        return not there

    def _takes_blocks(self, kernel: Kernel) -> bool:
        if kernel.kind in _CONVOLUTIONS:
            return self._convolves_blocks(kernel)
        first = kernel.operators[0]
        if not kernel.reads or not self._blocked.issuperset(kernel.reads):
            return False
        if first in (*_SUMS, *_ACTIVATIONS):
            return len({*kernel.input_shapes, *kernel.output_shapes}) == 1
        return first in _WHOLE_BLOCKS and all(shape[1] % self._block == 0 for shape in kernel.input_shapes)

    def _convolves_blocks(self, kernel: Kernel) -> bool:
        if kernel.operators[0] != "Conv" or len(kernel.input_shapes[0]) != 4:
            return False
        channels = kernel.input_shapes[0][1]
        if kernel.kind in _WHOLE:
            return channels < self._block or channels % ALIGNED == 0
        if kernel.kind == "depthwise" and kernel.reuse == 1:
            return channels % ALIGNED == 0
        width = kernel.weight_shapes[0][1]
        return width % self._block == 0 and kernel.reuse % self._block == 0

    def _takes_few(self, kernel: Kernel) -> bool:
        """Whether a convolution reads plain order although it writes blocks, as it has not one block of channels."""
        return kernel.kind in _WHOLE and kernel.input_shapes[0][1] < self._block

    def _run(self, kernel: Kernel, blocked: bool) -> Piece:
        macs = kernel.macs + (kernel.window > 1) * kernel.window * kernel.elements_written
        family, reuse = f"{kernel.kind}/{kernel.operators[0]}", kernel.reuse
        if not blocked:
            return Piece(family, macs, kernel.elements_read, kernel.elements_written, kernel.weights, reuse)
        written, read = self._filled(kernel.output_shapes), self._filled(kernel.input_shapes)
        few = self._takes_few(kernel)
        read = 1.0 if few else read
        products = written * read if kernel.kind in _WHOLE else written
        return Piece(
            f"{family}/{'few' if few else 'blocked'}",
            round(macs * products),
            round(kernel.elements_read * read),
            round(kernel.elements_written * written),
            round(kernel.weights * products),
            round(reuse * written) if kernel.kind in _WHOLE else reuse,
        )

    def _filled(self, shapes: Sequence[Shape]) -> float:
        """How many times as large values become when their channels are filled up to whole blocks."""
        sizes = [(math.prod(shape), shape[1]) for shape in shapes]
        return (
            sum(size / width * -(-width // self._block) for size, width in sizes)
            * self._block
            / sum(size for size, _ in sizes)
        )


def _reorder(shape: Shape) -> Piece:
    size = math.prod(shape)
    return Piece("copy/Reorder", 0, size, size, 0)
