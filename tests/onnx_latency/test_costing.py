"""From kernels to a latency."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from edgenas.device.device import Provenance
from edgenas.device_models.work import Interval, Work
from edgenas.latency.latency import Latency
from edgenas.onnx_latency.costing import (
    UNKNOWN_FACTOR,
    KernelLatency,
    costing_from_model,
    graph_latency,
    kernel_latencies,
    unknown_operators,
)
from edgenas.onnx_latency.kernels import Kernel
from edgenas.vocabulary import Precision

from .conftest import node


@dataclass(frozen=True)
class FittedModel:
    """Stands for a calibrated device model: a time of its own for each kind."""

    provenance = Provenance.CALIBRATED
    interval = Interval(0.9, 1.1)

    def work_ms(self, work: Work) -> float:
        return {"dense": 3.0, "unknown": 0.5}.get(work.kind, 1.0)


KERNELS = Callable[..., list[Kernel]]
NODES = [node("Conv", "x w", "a"), node("Softmax", "a", "y")]
STRANGE = [
    *NODES[:1],
    node("Odd", "a", "b", domain="made.up"),
    node("Odd", "b", "c", domain="made.up"),
    node("Bernoulli", "c", "y"),
]
WEIGHTS: dict[str, Any] = {"w": (4, 8, 3, 3)}


def _latency(kernels: list[Kernel]) -> Latency:
    return graph_latency(kernels, costing_from_model(kernels, FittedModel()))


def _each(kernels: list[Kernel], precision: Precision) -> list[KernelLatency]:
    return kernel_latencies(kernels, costing_from_model(kernels, FittedModel()), precision)


def test_any_device_model_can_put_the_times(kernels_of: KERNELS) -> None:
    latency = _latency(kernels_of(NODES, weights=WEIGHTS))
    assert (latency.predicted, latency.low, latency.high) == pytest.approx((4.0, 3.6, 4.4))
    assert latency.provenance == "calibrated"


def test_kernels_add_up_and_say_what_they_do(kernels_of: KERNELS) -> None:
    conv, softmax = _each(kernels_of(NODES, weights=WEIGHTS, batch=2), "fp16")
    assert (conv.block, conv.kind, conv.nodes, conv.latency_ms, conv.share) == (
        "a",
        "dense",
        ("a",),
        3.0,
        0.75,
    )
    assert (conv.macs, conv.bytes_read, conv.bytes_written) == (
        2 * 4 * 16 * 72,
        2 * (2 * 288 + 4 * 72),
        2 * 2 * 64,
    )
    assert (conv.input_shapes, conv.output_shapes) == (((2, 8, 6, 6),), ((2, 4, 4, 4),))
    assert conv.share + softmax.share == 1
    (single, _) = _each(kernels_of(NODES, weights=WEIGHTS, batch=2), "int8")
    assert single.bytes_read == conv.bytes_read // 2


def test_unknown_operators_are_named_cost_something_and_widen_the_interval(kernels_of: KERNELS) -> None:
    kernels = kernels_of(STRANGE, weights=WEIGHTS)
    assert unknown_operators(kernels) == ("Bernoulli", "made.up.Odd")
    assert unknown_operators(kernels[:1]) == ()
    latency = _latency(kernels)
    assert latency.predicted == 4.5
    assert latency.low == pytest.approx(0.9 * 3)
    assert latency.high == pytest.approx(1.1 * 3 + UNKNOWN_FACTOR * 1.5)
    assert kernels[1].elements_read == kernels[1].elements_written == 64
