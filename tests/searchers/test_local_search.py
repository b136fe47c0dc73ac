from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from typing_extensions import override

from edgenas.searchers.front import non_dominated
from edgenas.searchers.local_search import STARTS, LocalSearcher
from edgenas.searchers.neighbours import neighbours
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import SearcherConformance, made_up_error

MakeProblem = Callable[[float], Problem]


class TestLocal(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return LocalSearcher(problem, seed)


def step(problem: Problem, searcher: Searcher) -> list[Architecture]:
    asked = list(searcher.ask())
    if asked:
        searcher.tell([Outcome(a, made_up_error(problem, a), problem.latency_ms(a), 0) for a in asked])
    return asked


def true_front(problem: Problem, among: set[Architecture]) -> set[Architecture]:
    members = sorted(among, key=lambda one: one.id)
    points = np.array([[made_up_error(problem, one), problem.latency_ms(one)] for one in members])
    return {members[place] for place in non_dominated(points)}


def test_it_begins_with_samples_and_goes_on_with_neighbours_of_the_front(additive_problem: Problem) -> None:
    searcher = LocalSearcher(additive_problem, 0)
    assert len(set(step(additive_problem, searcher))) == STARTS
    for _ in range(20):
        near = {one for member in searcher.front for one in neighbours(additive_problem, member)}
        assert set(step(additive_problem, searcher)) <= near


@pytest.mark.parametrize("seed", range(3))
def test_before_a_restart_the_front_is_a_local_optimum(make_problem: MakeProblem, seed: int) -> None:
    problem = make_problem(0.6)
    searcher = LocalSearcher(problem, seed)
    asked = set(step(problem, searcher))
    while True:
        front = dict(searcher.front)
        found = step(problem, searcher)
        if not set(found) & {one for member in front for one in neighbours(problem, member)}:
            break
        asked.update(found)
    around = {one for member in front for one in neighbours(problem, member)}
    assert around <= asked
    assert true_front(problem, around | set(front)) == set(front)


def test_restarts_go_on_until_all_that_keeps_the_limit_is_found(make_problem: MakeProblem) -> None:
    problem = make_problem(0.5)
    every = {problem.space.architecture(choices) for choices in product(*problem.space.variables)}
    allowed = {one for one in every if problem.latency_ms(one) <= problem.max_latency_ms}
    searcher = LocalSearcher(problem, 0)
    asked: list[Architecture] = []
    while found := step(problem, searcher):
        asked += found
    assert len(set(asked)) == len(asked)
    assert set(asked) <= allowed
    assert len(asked) > 0.95 * len(allowed)


@pytest.mark.parametrize("seed", range(3))
def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    dominated: Callable[..., float], seed: int
) -> None:
    assert dominated(LocalSearcher, seed, 150) > dominated(RandomSearcher, seed, 150)
