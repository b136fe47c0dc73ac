import warnings
from collections.abc import Callable

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga3 import NSGA3
from typing_extensions import override

from edgenas.searchers.nsga3 import POPULATION, NSGA3Searcher, reference_directions
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.testing.searcher_conformance import SearcherConformance, made_up_error, make_problem


class TestNSGA3(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return NSGA3Searcher(problem, seed)


class TestSmallPopulation(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return NSGA3Searcher(problem, seed, population=2)


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
@pytest.mark.parametrize("count", [1, 2, 10, 36, 100])
def test_directions_are_as_many_as_there_may_be_the_axes_at_least(objectives: int, count: int) -> None:
    directions = reference_directions(objectives, count)
    assert objectives <= len(directions) <= max(count, objectives)
    assert np.allclose(directions.sum(axis=1), 1)
    assert set(map(tuple, np.eye(objectives))) <= set(map(tuple, directions))


def three(make: Callable[..., Problem]) -> Problem:
    return make(1.0, objectives=("accuracy", "latency", "params"))


def run(problem: Problem, rounds: int, unit: float = 1.0) -> NSGA3Searcher:
    """Told errors in the unit given."""
    searcher = NSGA3Searcher(problem, 0)
    for _ in range(rounds):
        asked = searcher.ask()
        searcher.tell([Outcome(a, unit * made_up_error(problem, a), 0.0, 0.0) for a in asked])
    return searcher


def test_pymoos_nsga3_keeps_a_population_spread_over_its_directions() -> None:
    algorithm = run(three(make_problem), 6)._genetic.algorithm
    assert type(algorithm) is NSGA3
    assert len(algorithm.pop) == POPULATION
    assert len(set(algorithm.pop.get("niche").tolist())) > 6


def test_units_do_not_matter_though_pymoos_tolerances_are_absolute() -> None:
    problem = three(make_problem)
    assert run(problem, 6).ask() == run(problem, 6, unit=2.0**-30).ask()


def test_points_that_are_all_alike_survive() -> None:
    problem = three(make_problem)
    searcher = run(problem, 4, unit=0.0)
    assert len(searcher.ask()) == POPULATION


def test_a_population_smaller_than_the_directions_is_not_complained_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(NSGA3Searcher(three(make_problem), 0, population=2).ask()) == 3
    assert capsys.readouterr().out == ""


def test_warnings_of_others_are_left_on() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(three(make_problem), 3)
        warnings.warn("still here", stacklevel=1)
    assert "still here" in [str(one.message) for one in caught]
