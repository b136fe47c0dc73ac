import warnings
from collections.abc import Callable

import numpy as np
import pytest
from typing_extensions import override

from edgenas.searchers.nsga3 import NSGA3Searcher, ReferenceDirections
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Searcher
from edgenas.testing.searcher_conformance import SearcherConformance


class TestNSGA3(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return NSGA3Searcher(problem, seed)


class TestSmallPopulation(SearcherConformance):
    @override
    def make_searcher(self, problem: Problem, seed: int) -> Searcher:
        return NSGA3Searcher(problem, seed, population=2)


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_the_best_fronts_survive_and_the_last_is_thinned_along_its_length(objectives: int) -> None:
    rng = np.random.default_rng(0)
    front = np.concatenate([np.eye(objectives), rng.dirichlet(np.ones(objectives), 300)])
    points = np.concatenate([front, front + 1])
    kept, merit = ReferenceDirections(objectives, 36)(points, 36, rng)
    assert len(set(kept.tolist())) == len(kept) == len(merit) == 36
    assert (kept < len(front)).all()
    assert set(range(objectives)) <= set(kept.tolist())


def test_units_do_not_matter() -> None:
    points = np.random.default_rng(0).dirichlet(np.ones(3), 100)
    one, other = (
        ReferenceDirections(3, 28)(points * unit, 28, np.random.default_rng(1))[0]
        for unit in (np.ones(3), np.array([1, 1e-6, 1e9]))
    )
    assert one.tolist() == other.tolist()


def test_points_that_are_all_alike_survive() -> None:
    kept, _ = ReferenceDirections(3, 10)(np.ones((12, 3)), 10, np.random.default_rng(0))
    assert len(set(kept.tolist())) == 10


def test_warnings_of_others_are_left_on(make_problem: Callable[[float], Problem]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ReferenceDirections(2, 4)(np.eye(2), 2, np.random.default_rng(0))
        warnings.warn("still here", stacklevel=1)
    assert [str(one.message) for one in caught] == ["still here"]
