"""The device model: a latency for any block on a device that has no table, from its datasheet alone.

A roofline a kernel (Williams et al., CACM 2009) with a constant for the launch: a layer takes as long as its
arithmetic or its memory traffic, whichever is longer, and never less than the launch. Good for ranking and
for orders of magnitude; its provenance is `estimated` and its interval is wide.
"""

from edgenas.device.device import Device
from edgenas.space.block import Block
from edgenas.space.layers import Conv, Layer

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

_BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


def estimate_block_ms(block: Block, device: Device) -> float:
    """Milliseconds the device model gives a block, for the device's batch size."""
    return sum(_layer_ms(layer, device) for layer in block.layers)


def _layer_ms(layer: Layer, device: Device) -> float:
    sheet = device.datasheet
    attained = ATTAINED_DEPTHWISE if isinstance(layer, Conv) and layer.groups > 1 else ATTAINED_COMPUTE
    arithmetic_s = 2 * layer.macs * device.batch / (sheet.peak_gflops * 1e9 * attained)
    features = layer.elements_moved - layer.parameters  # weights are read once, whatever the batch
    traffic_bytes = (features * device.batch + layer.parameters) * _BYTES[device.precision]
    traffic_s = traffic_bytes / (sheet.memory_bandwidth_gb_s * 1e9 * ATTAINED_BANDWIDTH)
    return max(arithmetic_s, traffic_s) * 1e3 + layer.kernels * sheet.kernel_launch_us / 1e3
