from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from typing_extensions import override

from edgenas.searchers.dqn import EXPLORED, LEAST_EPSILON, DQNSearcher, QNetwork
from edgenas.searchers.policy import BATCH, Proposals, as_floats
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.testing.searcher_conformance import SearcherConformance, make_problem

SIZES = np.array([2, 3, 2])
WEIGHTS = torch.tensor([[0.5, 0.5]])


class TestDQN(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return DQNSearcher(problem, seed)


def make_network() -> QNetwork:
    return QNetwork(SIZES, 2, torch.Generator().manual_seed(0))


def test_a_step_does_not_see_its_own_choice_nor_later_ones() -> None:
    network = make_network()
    one, other = network(torch.tensor([[1, 2, 1]]), WEIGHTS), network(torch.tensor([[1, 0, 0]]), WEIGHTS)
    torch.testing.assert_close(one[:, :2], other[:, :2])
    assert not torch.allclose(one[:, 2, 5:], other[:, 2, 5:])


def test_each_variable_has_values_for_its_own_choices_alone() -> None:
    finite = make_network()(torch.tensor([[0, 0, 0]]), WEIGHTS)[0].isfinite()
    assert finite.int().tolist() == [[1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1]]


def test_what_is_greedy_is_best_at_every_step() -> None:
    network = make_network()
    chosen = network.greedy(WEIGHTS, torch.zeros(1, 3, dtype=torch.bool), torch.Generator())
    values = network(chosen, WEIGHTS)
    torch.testing.assert_close(network.of(chosen, WEIGHTS), values.amax(2))


def test_what_is_random_is_every_choice_at_times() -> None:
    drawn = make_network().greedy(
        WEIGHTS.expand(500, -1), torch.ones(500, 3, dtype=torch.bool), torch.Generator().manual_seed(0)
    )
    assert {tuple(row) for row in drawn.tolist()} == set(product(*map(range, SIZES)))


def test_epsilon_falls_evenly_to_its_least(additive_problem: Problem) -> None:
    searcher = DQNSearcher(additive_problem, 0)
    assert searcher.epsilon == 1
    seen = []
    for _ in range(EXPLORED // BATCH + 3):
        searcher.propose(as_floats(searcher.scalarisation.weights))
        seen.append(searcher.epsilon)
    np.testing.assert_allclose(np.diff(seen[: EXPLORED // BATCH - 1]), (LEAST_EPSILON - 1) * BATCH / EXPLORED)
    assert seen[-3:] == [LEAST_EPSILON] * 3


def test_values_approach_the_best_returns_that_can_follow() -> None:
    """A space of 25 networks, all of them replayed: each value is the best scalarised return of what it leads to."""
    problem = make_problem(1.0, kernels=(3,), expansions=(2, 3))
    space = problem.space
    searcher = DQNSearcher(problem, 0)
    every = torch.tensor(list(product(*(range(size) for size in problem.sizes))))
    networks = [space.decode(row) for row in every.numpy()]
    errors = np.linspace(0.2, 0.8, len(every))[np.random.default_rng(0).permutation(len(every))]
    points = np.column_stack([errors, problem.costs_of(networks)])
    searcher.scalarisation.see(points)
    weights = searcher.scalarisation.weights[4]
    told = np.tile(weights, (len(every), 1))
    proposals = Proposals(every, told, networks, np.zeros(len(every)))
    for _ in range(60):
        searcher.learn(proposals, points)
    returns = -searcher.scalarisation.values(points, weights)
    found = searcher.network.of(every, as_floats(told)).detach().numpy()
    for variable in range(every.shape[1]):
        best = [
            returns[(every[:, : variable + 1] == row[: variable + 1]).all(1).numpy()].max() for row in every
        ]
        assert np.abs(found[:, variable] - best).mean() < 0.05
    greedy = searcher.network.greedy(
        as_floats(told[:1]), torch.zeros(1, every.shape[1], dtype=torch.bool), torch.Generator()
    )
    place = int((every == greedy).all(1).int().argmax())
    assert returns[place] >= np.sort(returns)[-3]


def test_torchs_shared_generator_is_left_alone(make_problem: Callable[[float], Problem]) -> None:
    problem = make_problem(0.5)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    searcher = DQNSearcher(problem, 0)
    for _ in range(2):
        searcher.tell([Outcome(one, 0.5, problem.latency_ms(one), 0) for one in searcher.ask()])
    assert torch.equal(torch.get_rng_state(), before)


def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    dominated: Callable[..., float],
) -> None:
    learnt = [dominated(DQNSearcher, seed, 300) for seed in range(3)]
    assert np.mean(learnt) > np.mean([dominated(RandomSearcher, seed, 300) for seed in range(3)])
