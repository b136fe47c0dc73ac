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
        launches: kernels started: 0 where another one does the work on its way, one a piece where pieces are copied.
        reuse: of a convolution or product, how many outputs each input number serves at each position: the
            output channels of a group.
        functions: numbers written that went through an activation dearer than a rectifier: most runtimes compute
            hard swish, SiLU or GELU after the convolution, not on its way.
    """

    kind: Kind
    macs: int
    features: int
    weights: int = 0
    launches: int = 1
    reuse: int = 1
    functions: int = 0


class Interval(NamedTuple):
    """Ends of an interval as multiples of the predicted value."""

    low: float
    high: float


class DeviceModel(Protocol):
    """Puts a time on any kernel of one device; a datasheet does (`estimate.Roofline`), fitted figures do
    (`calibrated.Calibrated`)."""

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
    return [work for layer in block.layers for work in _KERNELS[type(layer)](layer, batch)]


def _conv(layer: Conv, batch: int) -> list[Work]:
    written = layer.out_channels * layer.out_height * layer.out_width
    return [
        Work(
            kind=conv_kind(layer.groups, layer.in_channels, layer.kernel**2),
            macs=layer.macs * batch,
            features=(layer.elements_moved - layer.parameters) * batch,
            weights=layer.parameters,
            reuse=layer.out_channels // layer.groups,
            functions=written * batch if layer.activation == "hswish" else 0,
        )
    ]


def _squeeze_excite(layer: SqueezeExcite, batch: int) -> list[Work]:
    """Pool, two pointwise convolutions, scale."""
    channels, squeezed = layer.channels, layer.squeezed
    numbers = channels * layer.height * layer.width
    macs, both = channels * squeezed, channels + squeezed
    return [
        Work("global-pooling", 0, (numbers + channels) * batch),
        Work("pointwise", macs * batch, both * batch, macs + squeezed, reuse=squeezed),
        Work(
            "pointwise",
            macs * batch,
            both * batch,
            macs + channels,
            reuse=channels,
            functions=channels * batch,
        ),
        Work("elementwise", 0, (2 * numbers + channels) * batch),
    ]


def _add(layer: Add, batch: int) -> list[Work]:
    """Runs inside the convolution before it."""
    return [Work("elementwise", 0, layer.elements_moved * batch, launches=0)]


def _global_pool(layer: GlobalPool, batch: int) -> list[Work]:
    return [Work("global-pooling", 0, layer.elements_moved * batch)]


def _linear(layer: Linear, batch: int) -> list[Work]:
    features = (layer.in_features + layer.out_features) * batch
    return [Work("linear", layer.macs * batch, features, layer.parameters, reuse=layer.out_features)]


_KERNELS: dict[type[Layer], Callable[[Any, int], list[Work]]] = {
    Conv: _conv,
    SqueezeExcite: _squeeze_excite,
    Add: _add,
    GlobalPool: _global_pool,
    Linear: _linear,
}
