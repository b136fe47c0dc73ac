from collections.abc import Callable

import pytest
from typing_extensions import override

from edgenas.searchers.neighbours import neighbours
from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.regularized_evolution import POPULATION, RegularizedEvolutionSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.testing.searcher_conformance import SearcherConformance, made_up_error

MakeProblem = Callable[[float], Problem]


class TestRegularizedEvolution(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return RegularizedEvolutionSearcher(problem, seed)


class TestSmallPopulation(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return RegularizedEvolutionSearcher(problem, seed, population=2, tournament=1)


def step(problem: Problem, searcher: Searcher, worth: Callable[[Architecture], float]) -> list[Architecture]:
    asked = list(searcher.ask())
    searcher.tell([Outcome(one, worth(one), problem.latency_ms(one), 0) for one in asked])
    return asked


def alive(searcher: RegularizedEvolutionSearcher) -> list[Architecture]:
    return [architecture for architecture, _ in searcher.population]


def test_the_first_population_is_of_distinct_architectures(additive_problem: Problem) -> None:
    asked = RegularizedEvolutionSearcher(additive_problem, 0).ask()
    assert len(set(asked)) == len(asked) == POPULATION


def test_the_oldest_dies_however_good(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    searcher = RegularizedEvolutionSearcher(problem, 0, population=8, tournament=3)
    best: list[Architecture] = []

    def first_is_best(one: Architecture) -> float:
        best[:] = best or [one]
        return 0.1 if one in best else 0.9

    history = step(problem, searcher, first_is_best)
    for _ in range(30):
        assert alive(searcher) == history[-8:]
        history += step(problem, searcher, first_is_best)
    assert best == history[:1]
    assert history[0] not in alive(searcher)


def test_a_child_is_a_neighbour_of_the_best_in_its_tournament(additive_problem: Problem) -> None:
    """All of the population in each tournament: the parent can be told from the outcomes."""
    problem = additive_problem
    searcher = RegularizedEvolutionSearcher(problem, 0, population=5, tournament=200)
    first = step(problem, searcher, lambda one: made_up_error(problem, one))
    best = min(first, key=lambda one: made_up_error(problem, one))
    (child,) = searcher.ask()  # the first weights are of the error alone
    assert child in neighbours(problem, best)


def test_nothing_is_asked_for_twice(make_problem: MakeProblem) -> None:
    problem = make_problem(0.5)
    searcher = RegularizedEvolutionSearcher(problem, 0, population=10)
    asked: list[Architecture] = []
    while found := step(problem, searcher, lambda one: made_up_error(problem, one)):
        asked += found
    assert len(set(asked)) == len(asked) > 100


@pytest.mark.parametrize("seed", range(3))
def test_it_dominates_more_than_random_search_with_as_many_evaluations(
    dominated: Callable[..., float], seed: int
) -> None:
    assert dominated(RegularizedEvolutionSearcher, seed, 150) > dominated(RandomSearcher, seed, 150)
