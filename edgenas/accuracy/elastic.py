"""Runs a blend of all blocks of a place at the cost of the largest: blends their weights, not their outputs.

The blocks of a supernet's place share one set of weights, so choosing a block means masking the weights (Stamoulis et
al., "Single-Path NAS", ECML-PKDD 2019). Weights are masked along their input dimensions (input channels, kernel),
never along output channels: an output channel that a block lacks may hold anything, since nothing reads it. Thus no
batch norm gets an all-zero channel, whose gradient would be large and meaningless, or rescales a mask away.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgenas.accuracy.supernet import run_block, shared_slice
from edgenas.space import Block
from edgenas.space.layers import Add, Conv, SqueezeExcite
from edgenas.space.modules import BlockModule

Reads = Mapping[str, tuple[int, ...]]
"""By parameter name, the shape of a layer's weights without the output channels."""


def run_blended(shared: BlockModule, blocks: Sequence[Block], weights: Tensor, x: Tensor) -> Tensor:
    """Run one place of a supernet with a blend of its blocks.

    One-hot weights give the output of that block alone, but a gradient for all the others too. Any other blend
    interpolates the blocks' weights, which is not the mean of their outputs. Differentiable in `weights`, `x` and the
    shared weights; but not in the weight of a single block.

    Args:
        shared: the place's module.
        blocks: some or all blocks of the place; they differ only in kernel and expansion.
        weights: (len(blocks),), summing to 1.
        x: (N, C, H, W), N at least 2.

    Returns:
        (N, C', H', W'), with the skip add where the blocks have one.
    """
    masked = {f"shared.layers.{name}": tensor for name, tensor in _masked(shared, blocks, weights).items()}
    return cast(Tensor, functional_call(_Place(shared), masked, (_union(blocks), x)))


class _Place(nn.Module):
    """`run_block` as a module, so that `functional_call` can substitute masked weights."""

    def __init__(self, shared: BlockModule) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, block: Block, x: Tensor) -> Tensor:
        return run_block(self.shared, block, x)


def _union(blocks: Sequence[Block]) -> Block:
    """The smallest block that contains all: the largest kernel with the largest expansion."""
    names = [field.name for field in fields(blocks[0])]
    return replace(blocks[0], **{name: max(getattr(block, name) for block in blocks) for name in names})


def _masked(shared: BlockModule, blocks: Sequence[Block], weights: Tensor) -> dict[str, Tensor]:
    """The masked weights, by their names in `shared.layers`, of which blocks use different parts."""
    masked = {}
    rows = zip(*(_reads(block) for block in blocks), strict=True)
    for index, (module, row) in enumerate(zip(shared.layers, rows, strict=True)):
        for name in row[0]:
            shapes = [reads[name] for reads in row]
            if len(set(shapes)) > 1:
                masked[f"{index}.{name}"] = _mask(module.get_parameter(name), shapes, weights)
    return masked


def _mask(tensor: Tensor, shapes: Sequence[tuple[int, ...]], weights: Tensor) -> Tensor:
    boxes = _boxes(shapes, tensor.shape[1:]).to(weights, non_blocking=True)  # without waiting for the GPU
    return tensor * cast(Tensor, torch.tensordot(weights, boxes, dims=1)).to(tensor)


def _boxes(shapes: Sequence[tuple[int, ...]], size: torch.Size) -> Tensor:
    """Masks (len(shapes), 1, *size), on the CPU: 1 inside the part of that shape, 0 outside."""
    boxes = torch.zeros(len(shapes), 1, *size)
    for box, shape in zip(boxes, shapes, strict=True):
        shared_slice(box, (1, *shape)).fill_(1)
    return boxes


def _reads(block: Block) -> list[Reads]:
    """Input shapes of the weights of each layer that has a module."""
    return [_READS.get(type(layer), _nothing)(layer) for layer in block.layers if not isinstance(layer, Add)]


def _nothing(_: Any) -> Reads:
    return {}


def _conv(layer: Conv) -> Reads:
    return {"conv.weight": (layer.in_channels // layer.groups, layer.kernel, layer.kernel)}


def _squeeze_excite(layer: SqueezeExcite) -> Reads:
    return {"reduce.weight": (layer.channels,), "expand.weight": (layer.squeezed,)}


_READS: Mapping[type, Callable[[Any], Reads]] = {Conv: _conv, SqueezeExcite: _squeeze_excite}
"""Layers whose weights the blocks share."""
