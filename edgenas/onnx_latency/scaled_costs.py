"""Kernel costs learnt at one operating point of a device, for another: other batches, other numbers of threads.

The amounts of work of a kernel hold its batch, so costs learnt at one batch serve every other. For other threads the
device's datasheet model says how much faster or slower each kernel becomes: threads share arithmetic, but neither
launches nor memory traffic.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from edgenas.device import Device
from edgenas.device_models.roofline import Roofline
from edgenas.device_models.work import Interval
from edgenas.onnx_latency.costing import Costing
from edgenas.onnx_latency.kernels import Kernel
from edgenas.units import counted

BATCH_FACTOR = 1.2
"""Factor that widens both sides of the interval at another batch than that of the timed kernels."""

THREADS_FACTOR = 1.5
"""The same at another number of threads."""


def scaled(costing: Costing, kernels: Sequence[Kernel], timed: Device, device: Device) -> Costing:
    """The costs of kernels on a device at its operating point; the overhead of a call stays the same.

    Args:
        costing: of the kernels, as learnt at another operating point, or at the same.
        kernels: that run on the device, in order.
        timed: the device at the operating point of the costs.
        device: as the kernels run.
    """
    differing = {}
    if timed.threads != device.threads:
        differing[counted(timed.threads, "threads")] = THREADS_FACTOR
    if timed.batch != device.batch:
        differing[f"batch {timed.batch}"] = BATCH_FACTOR
    if not differing:
        return costing
    before, now = Roofline(timed.at(device.precision)), Roofline(device)
    times_ms = [
        ms * now.work_ms(kernel.work) / before.work_ms(kernel.work)
        for kernel, ms in zip(kernels, costing.times_ms, strict=True)
    ]
    factor = math.prod(differing.values())
    return replace(
        costing,
        times_ms=times_ms,
        interval=Interval(costing.interval.low / factor, costing.interval.high * factor),
        scaled_from=", ".join(differing),
    )
