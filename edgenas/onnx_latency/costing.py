"""A latency for the kernels of a graph, kernel by kernel, by whatever model of the device there is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgenas.device.device import Provenance
from edgenas.device_models.roofline import BYTES
from edgenas.device_models.work import DeviceModel, Interval, Kind
from edgenas.latency.latency import Latency
from edgenas.latency.predictor import LayerLatency
from edgenas.onnx_latency.blocked_layout import pieces_of
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernels import Kernel, Shape
from edgenas.space.precision import Precision

UNKNOWN_FACTOR = 10.0
"""A kernel of which only the traffic is known may take from no time at all to this many times what is predicted."""

TOLD_SHARE = 0.5
"""What a node that works out a size takes, as a share of a call of one node that does as good as nothing: runtimes
run only once what exporters write again for each use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLatency(LayerLatency):
    """What one kernel adds to a network's latency; `block` is the name of its first node. Counts are for one call.

    Attributes:
        kind: which kernel it is.
        nodes: names of the nodes that run as one.
        macs: multiply-accumulates.
        bytes_read: features and weights, at the device's precision.
        bytes_written: features.
        input_shapes: of the features read.
        output_shapes: of the features written.
        share: of the network's latency, 0..1.
    """

    kind: Kind
    nodes: tuple[str, ...]
    macs: int
    bytes_read: int
    bytes_written: int
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    share: float


@dataclass(frozen=True, slots=True)
class Costing:
    """Milliseconds of a graph's kernels, in order, and of the call around them; `interval` is of their sum."""

    times_ms: Sequence[float]
    interval: Interval
    provenance: Provenance
    constant_ms: float = 0.0


def modelled(kernels: Sequence[Kernel], model: DeviceModel) -> Costing:
    """What a device model says of each kernel's work."""
    times_ms = [model.work_ms(kernel.work) for kernel in kernels]
    return Costing(times_ms, model.interval, model.provenance)


def learnt(kernels: Sequence[Kernel], costs: KernelCosts, told: int = 0) -> Costing:
    """What was learnt from fragments: a kernel takes what its pieces do, changes of layout before it included.

    Args:
        kernels: of a whole graph, in order.
        costs: of the device.
        told: `Graph.told`.
    """
    pieces = pieces_of(kernels, costs.channel_block)
    times_ms, relative_sd = costs.costs([piece for each in pieces for piece in each])
    ends = np.cumsum([len(each) for each in pieces])[:-1]
    factor = math.exp(costs.widening * relative_sd)
    return Costing(
        [float(part.sum()) for part in np.split(times_ms, ends)],
        Interval(1 / factor, factor),
        Provenance.CALIBRATED,
        costs.overhead_ms * (1 + TOLD_SHARE * told),
    )


def graph_latency(kernels: Sequence[Kernel], costing: Costing) -> Latency:
    """Latency of kernels that run one after another; those of unknown operators widen its interval."""
    pairs = list(zip(kernels, costing.times_ms, strict=True))
    unknown_ms = sum(ms for kernel, ms in pairs if kernel.kind == "unknown")
    known_ms = costing.constant_ms + sum(ms for kernel, ms in pairs if kernel.kind != "unknown")
    return Latency(
        predicted=known_ms + unknown_ms,
        low=costing.interval.low * known_ms,
        high=costing.interval.high * known_ms + UNKNOWN_FACTOR * unknown_ms,
        provenance=costing.provenance,
    )


def kernel_latencies(
    kernels: Sequence[Kernel], costing: Costing, precision: Precision
) -> list[KernelLatency]:
    """What each kernel adds, in order."""
    times_ms = costing.times_ms
    whole_ms, width = costing.constant_ms + sum(times_ms), BYTES[precision]
    return [
        KernelLatency(
            block=kernel.nodes[0],
            latency_ms=ms,
            kind=kernel.kind,
            nodes=kernel.nodes,
            macs=kernel.macs,
            bytes_read=(kernel.elements_read + kernel.weights) * width,
            bytes_written=kernel.elements_written * width,
            input_shapes=kernel.input_shapes,
            output_shapes=kernel.output_shapes,
            share=ms / whole_ms,
        )
        for kernel, ms in zip(kernels, times_ms, strict=True)
    ]


def unknown_operators(kernels: Sequence[Kernel]) -> tuple[str, ...]:
    """Operators costed as memory traffic alone because no more is known of them, by name."""
    return tuple(sorted({kernel.operators[0] for kernel in kernels if kernel.kind == "unknown"}))
