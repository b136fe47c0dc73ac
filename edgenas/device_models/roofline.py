"""Device model from the datasheet alone, for devices without a table.

A roofline per kernel (Williams et al., CACM 2009): the longer of arithmetic and memory traffic, plus a constant for the
launch. Good for ranking and orders of magnitude; its provenance is `estimated` and its interval is wide.
"""

from dataclasses import dataclass

from edgenas.device.device import Device, Provenance
from edgenas.device_models.work import Interval, Work, block_work
from edgenas.space.block import Block
from edgenas.vocabulary import Precision

ATTAINED_COMPUTE = 0.20
"""Share of the datasheet's peak arithmetic that dense and pointwise convolutions of mobile networks attain."""

ATTAINED_DEPTHWISE = 0.02
"""The same for depthwise convolutions, which have little data reuse and use no matrix units."""

ATTAINED_BANDWIDTH = 0.25
"""Share of the datasheet's peak memory bandwidth that they attain.

The three shares are rounded, the same for all devices, and chosen by comparison with published latencies of MobileNetV2
and MobileNetV3 on two Jetsons and two Raspberry Pis (`benchmarks/estimate_vs_published.py`).
"""

INTERVAL_FACTOR = 2.0
"""The interval of an estimate: half to twice the prediction, which covered all ten of those latencies."""

BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}
"""Bytes per element."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """The device model of a datasheet (a `DeviceModel`)."""

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
    """Estimated milliseconds of a block at the device's batch size."""
    model = Roofline(device)
    return sum(model.work_ms(work) for work in block_work(block, device.batch))


def _attained_compute(work: Work) -> float:
    """Grouped convolutions lie in between: each input element is reused for the output channels of its group."""
    if work.kind in ("depthwise", "grouped"):
        return min(ATTAINED_COMPUTE, ATTAINED_DEPTHWISE * work.reuse)
    return ATTAINED_COMPUTE
