"""The device model: a latency for any block on a device that has no table, from its datasheet alone.

A roofline a kernel (Williams et al., CACM 2009) with a constant for the launch: a layer takes as long as its
arithmetic or its memory traffic, whichever is longer, and never less than the launch. Good for ranking and
for orders of magnitude; its provenance is `estimated` and its interval is wide.
"""

from edgenas.device.device import Device
from edgenas.space.block import Block
from edgenas.space.layers import Layer

ATTAINED_COMPUTE = 0.35
"""Share of a datasheet's peak arithmetic that real kernels of mobile networks reach, all devices alike."""

ATTAINED_BANDWIDTH = 0.6
"""Share of a datasheet's peak memory bandwidth that they reach."""

INTERVAL_FACTOR = 2.0
"""The interval of an estimate: from half to twice the predicted value."""

_BYTES = {"fp32": 4, "fp16": 2, "int8": 1}


def estimate_block_ms(block: Block, device: Device) -> float:
    """Milliseconds the device model gives a block, for the device's batch size."""
    return sum(_layer_ms(layer, device) for layer in block.layers)


def _layer_ms(layer: Layer, device: Device) -> float:
    sheet = device.datasheet
    arithmetic_s = 2 * layer.macs * device.batch / (sheet.peak_gflops * 1e9 * ATTAINED_COMPUTE)
    traffic_bytes = layer.elements_moved * device.batch * _BYTES[device.precision]
    traffic_s = traffic_bytes / (sheet.memory_bandwidth_gb_s * 1e9 * ATTAINED_BANDWIDTH)
    return max(arithmetic_s, traffic_s) * 1e3 + layer.kernels * sheet.kernel_launch_us / 1e3
