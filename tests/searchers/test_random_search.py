from collections.abc import Callable

import pytest
from typing_extensions import override

from edgenas.searchers.problem import Problem
from edgenas.searchers.random_search import RandomSearcher
from edgenas.searchers.searcher import Searcher
from edgenas.testing.searcher_conformance import SearcherConformance


class TestRandom(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return RandomSearcher(problem, seed)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_everything_asked_for_keeps_the_limit(make_problem: Callable[[float], Problem], share: float) -> None:
    problem = make_problem(share)
    searcher = RandomSearcher(problem, 0)
    for _ in range(10):
        assert all(problem.latency_ms(a) <= problem.max_latency_ms for a in searcher.ask())


def test_another_seed_asks_for_others(make_problem: Callable[[float], Problem]) -> None:
    problem = make_problem(0.5)
    assert RandomSearcher(problem, 0).ask() != RandomSearcher(problem, 1).ask()
