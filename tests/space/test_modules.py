"""Blocks as PyTorch modules, and batch norm folded away."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers import Conv2dSame
from torch import nn

from edgenas.space import Block, mbconv
from edgenas.space.block import Head, MBConv, Stem, block_parameters, output_shape
from edgenas.space.layers import Conv, Conventions, SqueezeExcite
from edgenas.space.modules import ACTIVATIONS, BlockModule, Network, SqueezeExciteModule, folded_weights

BLOCKS: list[Block] = [
    Stem(3, 2, "relu", 3, 8, 9, 7),
    MBConv(3, 1, 1, 0, "relu6", 8, 8, 6, 5),
    MBConv(3, 1, 2, 0, "relu", 8, 8, 6, 5, pointwise=True),
    MBConv(5, 6, 2, 4, "hswish", 8, 16, 7, 6),
    MBConv(7, 3, 1, 0, "none", 8, 16, 3, 1),
    MBConv(7, 3, 1, 8, "relu6", 16, 16, 3, 3),
    Head("hswish", 16, 24, 5, 3, 2),
]


def _input(block: Block, batch: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, block.in_channels, block.height, block.width, generator=generator)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.key)
def test_shape_and_parameters(block: Block) -> None:
    module = BlockModule(block)
    assert module(_input(block)).shape == (2, *output_shape(block))
    assert sum(p.numel() for p in module.parameters()) == block_parameters(block)


def test_residual_adds_the_input() -> None:
    module = BlockModule(MBConv(3, 3, 1, 0, "relu6", 8, 8, 6, 6)).eval()
    image = _input(module.block)
    assert torch.equal(module(image), image + module.layers(image))


@pytest.mark.parametrize("block", [BLOCKS[2], BLOCKS[3]], ids=["stride", "channels"])
def test_no_residual_where_shapes_differ(block: Block) -> None:
    module = BlockModule(block).eval()
    image = _input(block)
    assert torch.equal(module(image), module.layers(image))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("none", [-4, -1, 0.5, 7]),
        ("relu", [0, 0, 0.5, 7]),
        ("relu6", [0, 0, 0.5, 6]),
        ("hswish", [0, -1 / 3, 0.5 * 3.5 / 6, 7]),
    ],
)
def test_activations(kind: str, values: list[float]) -> None:
    activation = ACTIVATIONS[kind]()  # type: ignore[index]
    result = activation(torch.tensor([-4.0, -1.0, 0.5, 7.0]))
    assert torch.allclose(result, torch.tensor(values))


def test_squeeze_excite_scales_channels_by_gates() -> None:
    module = SqueezeExciteModule(SqueezeExcite(4, 8, 3, 3))
    image = _input(MBConv(3, 1, 1, 0, "none", 4, 4, 3, 3)) + 3
    gates = module(image) / image
    assert torch.allclose(gates, gates[:, :, :1, :1].expand_as(gates), atol=1e-5)
    assert ((gates >= 0) & (gates <= 1 + 1e-6)).all()
    with torch.no_grad():
        module.expand.weight.zero_()
        module.expand.bias.copy_(torch.tensor([-9.0, 9.0, 0.0, 3.0]))
    expected = torch.tensor([0, 1, 0.5, 1])[:, None, None] * image
    assert torch.allclose(module(image), expected, atol=1e-6)


def test_network_is_a_chain_of_its_blocks() -> None:
    space = mbconv(16, 10)
    architecture = space.sample(np.random.default_rng(0))
    network = space.build(architecture)
    assert network.blocks == space.blocks(architecture)
    assert len(network) == len(network.blocks)
    assert network(torch.randn(3, 3, 16, 16)).shape == (3, 10)


def test_initialisation_follows_the_seed_and_keeps_activations_alive() -> None:
    space = mbconv(32, 10, squeeze_excite=True)
    architecture = space.sample(np.random.default_rng(1))
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(space.build(architecture))
    pairs = zip(networks[0].parameters(), networks[1].parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    for module in networks[0].modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            assert not module.bias.any()
    features = torch.randn(8, 3, 32, 32)
    for module in list(networks[0])[:-1]:
        features = module(features)
        assert 0.05 < features.std() < 20


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.key)
def test_folded_weights_have_the_convolutions_shapes(
    block: Block, randomise: Callable[[Network, int], Network]
) -> None:
    network = randomise(Network([block]), 0)
    weights = folded_weights(network)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert sum(name.endswith("weight") for name in weights) == len(convolutions)
    assert sum(name.endswith("bias") for name in weights) == len(convolutions)
    assert all(name.startswith("0.") for name in weights)
    assert all(w.dtype == torch.float32 and not w.requires_grad for w in weights.values())


def test_folding_equals_batch_norm(randomise: Callable[[Network, int], Network]) -> None:
    block = Stem(3, 2, "none", 3, 8, 9, 7)
    network = randomise(Network([block]), 1)
    weights = folded_weights(network)
    image = _input(block)
    folded = nn.functional.conv2d(image, weights["0.0.weight"], weights["0.0.bias"], stride=2, padding=1)
    assert torch.allclose(folded, network(image), atol=1e-5)


TENSORFLOW = Conventions("same", 1e-3)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([3, 5, 7]), st.sampled_from([1, 2]), st.integers(5, 18), st.integers(5, 18))
def test_same_padding_is_that_of_tensorflow(kernel: int, stride: int, height: int, width: int) -> None:
    """timm's layer pads as TensorFlow does."""
    theirs = Conv2dSame(3, 4, kernel, stride, bias=False)
    ours = BlockModule(Stem(kernel, stride, "none", 3, 4, height, width, TENSORFLOW)).eval()
    ours.load_state_dict({"layers.0.conv.weight": theirs.weight}, strict=False)
    images = torch.randn(2, 3, height, width)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images) / (1 + 1e-3) ** 0.5, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [7, 32, 33])
def test_paddings_agree_where_a_stride_does_not_halve_an_even_size(size: int) -> None:
    for block in (
        MBConv(5, 3, 1, 0, "relu6", 8, 8, size, size),
        MBConv(5, 3, 2, 0, "relu6", 8, 8, size, size),
    ):
        same = replace(block, conventions=Conventions("same"))
        assert same.key == block.key
        alike = [
            a.pads == b.pads for a, b in zip(same.layers, block.layers, strict=True) if isinstance(a, Conv)
        ]
        assert all(alike) == (block.stride == 1 or size % 2 == 1)
