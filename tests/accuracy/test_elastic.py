from collections.abc import Sequence
from itertools import combinations, product
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from edgenas.accuracy.elastic import run_blended
from edgenas.accuracy.supernet import Supernet, run_block
from edgenas.space import Block, MBConvSpace, SearchSpace, nasbench_macro
from edgenas.space.block import input_shape
from edgenas.space.layers import Activation
from edgenas.space.mbconv_layout import Layout, Stage
from edgenas.space.modules import BlockModule

ACTIVATIONS: tuple[Activation, ...] = ("relu", "relu6", "hswish")


def mbconv_space(activation: Activation, squeeze_excite: int) -> SearchSpace:
    """One strided place and one with a skip add; squeezed units differ with the expansion."""
    stage = Stage(channels=8, depth=2, stride=2, squeeze_excite=squeeze_excite, activation=activation)
    return MBConvSpace(
        Layout(resolution=9, classes=3, stem_channels=8, stem_stride=1, stages=(stage,), head_channels=16,
               kernels=(3, 5, 7), expansions=(2, 6))
    )  # fmt: skip


def trained(space: SearchSpace) -> Supernet:
    """In float64, with batch norms and biases as after a training, so that absent channels hold something."""
    supernet = Supernet(space, seed=0).double()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in supernet.named_parameters():
        if "bias" in name:
            parameter.data.normal_(0, 0.5, generator=generator)
        elif "norm" in name:
            parameter.data.uniform_(0.5, 1.5, generator=generator)
    return supernet


def place_of(space: SearchSpace, place: int) -> tuple[BlockModule, tuple[Block, ...], Tensor]:
    """Its module, its blocks and an input."""
    blocks = space.places[place]
    generator = torch.Generator().manual_seed(place)
    x = torch.randn(3, *input_shape(blocks[0]), dtype=torch.float64, generator=generator)
    return cast(BlockModule, trained(space).places[place]), blocks, x


def one_hot(index: int, count: int) -> Tensor:
    return torch.eye(count, dtype=torch.float64)[index].requires_grad_()


def loss(y: Tensor) -> Tensor:
    """Batch norm fixes the mean and the square of an output without a skip add, so neither would do."""
    return (y * torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(1))).sum()


def gradients(module: nn.Module, y: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss(y), list(module.parameters())))


SPACES = [
    pytest.param(mbconv_space(activation, squeeze_excite), id=f"{activation}-se{squeeze_excite}")
    for activation, squeeze_excite in product(ACTIVATIONS, (0, 4))
] + [pytest.param(nasbench_macro(8, 3, 0.25), id="nasbench-macro")]


@pytest.mark.parametrize("space", SPACES)
def test_one_hot_weights_compute_the_block_alone_and_its_gradients(space: SearchSpace) -> None:
    for place in range(len(space.places)):
        shared, blocks, x = place_of(space, place)
        for index, block in enumerate(blocks):
            alone = run_block(shared, block, x)
            blended = run_blended(shared, blocks, one_hot(index, len(blocks)), x)
            torch.testing.assert_close(blended, alone)
            torch.testing.assert_close(gradients(shared, blended), gradients(shared, alone))


@pytest.mark.parametrize("squeeze_excite", [0, 4])
@pytest.mark.parametrize("place", [1, 2], ids=["strided", "residual"])
def test_its_gradients_are_exact_for_active_and_other_blocks(squeeze_excite: int, place: int) -> None:
    shared, blocks, x = place_of(mbconv_space("hswish", squeeze_excite), place)

    def run(weights: Tensor, x: Tensor) -> Tensor:
        return loss(run_blended(shared, blocks, weights, x))

    x = x[:2, :, :4, :4].clone().requires_grad_()
    uniform = torch.full((len(blocks),), 1 / len(blocks), dtype=torch.float64, requires_grad=True)
    for weights in (one_hot(1, len(blocks)), uniform):
        assert torch.autograd.gradcheck(run, (weights, x))


@pytest.mark.parametrize("active", range(6))
def test_every_block_has_a_gradient_of_its_own(active: int) -> None:
    """Blocks that share a kernel or an expansion are told apart by the other."""
    shared, blocks, x = place_of(mbconv_space("relu6", 4), 2)
    weights = one_hot(active, len(blocks))
    (gradient,) = torch.autograd.grad(loss(run_blended(shared, blocks, weights, x)), weights)
    for one, other in combinations(gradient.tolist(), 2):
        assert abs(one - other) > 1e-4


def test_a_blend_of_two_is_neither_nor_their_mean() -> None:
    shared, blocks, x = place_of(mbconv_space("relu6", 4), 1)
    for one, other in combinations(blocks, 2):
        weights = torch.tensor([0.5, 0.5], dtype=torch.float64)
        blend = run_blended(shared, [one, other], weights, x)
        alone, beside = (run_block(shared, block, x) for block in (one, other))
        for other_output in (alone, beside, (alone + beside) / 2):
            assert not torch.allclose(blend, other_output, atol=1e-2)


def operations(shared: BlockModule, blocks: Sequence[Block], x: Tensor) -> int:
    """Of the convolutions."""
    with FlopCounterMode(display=False) as counter:
        run_blended(shared, blocks, torch.full((len(blocks),), 1 / len(blocks)), x)
    return cast(int, counter.get_flop_counts()["Global"][torch.ops.aten.convolution])


def test_it_costs_one_run_of_the_largest_kernel_and_expansion() -> None:
    shared, blocks, x = place_of(mbconv_space("relu6", 4), 1)
    k3e2, k3e6, k5e2, k5e6, *_ = blocks
    largest = operations(shared, [k5e6], x)
    for some in ([k3e6, k5e2], [k3e2, k5e6], blocks[:4]):
        assert operations(shared, some, x) == largest
    assert operations(shared, [k3e2], x) < largest < operations(shared, blocks, x)


def test_weights_may_be_of_another_precision_than_the_network() -> None:
    shared, blocks, x = place_of(mbconv_space("relu6", 4), 1)
    y = run_blended(shared.float(), blocks, one_hot(0, len(blocks)), x.float())
    assert y.dtype == torch.float32


def test_the_shared_weights_stay_as_they_are() -> None:
    shared, blocks, x = place_of(mbconv_space("relu6", 4), 1)
    before = {name: (tensor, tensor.clone()) for name, tensor in shared.named_parameters()}
    run_blended(shared, blocks, one_hot(0, len(blocks)), x)
    for name, tensor in shared.named_parameters():
        assert tensor is before[name][0] and torch.equal(tensor, before[name][1])
