from collections.abc import Callable

import numpy as np
import torch
from typing_extensions import override

from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.reinforce import ReinforceSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import SearcherConformance

MakeProblem = Callable[[float], Problem]


class TestReinforce(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return ReinforceSearcher(problem, seed)


def share_of_large_kernels(architecture: Architecture) -> float:
    return float(np.mean(["k5" in choice for choice in architecture.choices]))


def test_the_best_choices_become_likely(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    searcher = ReinforceSearcher(problem, 0)
    accuracy_alone = torch.tensor([[1.0, 0.0]]).expand(200, -1)

    def mean_share() -> float:
        drawn = searcher.controller.sample(accuracy_alone, torch.Generator().manual_seed(0))
        return float(np.mean([share_of_large_kernels(problem.space.decode(row)) for row in drawn.numpy()]))

    before = mean_share()
    for _ in range(40):
        searcher.tell(
            [
                Outcome(one, 0.9 - 0.8 * share_of_large_kernels(one), problem.latency_ms(one), 0)
                for one in searcher.ask()
            ]
        )
    assert before < 0.6
    assert mean_share() > before + 0.2


def test_samples_with_an_advantage_become_likelier_and_others_less(make_problem: MakeProblem) -> None:
    searcher = ReinforceSearcher(make_problem(1.0), 0)
    choices = torch.stack(
        [torch.zeros(len(searcher.problem.sizes)).long(), torch.ones(len(searcher.problem.sizes)).long()]
    )
    weights = torch.tensor([[0.5, 0.5]] * 2)
    before, _ = searcher.controller.log_probabilities(choices, weights)
    for _ in range(5):
        searcher.reinforce(choices, weights, torch.tensor([1.0, -1.0]))
    after, _ = searcher.controller.log_probabilities(choices, weights)
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_torchs_shared_generator_is_left_alone(make_problem: MakeProblem) -> None:
    problem = make_problem(0.5)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    searcher = ReinforceSearcher(problem, 0)
    for _ in range(2):
        searcher.tell([Outcome(one, 0.5, problem.latency_ms(one), 0) for one in searcher.ask()])
    assert torch.equal(torch.get_rng_state(), before)


def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    dominated: Callable[..., float],
) -> None:
    learnt = [dominated(ReinforceSearcher, seed, 300) for seed in range(3)]
    assert np.mean(learnt) > np.mean([dominated(RandomSearcher, seed, 300) for seed in range(3)])
