"""The primitive layers that blocks are made of, with their costs.

Tables in `modules` and `onnx_graph` build them in PyTorch and ONNX. All counts are for one image (batch 1). A
multiply-accumulate counts as one MAC, as in fvcore.
"""

from dataclasses import dataclass
from typing import Literal

Activation = Literal["none", "relu", "relu6", "hswish"]
Padding = Literal["symmetric", "same"]


@dataclass(frozen=True, slots=True, order=True)
class Conventions:
    """What frameworks do differently at no cost in time.

    Attributes:
        padding: `symmetric` adds kernel // 2 rows on every side (PyTorch); `same` as few as the output needs, an odd
            one at the end (TensorFlow). They differ where a stride halves an even size.
        norm_epsilon: added to variances by batch norm.
    """

    padding: Padding = "symmetric"
    norm_epsilon: float = 1e-5


PYTORCH = Conventions()


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution that keeps the size but for its stride, batch norm and activation; one kernel when fused."""

    in_channels: int
    out_channels: int
    kernel: int
    stride: int
    groups: int
    activation: Activation
    height: int
    width: int
    conventions: Conventions = PYTORCH

    kernels = 1

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Zeros added at the top, left, bottom and right."""
        if self.conventions.padding == "symmetric":
            return (self.kernel // 2,) * 4
        rows = max(0, (self.out_height - 1) * self.stride + self.kernel - self.height)
        columns = max(0, (self.out_width - 1) * self.stride + self.kernel - self.width)
        return (rows // 2, columns // 2, rows - rows // 2, columns - columns // 2)

    @property
    def out_height(self) -> int:
        """Rows of the output."""
        return strided(self.height, self.stride)

    @property
    def out_width(self) -> int:
        """Columns of the output."""
        return strided(self.width, self.stride)

    @property
    def macs(self) -> int:
        """Multiply-accumulates; batch norm folds away and activations have none."""
        per_output = self.in_channels // self.groups * self.kernel**2
        return per_output * self.out_channels * self.out_height * self.out_width

    @property
    def parameters(self) -> int:
        """Trainable parameters: weights, and batch norm's scale and shift."""
        return self.in_channels // self.groups * self.kernel**2 * self.out_channels + 2 * self.out_channels

    @property
    def elements_moved(self) -> int:
        """Elements read and written by the layer alone: input, output, parameters."""
        read = self.in_channels * self.height * self.width
        return read + self.out_channels * self.out_height * self.out_width + self.parameters

    @property
    def elements_alive(self) -> int:
        """Elements in memory while it runs, without parameters: input and output."""
        return self.in_channels * self.height * self.width + (
            self.out_channels * self.out_height * self.out_width
        )


@dataclass(frozen=True, slots=True)
class SqueezeExcite:
    """Global pool, two 1x1 convolutions with bias (relu, hard sigmoid), scale (MobileNetV3)."""

    channels: int
    squeezed: int
    height: int
    width: int

    kernels = 4

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the two convolutions."""
        return 2 * self.channels * self.squeezed

    @property
    def parameters(self) -> int:
        """Weights and biases of the two convolutions."""
        return 2 * self.channels * self.squeezed + self.channels + self.squeezed

    @property
    def elements_moved(self) -> int:
        """Two reads of the input (pool, scale), one write, and the parameters."""
        return 3 * self.channels * self.height * self.width + self.parameters

    @property
    def elements_alive(self) -> int:
        """The features, scaled in place, and the two channel vectors."""
        return self.channels * self.height * self.width + self.channels + self.squeezed


@dataclass(frozen=True, slots=True)
class Add:
    """The skip connection; runtimes fuse it into the preceding convolution, so it launches no kernel."""

    channels: int
    height: int
    width: int

    kernels = 0
    macs = 0
    parameters = 0

    @property
    def elements_moved(self) -> int:
        """One more read of the block's input."""
        return self.channels * self.height * self.width

    @property
    def elements_alive(self) -> int:
        """The sum, computed in place; the other summand is counted by `block_peak_elements`."""
        return self.channels * self.height * self.width


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """Global average pooling to one value per channel."""

    channels: int
    height: int
    width: int

    kernels = 1
    macs = 0
    parameters = 0

    @property
    def elements_moved(self) -> int:
        """One read of the input, one write of the means."""
        return self.channels * (self.height * self.width + 1)

    @property
    def elements_alive(self) -> int:
        """Input and means."""
        return self.channels * (self.height * self.width + 1)


@dataclass(frozen=True, slots=True)
class Linear:
    """Fully connected layer with bias."""

    in_features: int
    out_features: int

    kernels = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.in_features * self.out_features

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return self.in_features * self.out_features + self.out_features

    @property
    def elements_moved(self) -> int:
        """Input, output and weights."""
        return self.in_features + self.out_features + self.parameters

    @property
    def elements_alive(self) -> int:
        """Input and output."""
        return self.in_features + self.out_features


Layer = Conv | SqueezeExcite | Add | GlobalPool | Linear


def strided(size: int, stride: int) -> int:
    """Output size of a "same"-padded layer with an odd kernel."""
    return (size - 1) // stride + 1


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round a channel count to a multiple, never down by more than 10 % (as in MobileNetV2)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded
