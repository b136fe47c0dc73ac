"""The estimators against the exact gradient of the expected loss, on a chain small enough to enumerate."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from torch import Tensor

from edgenas.searchers.proxyless.gates import all_compared, gated, pair_compared

LAYERS, CHOICES = 3, 3


class Chain:
    """Three layers of three linear maps and a linear loss: linear in every layer's output."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.maps = torch.randn(LAYERS, CHOICES, 4, 4, dtype=torch.float64, generator=generator)
        self.x = torch.randn(4, dtype=torch.float64, generator=generator)
        self.direction = torch.randn(4, dtype=torch.float64, generator=generator)
        self.logits = torch.randn(LAYERS, CHOICES, dtype=torch.float64, generator=generator)
        self.logits[1, 2] = -3  # a rare choice
        self.runs = 0

    @property
    def probabilities(self) -> Tensor:
        return self.logits.softmax(1)

    def run(self, layer: int, choice: int, x: Tensor) -> Tensor:
        self.runs += 1
        return self.maps[layer, choice] @ x

    def exact(self) -> Tensor:
        """The gradient of the expected loss, by enumeration and autograd."""
        logits = self.logits.clone().requires_grad_()
        probabilities = logits.softmax(1)
        expected = torch.zeros((), dtype=torch.float64)
        for path in product(range(CHOICES), repeat=LAYERS):
            x, share = self.x, torch.ones((), dtype=torch.float64)
            for layer, choice in enumerate(path):
                x = self.run(layer, choice, x)
                share = share * probabilities[layer, choice]
            expected = expected + share * (self.direction @ x)
        return torch.autograd.grad(expected, logits)[0]

    def estimate(self, path: tuple[int, ...], pairs: tuple[tuple[int, int], ...] | None) -> Tensor:
        """The gradient that one drawn path gives: of pairs, or of all choices."""
        leaves = [row.clone().requires_grad_() for row in self.logits]
        x = self.x
        for layer, choice in enumerate(path):
            probabilities = self.probabilities[layer]
            compared = range(CHOICES) if pairs is None else pairs[layer]
            gradient = (
                all_compared(probabilities) if pairs is None else pair_compared(probabilities, pairs[layer])
            )
            x = gated(
                leaves[layer],
                x,
                lambda j, x, i=layer: self.run(i, j, x),
                choice,
                compared,
                gradient,  # type: ignore[misc]
            )
        return torch.stack(torch.autograd.grad(self.direction @ x, leaves))

    def share_of(self, path: tuple[int, ...]) -> float:
        return float(np.prod([float(self.probabilities[i, choice]) for i, choice in enumerate(path)]))

    def share_of_pair(self, layer: int, pair: tuple[int, int]) -> float:
        """Of drawing one, then the other from those that are left."""
        first, second = (float(self.probabilities[layer, choice]) for choice in pair)
        return first * second / (1 - first)


def test_the_full_form_is_the_exact_gradient_in_the_mean_over_all_paths() -> None:
    chain = Chain()
    paths = product(range(CHOICES), repeat=LAYERS)
    mean = sum((chain.share_of(path) * chain.estimate(path, None) for path in paths), torch.zeros(()))
    torch.testing.assert_close(mean, chain.exact())


def test_the_two_path_form_is_the_exact_gradient_in_the_mean_over_all_paths_and_pairs() -> None:
    chain = Chain()
    found = torch.zeros((LAYERS, CHOICES), dtype=torch.float64)
    for path in product(range(CHOICES), repeat=LAYERS):
        for pair in permutations(range(CHOICES), 2):  # layers draw theirs alone, so one mean serves each
            estimate = chain.estimate(path, (pair,) * LAYERS)
            for layer in range(LAYERS):
                found[layer] += chain.share_of(path) * chain.share_of_pair(layer, pair) * estimate[layer]
    torch.testing.assert_close(found, chain.exact())


@pytest.mark.parametrize("form", ["full", "two-path"])
def test_the_mean_over_draws_is_the_exact_gradient_within_its_statistical_error(form: str) -> None:
    chain, rng, draws = Chain(), np.random.default_rng(0), 4000
    found = []
    for _ in range(draws):
        shares = chain.probabilities.numpy()
        path = tuple(int(rng.choice(CHOICES, p=row)) for row in shares)
        pairs = tuple(tuple(rng.choice(CHOICES, 2, replace=False, p=row).tolist()) for row in shares)
        found.append(chain.estimate(path, None if form == "full" else pairs))  # type: ignore[arg-type]
    estimates = torch.stack(found)
    error = estimates.std(0) / draws**0.5
    assert ((estimates.mean(0) - chain.exact()).abs() <= 4 * error + 1e-12).all()
    assert (error < chain.exact().abs().max() / 10).all(), "the test could not fail"


def test_the_output_is_the_active_choice_and_its_gradient_goes_on_unchanged() -> None:
    chain = Chain()
    x = chain.x.clone().requires_grad_()
    y = gated(
        chain.logits[0].clone().requires_grad_(),
        x,
        lambda j, x: chain.run(0, j, x),
        1,
        (0, 2),
        pair_compared(chain.probabilities[0], (0, 2)),
    )
    assert torch.equal(y, chain.maps[0, 1] @ chain.x)
    (slope,) = torch.autograd.grad(chain.direction @ y, x)
    torch.testing.assert_close(slope, chain.maps[0, 1].T @ chain.direction)


@pytest.mark.parametrize(("pair", "runs"), [((0, 1), 2), ((1, 2), 2), ((0, 2), 3)])
def test_two_paths_run_no_more_than_the_pair_and_the_active_one(pair: tuple[int, int], runs: int) -> None:
    chain = Chain()
    logits = chain.logits[0].clone().requires_grad_()
    gradient = pair_compared(chain.probabilities[0], pair)
    y = gated(logits, chain.x, lambda j, x: chain.run(0, j, x), 1, pair, gradient)
    (found,) = torch.autograd.grad(y.sum(), logits)
    assert chain.runs == runs
    assert set(found.nonzero().flatten().tolist()) == set(pair)
    assert float(found.sum()) == pytest.approx(0)


def test_rivals_are_run_without_a_graph() -> None:
    chain = Chain()
    graphs = []

    def run(j: int, x: Tensor) -> Tensor:
        graphs.append(torch.is_grad_enabled())
        return chain.run(0, j, x)

    logits = chain.logits[0].clone().requires_grad_()
    y = gated(logits, chain.x, run, 1, range(CHOICES), all_compared(chain.probabilities[0]))
    torch.autograd.grad(y.sum(), logits)
    assert graphs == [True, False, False]


def test_a_lone_choice_and_a_certain_one_have_no_gradient() -> None:
    alone = pair_compared(torch.ones(1), (0, 0))(torch.tensor([3.0]))
    certain = pair_compared(torch.tensor([1.0, 0.0, 0.0]), (0, 2))(torch.tensor([0.0, 1.0, 5.0]))
    assert torch.equal(alone, torch.zeros(1))
    assert torch.equal(certain, torch.zeros(3))
