"""A single-path supernet: every architecture of a space in the weights of the largest.

At each place one set of weights serves all its blocks: a smaller kernel is the centre of the largest, a
smaller expansion its first channels (Cai et al., "Once-for-All", ICLR 2020). One path is trained a step
(Guo et al., "Single Path One-Shot", ECCV 2020).
"""

from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgenas.space import Architecture, Block, SearchSpace
from edgenas.space.block import block_parameters
from edgenas.space.modules import BlockModule, Network


class Supernet(nn.Module):
    """Weights for every architecture of a space; no larger than its largest network.

    Args:
        space: its places become the supernet's modules.
        seed: of the initial weights.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        super().__init__()
        self.space = space
        largest = [max(options, key=block_parameters) for options in space.places]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.places = Network(largest).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, architecture: Architecture) -> Tensor:
        """One path: (N, C, H, W) to (N, classes) logits."""
        for place, block in self.space.path(architecture):
            shared = self.places[place]
            if cast(BlockModule, shared).block == block:
                x = shared(x)
            else:
                x = functional_call(_template(block, self.training), _cut(shared, block), (x,))
        return x

    def extract(self, architecture: Architecture) -> Network:
        """A network of its own with a copy of the path's weights, batch-norm statistics to be recalibrated."""
        network = Network(self.space.blocks(architecture)).to(memory_format=torch.channels_last)
        network.to(next(self.parameters()).device)
        for module, (place, block) in zip(network, self.space.path(architecture), strict=True):
            module.load_state_dict(_cut(self.places[place], block))
        return network


@cache
def _template(block: Block, training: bool) -> BlockModule:
    """A module without storage of its own that runs a block on weights cut from a supernet."""
    with torch.device("meta"):
        return BlockModule(block).train(training)


def _cut(shared: nn.Module, block: Block) -> dict[str, Tensor]:
    """Views of the shared weights in the shapes of a block: first channels, centre of the kernel."""
    wanted = _template(block, training=True).state_dict()
    tensors = {**dict(shared.named_parameters()), **dict(shared.named_buffers())}
    return {name: _view(tensors[name], like.shape) for name, like in wanted.items()}


def _view(tensor: Tensor, shape: torch.Size) -> Tensor:
    for dimension, size in enumerate(shape):
        spare = tensor.shape[dimension] - size
        if spare:
            tensor = tensor.narrow(dimension, spare // 2 if dimension >= 2 else 0, size)
    return tensor
