from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from edgenas.searchers.policy import BATCH, PolicySearcher, Proposals
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import made_up_error

MakeProblem = Callable[[float], Problem]


class Fixed(PolicySearcher):
    """Proposes one architecture again and again; keeps what it is to learn from."""

    name = "fixed"

    def __init__(self, problem: Problem, proposed: Architecture) -> None:
        super().__init__(problem, 0)
        self.proposed = proposed
        self.learnt: list[tuple[Proposals, NDArray[np.float64]]] = []

    @override
    def propose(self, weights: Tensor) -> Tensor:
        return torch.as_tensor(self.problem.space.encode(self.proposed)).expand(len(weights), -1)

    @override
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        self.learnt.append((proposals, points))


def step(problem: Problem, searcher: PolicySearcher) -> list[Architecture]:
    asked = list(searcher.ask())
    searcher.tell([Outcome(a, made_up_error(problem, a), problem.latency_ms(a), 0) for a in asked])
    return asked


def test_what_is_proposed_several_times_is_asked_for_once(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    searcher = Fixed(problem, problem.predictor.slowest())
    assert step(problem, searcher) == [problem.predictor.slowest()]
    ((proposals, points),) = searcher.learnt
    assert proposals.architectures == [problem.predictor.slowest()] * BATCH
    assert points[:, 0] == pytest.approx(made_up_error(problem, problem.predictor.slowest()))
    assert proposals.excess.tolist() == [0] * BATCH


def test_what_is_known_is_learnt_from_while_something_else_is_asked_for(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    searcher = Fixed(problem, problem.predictor.slowest())
    asked = [one for _ in range(4) for one in step(problem, searcher)]
    assert len(set(asked)) == 4
    for proposals, points in searcher.learnt:
        assert set(proposals.architectures) == {problem.predictor.slowest()}
        assert (points == searcher.learnt[0][1]).all()


def test_the_sweep_goes_through_all_weights(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    searcher = Fixed(problem, problem.predictor.slowest())
    for _ in range(2):
        step(problem, searcher)
    told = np.concatenate([proposals.weights for proposals, _ in searcher.learnt])
    sweep = searcher.scalarisation.weights
    np.testing.assert_array_equal(told, np.concatenate([sweep, sweep])[: 2 * BATCH])


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_what_is_too_slow_is_repaired_and_its_excess_said(make_problem: MakeProblem, share: float) -> None:
    problem = make_problem(share)
    slowest = problem.predictor.slowest()
    searcher = Fixed(problem, slowest)
    asked = step(problem, searcher)
    assert asked
    assert all(problem.latency_ms(one) <= problem.max_latency_ms for one in asked)
    ((proposals, _),) = searcher.learnt
    assert proposals.excess == pytest.approx(min(problem.latency_ms(slowest) / problem.max_latency_ms - 1, 1))
    assert all(problem.latency_ms(one) <= problem.max_latency_ms for one in proposals.architectures)
