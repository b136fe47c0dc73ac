"""What of a kernel is costed: pieces, each of one family of code and of certain amounts of work."""

import math
from typing import NamedTuple

from edgenas.onnx_latency.kernels import Kernel

COSTLY = ("Clip", "HardSigmoid", "LeakyRelu", "Sigmoid", "Tanh")
"""Activations that take a pass of their own over the output even where they are fused; a fused `Relu` is free."""

BLOCK = 8
"""Smallest number of channels in a block of x86 processors' layout: a first convolution reads fewer, not reordered."""

QUANTISES_FIRST = {"DynamicQuantizeMatMul": ("DynamicQuantizeLinear", "MatMulIntegerToFloat.uint8")}
"""Operators that do what two others do one after the other."""

VIEWS = ("Flatten", "Identity", "Reshape", "Shape", "Size", "Squeeze", "Unsqueeze")
"""Operators that move no element: they cost a launch."""

_OWN = ("com.microsoft.", "ai.onnx.ml.")
_SAME_CODE = {"FusedConv": "Conv", "FusedGemm": "Gemm", "FusedMatMul": "MatMul"}


class Piece(NamedTuple):
    """A kernel, or a part of it.

    Attributes:
        family: kind, operator, and the type of the elements if that is not float: pieces of one family run the same
            code.
        macs: multiply-accumulates; for pooling, elements visited; of others, stretches of memory walked.
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
        return kind_of(self.family)

    @property
    def text(self) -> str:
        """Its form in tables."""
        return " ".join(map(str, self))


def kind_of(family: str) -> str:
    """The kind of the kernels of a family."""
    return family.partition("/")[0]


def piece_from_text(text: str) -> Piece:
    """Parse `Piece.text`."""
    family, *counts = text.split(" ")
    macs, read, written, weights, reuse = map(int, counts)
    return Piece(family, macs, read, written, weights, reuse)


def pieces_of(kernel: Kernel) -> dict[Piece, int]:
    """The pieces of a kernel that a runtime runs, and how often each."""
    if kernel.kind == "recurrent" and len(kernel.weight_shapes) > 1:  # not where weights are computed
        return _recurrent(kernel)
    if (name := _name(kernel)) in QUANTISES_FIRST:
        return _quantising(kernel, *QUANTISES_FIRST[name])
    images = _images(kernel)
    found = {_main(kernel, images): kernel.times * images}
    for function in dict.fromkeys(kernel.operators[1:]):
        if function in COSTLY:
            size = kernel.elements_written
            found[Piece(f"elementwise/{function}", 0, size, size, 0)] = kernel.times
    return found


def _main(kernel: Kernel, images: int) -> Piece:
    """The whole of it, or what is done for each image."""
    read, written = kernel.elements_read // images, kernel.elements_written // images
    macs = kernel.macs // images + (kernel.window > 1) * kernel.window * written
    if _name(kernel) in VIEWS:
        read = written = 0
    elif not macs:
        macs = kernel.walks
    return Piece(_family(kernel), macs, read, written, kernel.weights, kernel.reuse)


def _images(kernel: Kernel) -> int:
    """How often a convolution in rows reads all its weights: for each image, however small it is."""
    return max(1, kernel.output_shapes[0][0]) if _name(kernel) == "Conv" and kernel.output_shapes else 1


def _quantising(kernel: Kernel, first: str, second: str) -> dict[Piece, int]:
    read, written = kernel.elements_read, kernel.elements_written
    parts = (
        Piece(f"elementwise/{first}", 1, read, read, 0),
        Piece(
            f"{kernel.kind}/{second}{_type(kernel)}", kernel.macs, read, written, kernel.weights, kernel.reuse
        ),
    )
    return dict.fromkeys(parts, kernel.times)


def _recurrent(kernel: Kernel) -> dict[Piece, int]:
    """The product of all inputs at once, then, one after the other, that of each step's state."""
    steps = max(1, kernel.steps)
    (input_weights, state_weights) = (math.prod(shape) for shape in kernel.weight_shapes[:2])
    rows = kernel.macs // max(1, input_weights + state_weights)  # steps times batch
    batch, family = max(1, rows // steps), _family(kernel)
    written = kernel.elements_written
    step = Piece(f"{family}.step", batch * state_weights, written // steps, written // steps, state_weights)
    first = Piece(family, rows * input_weights, kernel.elements_read, 4 * written, input_weights)
    return {first: kernel.times, step: kernel.times * steps}


def _family(kernel: Kernel) -> str:
    name = _name(kernel)
    if name == "nchwc.Conv" and kernel.kind == "dense" and kernel.weight_shapes[0][1] % BLOCK:
        name += ".few"
    if name == "Transpose" and not kernel.moves_one_axis:
        name += ".mixed"
    return f"{kernel.kind}/{name}{'.broadcast' if kernel.broadcast else ''}{_type(kernel)}"


def _type(kernel: Kernel) -> str:
    """What a family's name says of the elements: nothing of floats."""
    element, _, weights = kernel.element.partition(".")
    return "".join(f".{each}" for each in (element, weights) if each not in ("", "float"))


def _name(kernel: Kernel) -> str:
    """The operator without its domain: the same code has one name."""
    name = kernel.operators[0]
    for domain in _OWN:
        name = name.removeprefix(domain)
    return _SAME_CODE.get(name, name)
