from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.supernet import Supernet
from edgenas.space import Architecture, MBConvSpace

SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def make_supernet(tiny_space: MBConvSpace) -> Callable[[], Supernet]:
    """Makes a supernet whose batch norms are as after a training."""

    def make() -> Supernet:
        supernet = Supernet(tiny_space, seed=0)
        generator = torch.Generator().manual_seed(0)
        for module in supernet.modules():
            if isinstance(module, nn.BatchNorm2d):
                for tensor in (module.running_var, module.weight.data):
                    tensor.uniform_(0.5, 1.5, generator=generator)
                for tensor in (module.running_mean, module.bias.data):
                    tensor.normal_(0, 0.3, generator=generator)
        return supernet

    return make


@pytest.fixture(scope="module")
def supernet(make_supernet: Callable[[], Supernet]) -> Supernet:
    """Not to be changed."""
    return make_supernet()


def images(seed: int = 0) -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def drawn(space: MBConvSpace, seed: int) -> Architecture:
    return space.sample(np.random.default_rng(seed))


def largest(space: MBConvSpace) -> Architecture:
    return space.architecture(["k5e3"] * 4)


@given(seed=SEEDS)
@settings(max_examples=30)
def test_a_path_computes_what_its_extracted_network_computes_in_evaluation(
    supernet: Supernet, tiny_space: MBConvSpace, seed: int
) -> None:
    architecture = drawn(tiny_space, seed)
    supernet.eval()
    network = supernet.extract(architecture).eval()
    with torch.no_grad():
        torch.testing.assert_close(supernet(images(seed), architecture), network(images(seed)))


@given(seed=SEEDS)
@settings(max_examples=20)
def test_a_path_computes_what_its_extracted_network_computes_in_training(
    make_supernet: Callable[[], Supernet], tiny_space: MBConvSpace, seed: int
) -> None:
    architecture, supernet = drawn(tiny_space, seed), make_supernet().train()
    network = supernet.extract(architecture).train()
    torch.testing.assert_close(supernet(images(seed), architecture), network(images(seed)))
    after = supernet.extract(architecture)
    for (name, mine), theirs in zip(after.state_dict().items(), network.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, msg=f"{name} after one forward pass in training")


def test_evaluation_changes_no_statistics(
    make_supernet: Callable[[], Supernet], tiny_space: MBConvSpace
) -> None:
    supernet = make_supernet().eval()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    for seed in range(5):
        supernet(images(), drawn(tiny_space, seed))
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


@given(seed=SEEDS)
@settings(max_examples=20)
def test_gradients_are_those_of_the_extracted_network_and_reach_nothing_else(
    make_supernet: Callable[[], Supernet], tiny_space: MBConvSpace, seed: int
) -> None:
    architecture, supernet = drawn(tiny_space, seed), make_supernet().train()
    network = supernet.extract(architecture).train()
    labels = torch.arange(6) % 3
    for model, logits in ((network, network(images())), (supernet, supernet(images(), architecture))):
        functional.cross_entropy(logits, labels).backward()
        assert isinstance(model, nn.Module)
    expected = sum(float(p.grad.double().square().sum()) for p in network.parameters() if p.grad is not None)
    found = sum(float(p.grad.double().square().sum()) for p in supernet.parameters() if p.grad is not None)
    assert found == pytest.approx(expected, rel=1e-3)
    used = {place for place, _ in tiny_space.path(architecture)}
    for place, module in enumerate(supernet.places):
        assert all((parameter.grad is not None) == (place in used) for parameter in module.parameters())


def test_a_small_kernel_is_the_centre_and_a_small_expansion_the_first_channels(
    supernet: Supernet, tiny_space: MBConvSpace
) -> None:
    smallest = supernet.extract(tiny_space.architecture(["k3e2", "skip", "k3e2", "skip"]))
    shared, cut = supernet.places[1].layers, smallest[1].layers
    assert torch.equal(cut[0].conv.weight, shared[0].conv.weight[:16])
    assert torch.equal(cut[1].conv.weight, shared[1].conv.weight[:16, :, 1:4, 1:4])
    assert torch.equal(cut[2].conv.weight, shared[2].conv.weight[:, :16])
    assert torch.equal(cut[1].norm.running_mean, shared[1].norm.running_mean[:16])


def test_it_is_no_larger_than_its_largest_network(supernet: Supernet, tiny_space: MBConvSpace) -> None:
    count = sum(parameter.numel() for parameter in supernet.parameters())
    assert count == tiny_space.parameters(largest(tiny_space))


def test_an_extracted_network_is_of_the_blocks_of_its_architecture(
    supernet: Supernet, tiny_space: MBConvSpace
) -> None:
    architecture = tiny_space.architecture(["k3e2", "skip", "k5e3", "k3e3"])
    network = supernet.extract(architecture)
    assert network.blocks == tiny_space.blocks(architecture)
    assert sum(parameter.numel() for parameter in network.parameters()) == tiny_space.parameters(architecture)


@pytest.mark.parametrize("choices", [["k5e3"] * 4, ["k3e2"] * 4])
def test_an_extracted_network_has_weights_of_its_own(
    make_supernet: Callable[[], Supernet], tiny_space: MBConvSpace, choices: list[str]
) -> None:
    supernet = make_supernet()
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    network = supernet.extract(tiny_space.architecture(choices))
    for tensor in network.state_dict().values():
        tensor.fill_(9)
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.state_dict().items())


def test_the_seed_alone_decides_the_initial_weights(tiny_space: MBConvSpace) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = Supernet(tiny_space, 5).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second, other = Supernet(tiny_space, 5).state_dict(), Supernet(tiny_space, 6).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["places.0.layers.0.conv.weight"], other["places.0.layers.0.conv.weight"])
