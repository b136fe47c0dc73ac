"""The device model: a latency for any kernel on a device that has no table, from its datasheet alone.

A roofline a kernel (Williams et al., CACM 2009) with a constant for the launch: a kernel takes as long as its
arithmetic or its memory traffic, whichever is longer, and never less than the launch. Good for ranking and
for orders of magnitude; its provenance is `estimated` and its interval is wide.
"""

from dataclasses import dataclass

from edgenas.device.device import Device, Provenance
from edgenas.device_models.work import Interval, Work, block_work
from edgenas.space.block import Block
from edgenas.vocabulary import Precision

ATTAINED_COMPUTE = 0.20
"""Share of a datasheet's peak arithmetic that dense and pointwise convolutions of mobile networks reach."""

ATTAINED_DEPTHWISE = 0.02
"""The same for depthwise convolutions: they reuse almost nothing and use no matrix units."""

ATTAINED_BANDWIDTH = 0.25
"""Share of a datasheet's peak memory bandwidth that they reach.

The three shares are rounded values, one for all devices, set against published latencies of MobileNetV2 and
MobileNetV3 on two Jetsons and two Raspberry Pis (`benchmarks/estimate_vs_published.py`).
"""

INTERVAL_FACTOR = 2.0
"""The interval of an estimate: from half to twice the predicted value, which held all of those ten."""

BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}
"""Bytes of a number."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """The device model that a datasheet gives (a `DeviceModel`)."""

    device: Device

    provenance = Provenance.ESTIMATED
    interval = Interval(1 / INTERVAL_FACTOR, INTERVAL_FACTOR)

    def work_ms(self, work: Work) -> float:
        """Milliseconds of one kernel."""
        sheet = self.device.datasheet
        arithmetic_s = 2 * work.macs / (sheet.peak_gflops * 1e9 * _attained_compute(work))
        traffic_bytes = (work.features + work.weights) * BYTES[self.device.precision]
        traffic_s = traffic_bytes / (sheet.memory_bandwidth_gb_s * 1e9 * ATTAINED_BANDWIDTH)
        return max(arithmetic_s, traffic_s) * 1e3 + work.launches * sheet.kernel_launch_us / 1e3


def estimate_block_ms(block: Block, device: Device) -> float:
    """Milliseconds the device model gives a block, for the device's batch size."""
    model = Roofline(device)
    return sum(model.work_ms(work) for work in block_work(block, device.batch))


def _attained_compute(work: Work) -> float:
    """A grouped convolution stands between the two: each number it reads serves the channels of its group."""
    if work.kind in ("depthwise", "grouped"):
        return min(ATTAINED_COMPUTE, ATTAINED_DEPTHWISE * work.reuse)
    return ATTAINED_COMPUTE
