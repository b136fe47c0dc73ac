from collections.abc import Callable

import numpy as np
import pytest
import torch
from typing_extensions import override

from edgenas.searchers import ppo
from edgenas.searchers.ppo import CLIP, PPOSearcher, clipped_surrogate
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Searcher
from edgenas.testing.searcher_conformance import SearcherConformance


class TestPPO(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return PPOSearcher(problem, seed)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.1, 2.0, 2.2),
        (1.5, 2.0, 2 * (1 + CLIP)),
        (0.5, 2.0, 1.0),
        (0.5, -2.0, -2 * (1 - CLIP)),
        (1.5, -2.0, -3.0),
        (1.0, 0.0, 0.0),
    ],
)
def test_the_surrogate_gains_nothing_beyond_the_clip(ratio: float, advantage: float, expected: float) -> None:
    found = clipped_surrogate(torch.tensor([ratio]).log(), torch.tensor([advantage]))
    assert found.item() == pytest.approx(expected)


def test_the_clip_keeps_it_near_however_often_it_learns_from_a_batch(
    make_problem: Callable[[float], Problem], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ratio(clip: float) -> float:
        monkeypatch.setattr(ppo, "CLIP", clip)
        searcher = PPOSearcher(make_problem(1.0), 0, learning_rate=0.001)
        choices = torch.stack([torch.full((len(searcher.problem.sizes),), choice) for choice in (0, 1)])
        weights = torch.tensor([[0.5, 0.5]] * 2)
        before, _ = searcher.controller.log_probabilities(choices, weights)
        searcher.reinforce(choices, weights, torch.tensor([1.0, -1.0]))
        after, _ = searcher.controller.log_probabilities(choices, weights)
        return (after - before).exp()[0].item()

    monkeypatch.setattr(ppo, "ENTROPY", 0.0)
    monkeypatch.setattr(ppo, "EPOCHS", 100)
    assert 1 < ratio(CLIP) < 2 < 5 < ratio(1e6)


def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    dominated: Callable[..., float],
) -> None:
    learnt = [dominated(PPOSearcher, seed, 300) for seed in range(3)]
    assert np.mean(learnt) > np.mean([dominated(RandomSearcher, seed, 300) for seed in range(3)])
