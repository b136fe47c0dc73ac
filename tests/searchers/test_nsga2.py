from collections.abc import Callable

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from typing_extensions import override

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.front import hypervolume
from edgenas.searchers.loop import search
from edgenas.searchers.nsga2 import POPULATION, NSGA2Searcher, fittest
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture, mbconv
from edgenas.testing.searcher_conformance import SearcherConformance, made_up_error


class TestNSGA2(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return NSGA2Searcher(problem, seed)


def test_the_best_front_survives_and_the_next_is_thinned_where_it_is_crowded() -> None:
    front = np.array([[0, 3], [1, 2], [3, 0.0]])
    behind = np.array([[0, 9], [4, 4], [4.1, 3.9], [9, 3.5]])
    kept = fittest(np.concatenate([behind, front]), 6, np.random.default_rng(0))
    assert set(kept[:3].tolist()) == {4, 5, 6}
    assert set(kept[3:5].tolist()) == {0, 3}
    assert kept[5] == 1  # its neighbours (0, 9) and (4.1, 3.9) are further apart than (4, 4) and (9, 3.5)


def test_it_is_pymoos(large_problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ask and tell goes through pymoo's `NSGA2`."""
    called = []
    for name in ("infill", "advance"):
        theirs = getattr(NSGA2, name)
        monkeypatch.setattr(
            NSGA2,
            name,
            lambda self, *args, name=name, theirs=theirs, **kwargs: (
                called.append(name) or theirs(self, *args, **kwargs)
            ),
        )
    searcher = NSGA2Searcher(large_problem, 0)
    for _ in range(2):
        searcher.tell([outcome(large_problem, a) for a in searcher.ask()])
    assert called == ["infill", "advance"] * 2


class TestSmallPopulation(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return NSGA2Searcher(problem, seed, population=2)


@pytest.fixture(scope="module")
def large_problem(board: Device) -> Problem:
    """The space of the digits, half a million networks, limited to the faster half of its range."""
    predictor = predictor_from_device(mbconv(16, 10), board)
    ends = (predictor.fastest(), predictor.slowest())
    return Problem(predictor.space, predictor, sum(predictor.predict(end).predicted for end in ends) / 2)


def first_ask(problem: Problem, seed: int = 0) -> list[Architecture]:
    return list(NSGA2Searcher(problem, seed).ask())


def test_the_first_population_is_distinct_and_keeps_the_limit(large_problem: Problem) -> None:
    asked = first_ask(large_problem)
    assert len(set(asked)) == len(asked) == POPULATION
    assert all(large_problem.latency_ms(a) <= large_problem.max_latency_ms for a in asked)


def test_the_first_population_holds_the_fastest_network_and_the_slowest_where_it_keeps_the_limit(
    make_problem: Callable[[float], Problem],
) -> None:
    for share, slowest_too in ((0.5, False), (1.0, True)):
        problem = make_problem(share)
        asked = first_ask(problem)
        assert problem.predictor.fastest() in asked
        assert (problem.predictor.slowest() in asked) == slowest_too


def test_a_population_holds_no_network_twice(large_problem: Problem) -> None:
    searcher = NSGA2Searcher(large_problem, 0)
    for _ in range(5):
        asked = searcher.ask()
        assert len(set(asked)) == len(asked)
        searcher.tell([outcome(large_problem, a) for a in asked])


def test_another_seed_asks_for_others(large_problem: Problem) -> None:
    assert first_ask(large_problem, seed=0) != first_ask(large_problem, seed=1)


def outcome(problem: Problem, architecture: Architecture) -> Outcome:
    latency_ms = problem.latency_ms(architecture)
    return Outcome(
        architecture, made_up_error(problem, architecture), latency_ms, latency_ms - problem.max_latency_ms
    )


def found_hypervolume(problem: Problem, searcher: Searcher) -> float:
    found = search(
        problem, searcher, lambda a, _: 1 - made_up_error(problem, a), 150, {}, commit=lambda _: None
    )
    assert len(found) == 150
    points = np.array([[1 - (one.accuracy or 0), one.latency_ms] for one in found])
    return hypervolume(points, np.array([1.0, problem.max_latency_ms]))


@pytest.mark.parametrize("seed", range(3))
def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    large_problem: Problem, seed: int
) -> None:
    evolved = found_hypervolume(large_problem, NSGA2Searcher(large_problem, seed))
    assert evolved > found_hypervolume(large_problem, RandomSearcher(large_problem, seed))
