"""A searcher that begins with given architectures."""

from typing_extensions import override

from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.starting_with import StartingWith
from edgenas.testing.searcher_conformance import SearcherConformance


class TestStartingWith(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return StartingWith([problem.predictor.fastest()], RandomSearcher(problem, seed))


def test_the_given_ones_come_first_then_those_of_the_other(additive_problem: Problem) -> None:
    problem = additive_problem
    first = [problem.predictor.fastest(), problem.predictor.slowest()]
    searcher, other = StartingWith(first, RandomSearcher(problem, 3)), RandomSearcher(problem, 3)
    assert searcher.name == "random"
    assert searcher.ask() == first
    searcher.tell([Outcome(each, 0.5, problem.latency_ms(each), 0.0) for each in first])
    for _ in range(3):
        asked = searcher.ask()
        assert asked == other.ask()
        outcomes = [Outcome(each, 0.5, problem.latency_ms(each), 0.0) for each in asked]
        searcher.tell(outcomes)
        other.tell(outcomes)
