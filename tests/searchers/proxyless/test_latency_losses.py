from collections.abc import Callable
from math import log

import numpy as np
import pytest
import torch
from torch import Tensor

from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.latency_losses import with_latency
from edgenas.vocabulary import LatencyLoss

Make = Callable[..., Distribution]
TARGET = 1

WRITTEN: dict[LatencyLoss, Callable[[float, float, float], float]] = {
    "constraint": lambda loss, expected_ms, target_ms: loss,
    "mul#log": lambda loss, expected_ms, target_ms: (
        loss * (log(1000 * expected_ms / target_ms) / log(1000)) ** 0.3
    ),
    "add#linear": lambda loss, expected_ms, target_ms: loss + 0.1 * (expected_ms - target_ms) / target_ms,
}
"""What is minimised, of the loss, the expected latency and the target."""


def losses_of(distribution: Distribution) -> Tensor:
    """A loss for each choice, drawn once, shape (variables, P)."""
    generator = torch.Generator().manual_seed(5)
    return torch.rand(distribution.shared.shape, dtype=torch.float64, generator=generator)


def loss_at(distribution: Distribution, logits: Tensor) -> float:
    """A loss that has a gradient by all logits: the mean over choices, summed over variables."""
    return float((logits.softmax(-1) * losses_of(distribution)).sum())


def slopes_at(distribution: Distribution, logits: Tensor) -> Tensor:
    shares = logits.softmax(-1)
    losses = losses_of(distribution)
    return shares * (losses - (shares * losses).sum(-1, keepdim=True))


def found_of(kind: LatencyLoss, distribution: Distribution, slopes: Tensor | None = None) -> Tensor:
    logits = distribution.logits()[TARGET]
    if slopes is None:
        slopes = slopes_at(distribution, logits)
    return with_latency(kind, loss_at(distribution, logits), slopes, distribution, TARGET)


def numeric(kind: LatencyLoss, distribution: Distribution, step: float = 1e-5) -> Tensor:
    """Central differences of what is written, by the logits of the target."""
    logits = distribution.logits()[TARGET]
    target_ms = float(distribution.targets_ms[TARGET])

    def value(moved: Tensor) -> float:
        return WRITTEN[kind](loss_at(distribution, moved), float(distribution.expected_ms(moved)), target_ms)

    found = torch.zeros_like(logits)
    for index in logits.isfinite().nonzero().tolist():
        ahead, behind = logits.clone(), logits.clone()
        ahead[tuple(index)] += step
        behind[tuple(index)] -= step
        found[tuple(index)] = (value(ahead) - value(behind)) / (2 * step)
    return found


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("price", [-20.0, 0.0, 20.0], ids=["above", "around", "below"])
def test_the_gradient_is_that_of_what_is_written(
    make_distribution: Make, kind: LatencyLoss, price: float
) -> None:
    distribution = make_distribution(spread=1)
    distribution.multipliers[TARGET] = price
    found, expected = found_of(kind, distribution), numeric(kind, distribution)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)
    assert expected.abs().max() > 1e-2, "the test could not fail"


def test_latency_is_part_of_the_gradient_of_both_losses_of_the_paper(make_distribution: Make) -> None:
    distribution = make_distribution(spread=1)
    constraint, mul, add = (found_of(kind, distribution) for kind in WRITTEN)
    for one, other in ((constraint, mul), (constraint, add), (mul, add)):
        assert (one - other).abs().max() > 1e-3


def test_a_constraint_leaves_the_slopes_as_they_are(make_distribution: Make) -> None:
    distribution = make_distribution(spread=1)
    slopes = slopes_at(distribution, distribution.logits()[TARGET])
    assert torch.equal(found_of("constraint", distribution, slopes), slopes)


@pytest.mark.parametrize("kind", ["mul#log", "add#linear"])
def test_choices_outside_a_pair_get_the_latency_gradient_of_all_choices(
    make_distribution: Make, kind: LatencyLoss
) -> None:
    """Slopes of the two-path form are 0 outside the pair; latency is known of every choice."""
    distribution = make_distribution(spread=1)
    slopes = torch.zeros_like(distribution.shared)
    of_latency = found_of(kind, distribution, slopes)
    logits = distribution.logits()[TARGET]
    assert (of_latency[logits.isfinite()].abs() > 1e-9).all()
    pairs = np.array([[0, 1], [2, 4], [3, 0], [1, 4]])
    slopes[np.arange(4)[:, None], pairs] = torch.tensor([0.3, -0.3], dtype=torch.float64)
    outside = slopes == 0
    assert torch.equal(found_of(kind, distribution, slopes)[outside], of_latency[outside])
    assert not torch.allclose(found_of(kind, distribution, slopes), of_latency)


@pytest.mark.parametrize("kind", ["mul#log", "add#linear"])
def test_slower_choices_are_held_back_also_where_skip_is_all_but_certain(
    make_distribution: Make, kind: LatencyLoss
) -> None:
    distribution = make_distribution()
    distribution.shared[[1, 3], 4] = 12
    of_latency = found_of(kind, distribution, torch.zeros_like(distribution.shared))
    for i in (1, 3):
        assert (of_latency[i, :4] > 0).all()
        assert of_latency[i, 4] < 0
        order = of_latency[i, :4].argsort().tolist()
        assert order == distribution.predictor.choice_ms[i][:4].argsort().tolist()


@pytest.mark.parametrize("kind", WRITTEN)
def test_what_pads_has_no_gradient_and_what_was_handed_in_is_left_alone(
    make_distribution: Make, kind: LatencyLoss
) -> None:
    distribution = make_distribution(spread=1)
    before = {name: tensor.clone() for name, tensor in distribution.state_dict().items()}
    slopes = slopes_at(distribution, distribution.logits()[TARGET])
    kept = slopes.clone()
    found = found_of(kind, distribution, slopes)
    assert (found[distribution.logits()[TARGET].isinf()] == 0).all()
    assert not found.requires_grad
    assert torch.equal(slopes, kept)
    for name, tensor in distribution.state_dict().items():
        assert torch.equal(tensor, before[name]) and not tensor.requires_grad
