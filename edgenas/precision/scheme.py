"""How int8 models are quantised: what one runtime executes fast, or correctly, another does not."""

from dataclasses import dataclass

from edgenas.board.onnx_sessions import GPUS


@dataclass(frozen=True, slots=True)
class Scheme:
    """The form of a static int8 model with quantise-dequantise pairs; weights are int8, symmetric, per channel.

    Attributes:
        name: in tables and cards.
        unsigned: activations are uint8 rather than int8.
        symmetric: activations have zero point 0.
        float_biases: biases stay float, rather than int32 behind a DequantizeLinear.
        seven_bits: weights are limited to -64..64.
        channel_multiple: the channels between a convolution, a depthwise one and the next are filled up with zeros to a
            multiple of this; 1 leaves them as they are.
    """

    name: str
    unsigned: bool
    symmetric: bool
    float_biases: bool
    seven_bits: bool
    channel_multiple: int


SCHEMES: dict[str, Scheme] = {
    each.name: each
    for each in (
        # ONNX Runtime on x86 runs depthwise convolutions in int8, and all in NHWC, only where activations are uint8.
        # Its depthwise kernel takes 16 channels at once and the rest one by one, at several times the cost. Without
        # VNNI, sums of two products of full 8-bit ranges overflow their 16 bits.
        Scheme("x86-64", True, False, float_biases=False, seven_bits=True, channel_multiple=16),
        Scheme("x86-64-vnni", True, False, float_biases=False, seven_bits=False, channel_multiple=16),
        Scheme("arm64", False, False, float_biases=False, seven_bits=False, channel_multiple=1),
        # TensorRT refuses zero points other than 0 and quantised biases.
        Scheme("tensorrt", False, True, float_biases=True, seven_bits=False, channel_multiple=1),
    )
}
"""By name. Those named like a `Processor` are for ONNX Runtime there."""


def scheme_of_provider(provider: str, processor: str) -> Scheme:
    """The scheme for a provider of ONNX Runtime on a machine with such a processor."""
    return SCHEMES["tensorrt" if provider in GPUS else processor]
