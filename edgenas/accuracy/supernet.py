"""A single-path supernet: the weights of the largest network hold every architecture of a space.

Each place has one set of weights for all its blocks: a smaller kernel is the centre of the largest, a
smaller expansion its first channels (Cai et al., "Once-for-All", ICLR 2020). One path is trained at a time
(Guo et al., "Single Path One-Shot", ECCV 2020).
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from edgenas.accuracy.image_sizes import resized_images
from edgenas.precision.arithmetic import EXACT, Arithmetic
from edgenas.space import Architecture, Block, NetworkSpace
from edgenas.space.block import block_parameters
from edgenas.space.layers import Add, Conv, Linear, SqueezeExcite
from edgenas.space.modules import BlockModule, Network, SqueezeExciteModule


class Supernet(nn.Module):
    """Shared weights for every architecture of a space; no larger than its largest network.

    Batch norm always uses batch statistics: running statistics would mix all paths and ruin the accuracy of any
    single one.

    Args:
        space: each of its places becomes a module.
        seed: determines the initial weights.
    """

    def __init__(self, space: NetworkSpace, seed: int) -> None:
        super().__init__()
        self.space = space
        largest = [max(options, key=block_parameters) for options in space.places]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.places = Network(largest).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, architecture: Architecture, arithmetic: Arithmetic = EXACT) -> Tensor:
        """Run one path: (N, C, H, W) to (N, classes) logits; N at least 2.

        Images of another size than the architecture's are resized.
        """
        x = arithmetic.activations(resized_images(x, self.space.resolution_of(architecture)))
        for place, block in self.space.path(architecture):
            x = run_block(self.module(place), block, x, arithmetic)
        return x

    def run(self, place: int, block: Block | None, x: Tensor) -> Tensor:
        """Run one block with the weights of its place, (N, C, H, W) to (N, C', H', W'); None returns `x`."""
        return x if block is None else run_block(self.module(place), block, x)

    def module(self, place: int) -> BlockModule:
        """The module of a place: its largest block."""
        return cast(BlockModule, self.places[place])

    def extract(self, architecture: Architecture) -> Network:
        """A stand-alone network with a copy of the path's weights; its batch-norm statistics are not set."""
        network = Network(self.space.blocks(architecture)).to(memory_format=torch.channels_last)
        network.to(next(self.parameters()).device)
        for module, (place, _) in zip(network, self.space.path(architecture), strict=True):
            shared = self.places[place].state_dict()
            module.load_state_dict(
                {name: shared_slice(shared[name], t.shape) for name, t in module.state_dict().items()}
            )
        return network


def run_block(shared: BlockModule, block: Block, x: Tensor, arithmetic: Arithmetic = EXACT) -> Tensor:
    """Run a block with the weights of its place's largest block; (N, C, H, W) to (N, C', H', W')."""
    y = x
    layers = [layer for layer in block.layers if not isinstance(layer, Add)]
    for module, layer in zip(shared.layers, layers, strict=True):
        run = _LAYER_RUNNERS.get(type(layer))
        y = arithmetic.activations(run(module, layer, y, arithmetic) if run else module(y))
    return arithmetic.activations(x + y) if len(layers) < len(block.layers) else y


def _run_conv(shared: nn.Sequential, layer: Conv, x: Tensor, arithmetic: Arithmetic) -> Tensor:
    conv, norm = cast(nn.Conv2d, shared.conv), cast(nn.BatchNorm2d, shared.norm)
    shape = (layer.out_channels, layer.in_channels // layer.groups, layer.kernel, layer.kernel)
    weight, scale, shift = (
        shared_slice(tensor, shape[: tensor.ndim]) for tensor in (conv.weight, norm.weight, norm.bias)
    )
    top, left, bottom, right = layer.pads
    if (top, left) != (bottom, right):
        x, top, left = functional.pad(x, (left, right, top, bottom)), 0, 0
    weight = arithmetic.weights(weight)
    x = functional.conv2d(x, weight, None, layer.stride, (top, left), groups=layer.groups)
    x = functional.batch_norm(x, None, None, scale, shift, training=True, eps=norm.eps)
    return cast(Tensor, cast(nn.Module, shared.act)(arithmetic.activations(x, layer.activation)))


def _run_squeeze_excite(
    shared: SqueezeExciteModule, layer: SqueezeExcite, x: Tensor, arithmetic: Arithmetic
) -> Tensor:
    c, s = layer.channels, layer.squeezed
    shapes = {"reduce.weight": (s, c), "reduce.bias": (s,), "expand.weight": (c, s), "expand.bias": (c,)}
    weights = {name: shared_slice(tensor, shapes[name]) for name, tensor in shared.named_parameters()}
    rounded = {name: arithmetic.weights(each) if each.ndim > 1 else each for name, each in weights.items()}
    return cast(Tensor, functional_call(shared, rounded, (x, arithmetic.activations)))


def _run_linear(shared: nn.Linear, _: Linear, x: Tensor, arithmetic: Arithmetic) -> Tensor:
    return functional.linear(x, arithmetic.weights(shared.weight), shared.bias)


_LAYER_RUNNERS: Mapping[type, Callable[[Any, Any, Tensor, Arithmetic], Tensor]] = {
    Conv: _run_conv,
    SqueezeExcite: _run_squeeze_excite,
    Linear: _run_linear,
}
"""Layers with weights, of which a block may use a part; all others run unchanged."""


def shared_slice(tensor: Tensor, shape: tuple[int, ...] | torch.Size) -> Tensor:
    """The part of shared weights that a smaller shape uses, as a view: first channels, centre of the kernel."""
    for dimension, size in enumerate(shape):
        spare = tensor.shape[dimension] - size
        if spare:
            tensor = tensor.narrow(dimension, spare // 2 if dimension >= 2 else 0, size)
    return tensor
