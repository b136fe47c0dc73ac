"""How a PyTorch network computes: exactly, or with the rounding of an int8 file, for its accuracy before it is one."""

import torch
from torch import Tensor

from edgenas.precision.scheme import Scheme

LEAST_SCALE = 1e-12
"""Of a tensor of zeros."""

FUSED = ("none", "relu", "relu6")
"""Activations whose inputs the quantiser gives the range of their outputs, so that both are rounded at once."""


class Arithmetic:
    """Exact: weights and activations as they are."""

    def weights(self, tensor: Tensor) -> Tensor:
        """The weights of a convolution or linear layer, output channels first, as they are multiplied."""
        return tensor

    def activations(self, tensor: Tensor, reader: str | None = None) -> Tensor:
        """The output of an operator as the next one reads it.

        Args:
            tensor: any shape.
            reader: the activation that reads it, by its name in `space`; None for any other operator.
        """
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
        return _rounded(tensor, (largest / limit).view(-1, *[1] * (tensor.ndim - 1)))

    def activations(self, tensor: Tensor, reader: str | None = None) -> Tensor:
        """One scale for the tensor; zero is exact. What a clipping activation reads is left to its output."""
        if reader in FUSED:
            return tensor
        low, high = torch.aminmax(_in_memory_order(tensor.detach()))
        low, high = low.clamp_max(0), high.clamp_min(0)
        if self._scheme.symmetric:
            return _rounded(tensor, torch.maximum(-low, high) / 127)
        return _rounded(tensor, (high - low) / 255)


def _rounded(tensor: Tensor, scale: Tensor) -> Tensor:
    """The nearest multiples of a scale; zeros have none."""
    scale = scale.clamp_min(LEAST_SCALE)
    found = (tensor.detach() / scale).round_().mul_(scale)
    return tensor + (found - tensor).detach() if tensor.requires_grad else found


def _in_memory_order(tensor: Tensor) -> Tensor:
    """A view whose axes are in the order of memory: reductions over channels_last tensors are ten times slower."""
    is_channels_last = tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last)
    return tensor.permute(0, 2, 3, 1) if is_channels_last else tensor
