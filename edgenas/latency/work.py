"""Work: what one kernel of a network does, whether a block or an ONNX file says so, and who puts a time on it.

A block is known layer by layer, an ONNX file node by node; both become `Work`, and one device model costs both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from edgenas.device.device import Provenance
from edgenas.space.block import Block
from edgenas.space.layers import Add, Conv, GlobalPool, Layer, Linear, SqueezeExcite

Kind = Literal[
    "dense",
    "pointwise",
    "depthwise",
    "grouped",
    "linear",
    "matmul",
    "squeeze-excite",
    "pooling",
    "global-pooling",
    "reduction",
    "elementwise",
    "copy",
    "unknown",
]
"""Kinds of kernel: the first four are convolutions; `linear` has weights, `matmul` multiplies two activations;
`reduction` is normalisation and softmax as well; `copy` only moves numbers; of `unknown` nothing else is known."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one kernel does in a call, batch included.

    Attributes:
        kind: which kernel it is.
        macs: multiply-accumulates.
        features: numbers read and written that grow with the batch.
        weights: numbers read that do not.
        launches: kernels started: 0 where another one does the work on its way, 4 for a whole squeeze-excite.
        reuse: of a convolution or product, how many outputs each input number serves at each position: the
            output channels of a group.
    """

    kind: Kind
    macs: int
    features: int
    weights: int = 0
    launches: int = 1
    reuse: int = 1


class Interval(NamedTuple):
    """Ends of an interval as multiples of the predicted value."""

    low: float
    high: float


class DeviceModel(Protocol):
    """Puts a time on any kernel of one device; a datasheet does (`estimate.Roofline`), fitted figures will."""

    @property
    def provenance(self) -> Provenance:
        """Where its figures come from."""

    @property
    def interval(self) -> Interval:
        """The interval of a whole network."""

    def work_ms(self, work: Work) -> float:
        """Milliseconds of one kernel."""


def conv_kind(groups: int, channels: int, window: int) -> Kind:
    """Kind of a convolution with that many groups, input channels and positions in its window."""
    if groups == 1:
        return "pointwise" if window == 1 else "dense"
    return "depthwise" if groups == channels else "grouped"


def block_work(block: Block, batch: int) -> list[Work]:
    """The work of a block's layers, in order, for one call of that batch size."""
    return [_layer_work(layer, batch) for layer in block.layers]


def _layer_work(layer: Layer, batch: int) -> Work:
    kind, reuse = _LAYERS[type(layer)](layer)
    return Work(
        kind=kind,
        macs=layer.macs * batch,
        features=(layer.elements_moved - layer.parameters) * batch,
        weights=layer.parameters,
        launches=layer.kernels,
        reuse=reuse,
    )


def _conv(layer: Conv) -> tuple[Kind, int]:
    kind = conv_kind(layer.groups, layer.in_channels, layer.kernel**2)
    return kind, layer.out_channels // layer.groups


_LAYERS: dict[type[Layer], Callable[[Any], tuple[Kind, int]]] = {
    Conv: _conv,
    SqueezeExcite: lambda layer: ("squeeze-excite", layer.channels),
    Add: lambda _: ("elementwise", 1),
    GlobalPool: lambda _: ("global-pooling", 1),
    Linear: lambda layer: ("linear", layer.out_features),
}
