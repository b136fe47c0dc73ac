import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.standalone import fresh_network, network_losses
from edgenas.accuracy.training_recipe import Recipe
from edgenas.space import MBConvSpace

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=1, label_smoothing=0.2)
LABELS = torch.tensor([0, 1, 2, 1])
SHARES = torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5], [1.0, 0.0, 0.0]])


def test_the_seed_alone_decides_the_weights(tiny_space: MBConvSpace) -> None:
    architecture = tiny_space.sample(np.random.default_rng(0))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = fresh_network(tiny_space, architecture, 5, CPU).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    second = fresh_network(tiny_space, architecture, 5, CPU).state_dict()
    other = fresh_network(tiny_space, architecture, 6, CPU).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["0.layers.0.conv.weight"], other["0.layers.0.conv.weight"])


def test_it_is_the_network_of_the_architecture_in_channels_last(tiny_space: MBConvSpace) -> None:
    architecture = tiny_space.architecture(["k3e2", "skip", "k5e3", "k3e3"])
    network = fresh_network(tiny_space, architecture, 0, CPU)
    assert network.blocks == tiny_space.blocks(architecture)
    weights = [p for p in network.parameters() if p.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)


def logits_of(seed: int) -> nn.Module:
    """Twelve features to three logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))


def loss_of(network: nn.Module, images: Tensor, labels: Tensor, *teaching: object) -> Tensor:
    (loss,) = network_losses(network, RECIPE, *teaching)(images, labels, np.random.default_rng(0), 0.0)  # type: ignore[arg-type]
    return loss


@pytest.mark.parametrize("labels", [LABELS, SHARES], ids=["classes", "shares of classes"])
def test_without_a_teacher_it_is_cross_entropy_with_smoothed_labels(images: Tensor, labels: Tensor) -> None:
    network = logits_of(1)
    shares = labels if labels.is_floating_point() else functional.one_hot(labels, 3).float()
    smoothed = 0.8 * shares + 0.2 / 3
    expected = -(smoothed * network(images).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss_of(network, images, labels), expected)


def test_a_teacher_of_weight_0_does_not_count(images: Tensor) -> None:
    def teacher(images: Tensor) -> Tensor:
        pytest.fail("need not be asked")

    network = logits_of(1)
    assert torch.equal(loss_of(network, images, LABELS, teacher, 0.0), loss_of(network, images, LABELS))


def test_with_weight_1_only_the_teacher_counts(images: Tensor) -> None:
    network, teacher = logits_of(1), logits_of(2)
    expected = -(teacher(images).softmax(1) * network(images).log_softmax(1)).sum(1).mean()
    for labels in (LABELS, (LABELS + 1) % 3, SHARES):
        torch.testing.assert_close(loss_of(network, images, labels, teacher, 1.0), expected)


@pytest.mark.parametrize("weight", [0.25, 0.5])
def test_between_them_the_loss_is_blended(images: Tensor, weight: float) -> None:
    network, teacher = logits_of(1), logits_of(2)
    plain, taught = (loss_of(network, images, LABELS, teacher, end) for end in (0.0, 1.0))
    loss = loss_of(network, images, LABELS, teacher, weight)
    torch.testing.assert_close(loss, (1 - weight) * plain + weight * taught)


def test_no_gradient_reaches_the_teacher(images: Tensor) -> None:
    network, teacher = logits_of(1), logits_of(2)
    loss_of(network, images, LABELS, teacher, 0.5).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn(images: Tensor) -> None:
    network = logits_of(1)
    loss_of(network, images, LABELS, logits_of(1), 1.0).backward()
    for parameter in network.parameters():
        torch.testing.assert_close(parameter.grad, torch.zeros_like(parameter), rtol=0, atol=1e-6)
