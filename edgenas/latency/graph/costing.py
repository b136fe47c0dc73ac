"""A latency for the kernels of a graph, kernel by kernel, by whatever model of the device there is."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.latency.estimate import BYTES
from edgenas.latency.graph.kernels import Kernel, Shape
from edgenas.latency.predictor import Latency, LayerLatency
from edgenas.latency.work import DeviceModel, Kind
from edgenas.space.precision import Precision

UNKNOWN_FACTOR = 10.0
"""A kernel of which only the traffic is known may take from no time at all to this many times what is predicted."""


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


def graph_latency(kernels: Sequence[Kernel], model: DeviceModel) -> Latency:
    """Latency of kernels that run one after another; those of unknown operators widen its interval."""
    unknown_ms = sum(model.work_ms(kernel.work) for kernel in kernels if kernel.kind == "unknown")
    known_ms = sum(model.work_ms(kernel.work) for kernel in kernels if kernel.kind != "unknown")
    return Latency(
        predicted_ms=known_ms + unknown_ms,
        low_ms=model.interval.low * known_ms,
        high_ms=model.interval.high * known_ms + UNKNOWN_FACTOR * unknown_ms,
        provenance=model.provenance,
    )


def kernel_latencies(
    kernels: Sequence[Kernel], model: DeviceModel, precision: Precision
) -> list[KernelLatency]:
    """What each kernel adds, in order."""
    times_ms = [model.work_ms(kernel.work) for kernel in kernels]
    whole_ms, width = sum(times_ms), BYTES[precision]
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
