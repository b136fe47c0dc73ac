"""Orders the hidden channels of inverted residuals by importance, so that a smaller expansion keeps the best ones."""

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn

from edgenas.space.modules import BlockModule, SqueezeExciteModule

QUANTILES = 256
"""Points of the standard normal distribution that stand for what batch norm makes of a channel."""


def order_channels(modules: Iterable[nn.Module]) -> None:
    """Sort hidden channels in place, the most important first; what the modules compute does not change.

    A channel matters as much as it changes the output: the norm of the projection's weights that read it, times the
    standard deviation of its activation, which scale and shift of batch norm imply. The first factor alone, by absolute
    values, is what Once-for-all sorts by (Cai et al., ICLR 2020).

    Args:
        modules: block modules; those without an expansion are left alone.
    """
    for module in modules:
        convolutions = _convolutions(cast(BlockModule, module))
        if len(convolutions) == 3:
            order = _importance(convolutions).argsort(descending=True, stable=True)
            _reorder(cast(BlockModule, module), convolutions, order)


def _convolutions(module: BlockModule) -> list[Any]:
    """Expansion, depthwise convolution and projection, or fewer."""
    return [layer for layer in module.layers if hasattr(layer, "conv")]


def _importance(convolutions: list[Any]) -> Tensor:
    """One figure for each hidden channel."""
    _, depthwise, projection = convolutions
    shares = (torch.arange(QUANTILES, device=depthwise.norm.weight.device) + 0.5) / QUANTILES
    normal = 2**0.5 * torch.erfinv(2 * shares - 1)
    with torch.no_grad():
        activations = depthwise.act(depthwise.norm.weight * normal[:, None] + depthwise.norm.bias)
        return cast(Tensor, projection.conv.weight.flatten(1).norm(dim=0) * activations.std(0))


def _reorder(module: BlockModule, convolutions: list[Any], order: Tensor) -> None:
    expansion, depthwise, projection = convolutions
    by_output = [expansion.conv.weight, depthwise.conv.weight]
    by_output += [tensor for each in (expansion, depthwise) for tensor in _of_channels(each.norm)]
    by_input = [projection.conv.weight]
    for layer in module.layers:
        if isinstance(layer, SqueezeExciteModule):
            by_output += [layer.expand.weight, cast(Tensor, layer.expand.bias)]
            by_input.append(layer.reduce.weight)
    with torch.no_grad():
        for tensor in by_output:
            tensor.copy_(tensor[order])
        for tensor in by_input:
            tensor.copy_(tensor[:, order])


def _of_channels(norm: nn.BatchNorm2d) -> list[Tensor]:
    return [norm.weight, norm.bias, cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)]
