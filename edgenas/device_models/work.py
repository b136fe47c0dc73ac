"""The work of one kernel, of a block or of an ONNX file, and the interface of device models that predict its time.

Blocks are described layer by layer, ONNX files node by node; both become `Work`, so that one device model costs both.
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
    "recurrent",
    "trees",
    "elementwise",
    "copy",
    "control",
    "unknown",
]
"""Kinds of kernel: the first four are convolutions; `linear` has weights, `matmul` multiplies two activations;
`reduction` includes normalisation and softmax; `recurrent` layers run step by step; `trees` are classical models;
`copy` only moves data, `control` decides what runs; of `unknown` only the traffic is known."""


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one kernel in a call, batch included.

    Attributes:
        kind: of the kernel.
        macs: multiply-accumulates.
        features: elements read and written that scale with the batch.
        weights: elements read that do not.
        launches: kernel launches; 0 if the work is fused into another kernel, one per piece for copies.
        reuse: of a convolution or product, outputs per input element and position: the output channels of a group.
        functions: elements written through an activation costlier than ReLU: most runtimes compute hard swish, SiLU
            or GELU in a separate pass after the convolution.
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
    """Predicts the time of any kernel on one device: `roofline.Roofline` from a datasheet, `fitted.Calibrated` from
    fitted costs."""

    @property
    def provenance(self) -> Provenance:
        """Provenance of its predictions."""

    @property
    def interval(self) -> Interval:
        """The interval of a whole network."""

    def work_ms(self, work: Work) -> float:
        """Milliseconds of one kernel."""


def conv_kind(groups: int, channels: int, window: int) -> Kind:
    """Kind of a convolution, given its groups, input channels and kernel positions."""
    if groups == 1:
        return "pointwise" if window == 1 else "dense"
    return "depthwise" if groups == channels else "grouped"


def block_work(block: Block, batch: int) -> list[Work]:
    """The work of a block's layers, in order, for one call with the given batch size."""
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
    """Global pooling, two pointwise convolutions, and an elementwise product."""
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
    """Fused into the previous convolution."""
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
