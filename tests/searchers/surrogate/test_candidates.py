import numpy as np

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.problem import Problem
from edgenas.searchers.surrogate.candidates import MAX_ENUMERATED, POPULATION, Candidates, all_feasible
from edgenas.searchers.visited import Visited
from edgenas.space import mbconv
from edgenas.testing.searcher_conformance import make_problem


def test_everything_is_each_network_within_the_limit_once() -> None:
    problem = make_problem(0.5)
    found = all_feasible(problem)
    assert problem.feasible(found).all()
    assert len(np.unique(found, axis=0)) == len(found)
    assert 0 < len(found) < len(all_feasible(make_problem(1.0))) == 400


def test_a_small_space_is_looked_through_whole_but_for_what_was_asked() -> None:
    problem = make_problem(0.5)
    asked = Visited(problem.sizes)
    known = all_feasible(problem)[::3]
    asked.add(known)
    pool = Candidates(problem, asked, np.random.default_rng(0)).promising(
        lambda vectors: np.zeros(len(vectors)), known, np.zeros((len(known), 2))
    )
    assert len(pool) == len(all_feasible(problem)) - len(known)
    assert asked.new(pool).all()


def test_in_a_large_space_the_inner_search_finds_what_the_model_likes(board: Device) -> None:
    space = mbconv(32, 10)
    predictor = predictor_from_device(space, board)
    ends = [predictor.predict(end).predicted for end in (predictor.fastest(), predictor.slowest())]
    problem = Problem(space, predictor, float(np.mean(ends)))
    assert np.prod(problem.sizes.astype(float)) > MAX_ENUMERATED
    rng = np.random.default_rng(0)
    known = problem.sample_vectors(40, rng)

    def error(vectors: np.ndarray) -> np.ndarray:
        """Low where most layers take their second choice."""
        return 1 - (vectors == 1).mean(1)

    asked = Visited(problem.sizes)
    asked.add(known)
    points = np.column_stack([error(known), problem.costs(known)])
    pool = Candidates(problem, asked, rng).promising(error, known, points)
    assert problem.feasible(pool).all()
    assert asked.new(pool).all()
    assert len(pool) > POPULATION
    assert error(pool).min() < error(known).min() - 0.2


def test_a_spread_of_more_than_there_is_gives_all() -> None:
    problem = make_problem(0.02)
    candidates = Candidates(problem, Visited(problem.sizes), np.random.default_rng(0))
    assert sorted(map(tuple, candidates.spread(1000))) == sorted(map(tuple, all_feasible(problem)))


def test_chance_draws_are_new() -> None:
    problem = make_problem(1.0)
    asked = Visited(problem.sizes)
    asked.add(all_feasible(problem)[5:])
    drawn = Candidates(problem, asked, np.random.default_rng(0)).random(20)
    assert sorted(map(tuple, drawn)) == sorted(map(tuple, all_feasible(problem)[:5]))
