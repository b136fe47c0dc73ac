"""Hidden channels in order of importance: the same network, whose first channels matter most."""

import copy

import pytest
import torch
from torch import nn

from edgenas.accuracy.channel_order import order_channels
from edgenas.space import mbconv
from edgenas.space.block import MBConv
from edgenas.space.modules import BlockModule, Network


def randomised(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            with torch.no_grad():
                for tensor in (module.weight, module.bias, module.running_mean):
                    tensor.normal_()
                module.running_var.uniform_(0.5, 2)


@pytest.mark.parametrize("squeeze_excite", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_stays_the_same(squeeze_excite: bool, training: bool) -> None:
    space = mbconv(32, 5, squeeze_excite=squeeze_excite)
    network = space.build(space.largest)
    randomised(network)
    before = copy.deepcopy(network)
    order_channels(network)
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            network.train(training)(images), before.train(training)(images), atol=1e-4, rtol=1e-4
        )
    changed = [not torch.equal(a, b) for a, b in zip(network.parameters(), before.parameters(), strict=True)]
    assert any(changed)


def test_what_the_projection_reads_most_of_comes_first() -> None:
    block = BlockModule(MBConv(3, 3, 1, 0, "relu6", 4, 8, 8, 8))
    projection = block.layers[2].conv.weight
    with torch.no_grad():
        projection.copy_(torch.linspace(0.1, 1, 12)[None, :, None, None].expand_as(projection))
        block.layers[1].norm.weight[3] = 0  # constant, whatever the projection makes of it
    reads = projection[0, :, 0, 0].clone()
    order_channels([block])
    expected = [i for i in range(11, -1, -1) if i != 3] + [3]
    torch.testing.assert_close(projection[0, :, 0, 0], reads[expected])


def test_blocks_without_an_expansion_are_left_alone() -> None:
    network = Network([MBConv(3, 1, 1, 0, "relu6", 4, 8, 8, 8)])
    before = copy.deepcopy(network.state_dict())
    order_channels(network)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
