"""All blocks of a place at once, at the cost of the largest: blended in the weights, not in the outputs.

A place of a supernet holds its blocks in one set of weights, so that which block runs is a mask over them
(Stamoulis et al., "Single-Path NAS", ECML-PKDD 2019). Weights are masked along what they read (input channels,
kernel) and never along what they write: a channel that is in no block may hold anything, for nobody reads it. So
no batch norm sees a channel that is all 0, whose gradient would be large and void, nor cancels a mask.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgenas.accuracy.supernet import cut, run_block
from edgenas.space import Block
from edgenas.space.layers import Add, Conv, SqueezeExcite
from edgenas.space.modules import BlockModule

Reads = Mapping[str, tuple[int, ...]]
"""What a layer's weights read, by their names: the shape without the output channels."""


def run_blended(shared: BlockModule, blocks: Sequence[Block], weights: Tensor, x: Tensor) -> Tensor:
    """Run one place of a supernet with a blend of its blocks.

    With one-hot weights it computes what the block would alone, and has a gradient for all the others too. Any other
    blend is a network between the blocks, not the mean of their outputs. Differentiable in `weights`, `x` and
    the shared weights; not in the weight of a block that is alone.

    Args:
        shared: the place's module.
        blocks: some or all that may stand there; they differ in kernel and expansion only.
        weights: (len(blocks),), of sum 1.
        x: (N, C, H, W), N at least 2.

    Returns:
        (N, C', H', W'), with the skip add where the blocks have one.
    """
    masked = {f"shared.layers.{name}": tensor for name, tensor in _masked(shared, blocks, weights).items()}
    return cast(Tensor, functional_call(_Place(shared), masked, (_union(blocks), x)))


class _Place(nn.Module):
    """`run_block` as a module, for `functional_call` to put masked weights in."""

    def __init__(self, shared: BlockModule) -> None:
        super().__init__()
        self.shared = shared

    def forward(self, block: Block, x: Tensor) -> Tensor:
        return run_block(self.shared, block, x)


def _union(blocks: Sequence[Block]) -> Block:
    """The smallest block that holds all: the largest kernel with the largest expansion."""
    names = [field.name for field in fields(blocks[0])]
    return replace(blocks[0], **{name: max(getattr(block, name) for block in blocks) for name in names})


def _masked(shared: BlockModule, blocks: Sequence[Block], weights: Tensor) -> dict[str, Tensor]:
    """The weights that not all blocks read alike, masked, by their names in `shared.layers`."""
    masked = {}
    rows = zip(*(_reads(block) for block in blocks), strict=True)
    for index, (module, row) in enumerate(zip(shared.layers, rows, strict=True)):
        for name in row[0]:
            shapes = [reads[name] for reads in row]
            if len(set(shapes)) > 1:
                masked[f"{index}.{name}"] = _mask(module.get_parameter(name), shapes, weights)
    return masked


def _mask(tensor: Tensor, shapes: Sequence[tuple[int, ...]], weights: Tensor) -> Tensor:
    boxes = _boxes(shapes, tensor.shape[1:]).to(weights, non_blocking=True)  # a GPU's queue runs on
    return tensor * cast(Tensor, torch.tensordot(weights, boxes, dims=1)).to(tensor)


def _boxes(shapes: Sequence[tuple[int, ...]], size: torch.Size) -> Tensor:
    """(len(shapes), 1, *size), on the CPU: 1 where a weight of that shape has its numbers, 0 around them."""
    boxes = torch.zeros(len(shapes), 1, *size)
    for box, shape in zip(boxes, shapes, strict=True):
        cut(box, (1, *shape)).fill_(1)
    return boxes


def _reads(block: Block) -> list[Reads]:
    """Of each layer that has a module."""
    return [_READS.get(type(layer), _nothing)(layer) for layer in block.layers if not isinstance(layer, Add)]


def _nothing(_: Any) -> Reads:
    return {}


def _conv(layer: Conv) -> Reads:
    return {"conv.weight": (layer.in_channels // layer.groups, layer.kernel, layer.kernel)}


def _squeeze_excite(layer: SqueezeExcite) -> Reads:
    return {"reduce.weight": (layer.channels,), "expand.weight": (layer.squeezed,)}


_READS: Mapping[type, Callable[[Any], Reads]] = {Conv: _conv, SqueezeExcite: _squeeze_excite}
"""Layers whose weights blocks share."""
