"""A latency for each kernel of a graph, from timed fragments or a device model."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.device.device import Provenance
from edgenas.device_models.roofline import BYTES
from edgenas.device_models.work import DeviceModel, Interval, Kind
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import LayerLatency
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernels import Kernel, Shape
from edgenas.onnx_latency.pieces import Piece, pieces_of
from edgenas.vocabulary import Precision

UNKNOWN_FACTOR = 10.0
"""A kernel of an unknown operator may take from 0 to this many times its predicted latency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelLatency(LayerLatency):
    """Contribution of one kernel to a network's latency; `block` is the name of its first node. Counts are per call.

    Attributes:
        kind: of the kernel.
        nodes: names of the fused nodes.
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
    """Milliseconds of a graph's kernels, in order, and a constant per call; `interval` applies to their sum.

    `scaled_from` says at which threads and batch the costs were learnt, if at others; else it is empty.
    """

    times_ms: Sequence[float]
    interval: Interval
    provenance: Provenance
    constant_ms: float = 0.0
    scaled_from: str = ""


def costing_from_model(kernels: Sequence[Kernel], model: DeviceModel) -> Costing:
    """Cost kernels by a device model."""
    times_ms = [kernel.times * model.work_ms(kernel.work) for kernel in kernels]
    return Costing(times_ms, model.interval, model.provenance)


def costing_from_fragments(kernels: Sequence[Kernel], costs: KernelCosts) -> Costing:
    """Cost the kernels of a whole run by what was learnt from fragments."""
    pieces = [pieces_of(each) for each in kernels]
    counts = Counter[Piece]()
    for each in pieces:
        counts.update(each)
    found_ms, relative_sd = costs.costs(counts)
    piece_ms = dict(zip(counts, found_ms.tolist(), strict=True))
    factor = math.exp(costs.widening * relative_sd)
    return Costing(
        [sum(piece_ms[piece] * count for piece, count in each.items()) for each in pieces],
        Interval(1 / factor, factor),
        Provenance.CALIBRATED,
        costs.overhead_ms,
    )


def graph_latency(kernels: Sequence[Kernel], costing: Costing) -> Latency:
    """Latency of kernels run in sequence; kernels of unknown operators widen the interval."""
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
    """Contribution of each kernel, in order."""
    times_ms = costing.times_ms
    whole_ms, width = costing.constant_ms + sum(times_ms), BYTES[precision]
    return [
        KernelLatency(
            block=kernel.nodes[0],
            latency_ms=ms,
            kind=kernel.kind,
            nodes=kernel.nodes,
            macs=kernel.macs * kernel.times,
            bytes_read=(kernel.elements_read + kernel.weights) * width * kernel.times,
            bytes_written=kernel.elements_written * width * kernel.times,
            input_shapes=kernel.input_shapes,
            output_shapes=kernel.output_shapes,
            share=ms / whole_ms,
        )
        for kernel, ms in zip(kernels, times_ms, strict=True)
    ]


def unknown_operators(kernels: Sequence[Kernel]) -> tuple[str, ...]:
    """Names of the operators that are unknown and therefore costed by memory traffic alone."""
    return tuple(sorted({kernel.operators[0] for kernel in kernels if kernel.kind == "unknown"}))
