from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.quantised_training import ComputingAs
from edgenas.accuracy.supernet import Supernet
from edgenas.precision.arithmetic import Int8Arithmetic
from edgenas.precision.scheme import SCHEMES
from edgenas.space import Architecture, MBConvSpace, SearchSpace, nasbench_macro

SEEDS = st.integers(0, 2**32 - 1)


MACRO = nasbench_macro(8, 3, 0.25)
Make = Callable[[SearchSpace], Supernet]


@pytest.fixture(scope="module")
def make_supernet() -> Make:
    """`make_supernet(space)`: a supernet whose batch norms are as after a training."""

    def make(space: SearchSpace) -> Supernet:
        supernet = Supernet(space, seed=0)
        generator = torch.Generator().manual_seed(0)
        for module in supernet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.data.uniform_(0.5, 1.5, generator=generator)
                module.bias.data.normal_(0, 0.3, generator=generator)
        return supernet

    return make


@pytest.fixture(scope="module")
def supernet(make_supernet: Make, tiny_space: MBConvSpace) -> Supernet:
    """Not to be changed."""
    return make_supernet(tiny_space)


@pytest.fixture(scope="module", params=["mbconv", "nasbench-macro"])
def any_space(request: pytest.FixtureRequest, tiny_space: MBConvSpace) -> SearchSpace:
    """One with squeeze-excite, and one whose skipped layers may be projections."""
    return tiny_space if request.param == "mbconv" else MACRO


def images(seed: int = 0) -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def drawn(space: SearchSpace, seed: int) -> Architecture:
    return space.sample(np.random.default_rng(seed))


def largest(space: MBConvSpace) -> Architecture:
    return space.architecture(["k5e3"] * 4)


@given(seed=SEEDS)
@settings(max_examples=25)
def test_a_path_computes_what_its_extracted_network_computes_in_training(
    make_supernet: Make, any_space: SearchSpace, seed: int
) -> None:
    architecture, supernet = drawn(any_space, seed), make_supernet(any_space)
    network = supernet.extract(architecture).train()
    torch.testing.assert_close(supernet(images(seed), architecture), network(images(seed)))


@pytest.mark.parametrize("training", [True, False])
def test_running_statistics_neither_count_nor_change(
    make_supernet: Make, any_space: SearchSpace, training: bool
) -> None:
    supernet, spoilt = make_supernet(any_space), make_supernet(any_space).train(training)
    for name, tensor in spoilt.state_dict().items():
        if "running" in name:
            tensor.fill_(float("nan"))
    before = {name: tensor.clone() for name, tensor in spoilt.state_dict().items()}
    for seed in range(5):
        architecture = drawn(any_space, seed)
        assert torch.equal(supernet(images(), architecture), spoilt(images(), architecture))
    for name, tensor in spoilt.state_dict().items():
        assert torch.equal(tensor, before[name]) or ("running" in name and tensor.isnan().all())


def test_statistics_are_those_of_the_batch(supernet: Supernet, tiny_space: MBConvSpace) -> None:
    architecture = drawn(tiny_space, 0)
    supernet.eval()
    alone = supernet(images()[:3], architecture)
    together = supernet(images(), architecture)[:3]
    assert not torch.allclose(alone, together, rtol=1e-3)


@given(seed=SEEDS)
@settings(max_examples=20)
def test_gradients_are_those_of_the_extracted_network_and_reach_nothing_else(
    make_supernet: Make, any_space: SearchSpace, seed: int
) -> None:
    architecture, supernet = drawn(any_space, seed), make_supernet(any_space)
    network = supernet.extract(architecture).train()
    labels = torch.arange(6) % 3
    for logits in (network(images()), supernet(images(), architecture)):
        functional.cross_entropy(logits, labels).backward()
    expected = sum(float(p.grad.double().square().sum()) for p in network.parameters() if p.grad is not None)
    found = sum(float(p.grad.double().square().sum()) for p in supernet.parameters() if p.grad is not None)
    assert found == pytest.approx(expected, rel=1e-3)
    used = {place for place, _ in any_space.path(architecture)}
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
    assert torch.equal(cut[1].norm.bias, shared[1].norm.bias[:16])


def test_a_small_squeeze_excite_is_the_first_channels_of_the_large(
    supernet: Supernet, tiny_space: MBConvSpace
) -> None:
    smallest = supernet.extract(tiny_space.architecture(["k3e2", "skip", "k3e2", "skip"]))
    shared, cut = supernet.places[3].layers[2], smallest[2].layers[2]
    squeezed, hidden = cut.reduce.weight.shape[:2]
    assert hidden == 16 < shared.reduce.weight.shape[1]
    assert torch.equal(cut.reduce.weight, shared.reduce.weight[:squeezed, :hidden])
    assert torch.equal(cut.expand.weight, shared.expand.weight[:hidden, :squeezed])
    assert torch.equal(cut.expand.bias, shared.expand.bias[:hidden])


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
    make_supernet: Make, tiny_space: MBConvSpace, choices: list[str]
) -> None:
    supernet = make_supernet(tiny_space)
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


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_path_rounds_as_the_training_of_its_network_does(
    supernet: Supernet, tiny_space: MBConvSpace, scheme: str
) -> None:
    arithmetic = Int8Arithmetic(SCHEMES[scheme])
    architecture = tiny_space.sample(np.random.default_rng(3))
    network = ComputingAs(supernet.extract(architecture).train(), arithmetic)
    with torch.no_grad():
        assert torch.allclose(supernet(images(), architecture, arithmetic), network(images()), atol=1e-5)
