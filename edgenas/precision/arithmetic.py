"""How a PyTorch network computes: exactly, or with the rounding of an int8 file, for its accuracy before it is one."""

import torch
from torch import Tensor

from edgenas.precision.scheme import Scheme

LEAST_SCALE = 1e-12
"""Of a tensor of zeros."""


class Arithmetic:
    """Exact: weights and activations as they are."""

    def weights(self, tensor: Tensor) -> Tensor:
        """The weights of a convolution or linear layer, output channels first, as they are multiplied."""
        return tensor

    def activations(self, tensor: Tensor) -> Tensor:
        """The output of a layer as the next one reads it."""
        return tensor


EXACT = Arithmetic()


class Int8Arithmetic(Arithmetic):
    """Values rounded as in an int8 file, kept as floats; gradients pass through the rounding (straight-through).

    (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR
    2018.) The range of activations is that of the batch. Batch norm scales whole output channels, which have ranges of
    their own, so it does not matter whether it is folded into the weights before rounding.

    Args:
        scheme: the form of the file.
    """

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme

    def weights(self, tensor: Tensor) -> Tensor:
        """Symmetric, a scale for each output channel; any shape with output channels first."""
        limit = 64 if self._scheme.seven_bits else 127
        largest = tensor.detach().abs().flatten(1).amax(1)
        scale = (largest / limit).clamp_min(LEAST_SCALE)
        zero = torch.zeros(len(scale), dtype=torch.int32, device=scale.device)
        return torch.fake_quantize_per_channel_affine(tensor, scale, zero, 0, -limit, limit)

    def activations(self, tensor: Tensor) -> Tensor:
        """One scale for the tensor; zero is exact."""
        low, high = (each.float() for each in torch.aminmax(tensor.detach()))
        low, high = low.clamp_max(0), high.clamp_min(0)
        if self._scheme.symmetric:
            scale = (torch.maximum(-low, high) / 127).clamp_min(LEAST_SCALE)
            return torch.fake_quantize_per_tensor_affine(tensor, scale, _as_zero(scale), -127, 127)
        scale = ((high - low) / 255).clamp_min(LEAST_SCALE)
        zero = (-low / scale).round().to(torch.int32)
        return torch.fake_quantize_per_tensor_affine(tensor, scale, zero, 0, 255)


def _as_zero(scale: Tensor) -> Tensor:
    return torch.zeros((), dtype=torch.int32, device=scale.device)
