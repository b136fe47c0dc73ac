"""Kernel costs learnt at one operating point of a device, for another: other batches, other numbers of threads.

The amounts of work of a kernel hold its batch, so costs learnt at one batch serve every other. For other threads the
device's datasheet model says how much faster or slower each kernel becomes: threads share arithmetic, but neither
launches nor memory traffic.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from edgenas.device import Device
from edgenas.device_models.roofline import Roofline
from edgenas.device_models.work import Interval
from edgenas.onnx_latency.costing import Costing, costing_from_fragments
from edgenas.onnx_latency.kernel_fitting import KernelCosts
from edgenas.onnx_latency.kernels import Kernel
from edgenas.units import counted

BATCH_FACTOR = 1.1
"""Factor that widens both sides of the interval at another batch than that of the timed kernels.

14 networks at batch 2 and 8, after a profile at batch 1, needed at most 1.04 (`benchmarks/scaled_latency.py`); the rest
is for networks that are less like the fragments.
"""

THREADS_FACTOR = 1.3
"""The same for each doubling, or halving, of the threads.

On two cores that other programs used too, the fastest runs of seven networks with two threads were 1.27 to 2.02 times
faster than with one, where 1.35 to 1.95 was predicted (docs/benchmarks.md).
"""


class TimedKernels(NamedTuple):
    """Costs of kernels, and the device at the operating point at which they were timed."""

    costs: KernelCosts
    timed: Device

    def costing(self, kernels: Sequence[Kernel], device: Device) -> Costing:
        """Cost the kernels of a whole run on the device at its operating point."""
        return scaled(costing_from_fragments(kernels, self.costs), kernels, self.timed, device)


def scaled(costing: Costing, kernels: Sequence[Kernel], timed: Device, device: Device) -> Costing:
    """The costs of kernels on a device at its operating point; the overhead of a call stays the same.

    Args:
        costing: of the kernels, as learnt at another operating point, or at the same.
        kernels: that run on the device, in order.
        timed: the device at the operating point of the costs.
        device: as the kernels run.
    """
    differing = []
    if timed.threads != device.threads:
        differing.append(counted(timed.threads, "threads"))
    if timed.batch != device.batch:
        differing.append(f"batch {timed.batch}")
    if not differing:
        return costing
    times_ms = costing.times_ms
    if timed.threads != device.threads:
        before, now = Roofline(timed.at(device.precision)), Roofline(device)
        pairs = [(before.work_ms(each.work), now.work_ms(each.work)) for each in kernels]
        times_ms = [
            ms * (now_ms / before_ms if before_ms else 1.0)
            for ms, (before_ms, now_ms) in zip(times_ms, pairs, strict=True)
        ]
    factor = widening(timed, device)
    return replace(
        costing,
        times_ms=times_ms,
        interval=Interval(costing.interval.low / factor, costing.interval.high * factor),
        scaled_from=", ".join(differing),
    )


def widening(timed: Device, device: Device) -> float:
    """Factor by which the interval of scaled costs is wider on both sides."""
    doublings = abs(math.log2(device.threads / timed.threads))
    of_batch = BATCH_FACTOR if timed.batch != device.batch else 1.0
    return of_batch * math.pow(THREADS_FACTOR, doublings)
