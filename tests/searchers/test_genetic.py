from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.config import Config

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.genetic import Genetic
from edgenas.searchers.nsga2 import NSGA2Searcher, nsga2
from edgenas.searchers.problem import Prior, Problem
from edgenas.searchers.visited import Visited
from edgenas.space import Architecture, mbconv
from edgenas.testing.searcher_conformance import make_problem as conformance_problem

MakeProblem = Callable[[float], Problem]


@pytest.fixture(scope="module")
def large_problem(board: Device) -> Problem:
    """The space of the digits, half a million networks, under a limit that few of them keep."""
    predictor = predictor_from_device(mbconv(16, 10), board)
    fastest, slowest = (predictor.predict(a).predicted for a in (predictor.fastest(), predictor.slowest()))
    return Problem(predictor.space, predictor, fastest + 0.1 * (slowest - fastest))


def made(problem: Problem, size: int, seed: int = 0) -> Genetic:
    return nsga2(problem, np.random.default_rng(seed), size, Visited(problem.sizes))


def tell(genetic: Genetic, problem: Problem, vectors: np.ndarray) -> None:
    """More of the first choices is better."""
    genetic.tell(np.column_stack([vectors.sum(axis=1), problem.costs(vectors)]))


def generations(problem: Problem, count: int, seed: int = 0) -> list[np.ndarray]:
    genetic = made(problem, 12, seed)
    asked = []
    for _ in range(count):
        vectors = genetic.ask()
        asked.append(vectors.copy())
        if not len(vectors):
            break
        tell(genetic, problem, vectors)
    return asked


def as_set(vectors: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, vectors.tolist()))


def test_everything_asked_for_is_canonical_new_and_within_the_limit(large_problem: Problem) -> None:
    asked = generations(large_problem, 30)
    assert [len(vectors) for vectors in asked] == [12] * 30
    everything = np.concatenate(asked)
    assert everything.dtype == np.int64
    assert len(as_set(everything)) == len(everything)
    assert (large_problem.space.canonical_vectors(everything) == everything).all()
    assert large_problem.feasible(everything).all()


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_it_asks_for_all_there_is_and_then_for_nothing(make_problem: MakeProblem, share: float) -> None:
    problem = make_problem(share)
    grid = np.stack(np.meshgrid(*map(range, problem.sizes), indexing="ij"), axis=-1)
    every = np.unique(problem.space.canonical_vectors(grid.reshape(-1, len(problem.sizes))), axis=0)
    asked = generations(problem, 200)
    assert len(asked[-1]) == 0
    assert len(np.concatenate(asked)) >= 0.95 * problem.feasible(every).sum()


def test_only_what_survives_is_kept(large_problem: Problem) -> None:
    genetic = made(large_problem, 8)
    for _ in range(5):
        tell(genetic, large_problem, genetic.ask())
    assert len(genetic.algorithm.pop) == 8


def test_it_begins_where_it_is_told_to_and_never_asks_for_what_it_must_not(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    rng = np.random.default_rng(0)
    start, barred = np.split(np.unique(problem.sample_vectors(60, rng), axis=0)[:40], 2)
    asked = Visited(problem.sizes)
    asked.add(barred)
    genetic = nsga2(problem, rng, 20, asked, start)
    assert (genetic.ask() == start).all()
    tell(genetic, problem, start)
    assert not as_set(genetic.ask()) & as_set(np.concatenate([start, barred]))


def test_pymoos_selection_survival_and_termination_are_left_to_pymoo(large_problem: Problem) -> None:
    """What is told is what pymoo ranks: its optimum is the front of its population, and it never ends by itself."""
    genetic = made(large_problem, 12)
    assert type(genetic.algorithm) is NSGA2
    for _ in range(60):
        tell(genetic, large_problem, genetic.ask())
    assert genetic.algorithm.has_next()
    assert genetic.algorithm.n_gen == 61
    points = genetic.algorithm.pop.get("F")
    beaten = [((points <= one).all(1) & (points < one).any(1)).any() for one in points]
    assert len(genetic.algorithm.opt) == len(points) - sum(beaten)


def test_units_do_not_matter(large_problem: Problem) -> None:
    asked = []
    for unit in (1.0, 2.0**-30, 2.0**30):
        genetic = made(large_problem, 12)
        for _ in range(6):
            vectors = genetic.ask()
            genetic.tell(unit * np.column_stack([vectors.sum(axis=1), large_problem.costs(vectors)]))
        asked.append(genetic.ask())
    assert (asked[0] == asked[1]).all()
    assert (asked[0] == asked[2]).all()


def test_nothing_is_printed_where_pymoo_is_not_compiled(
    large_problem: Problem, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be, by whatever algorithm comes first, to the stdout that a command's JSON goes to."""
    from pymoo import functions

    monkeypatch.setattr(functions, "is_compiled", lambda: False)
    monkeypatch.setattr(functions.FunctionLoader, "_FunctionLoader__instance", None)
    made(large_problem, 4).ask()
    assert capsys.readouterr().out == ""
    assert not Config.warnings["not_compiled"]


def test_a_variable_with_one_choice_does_no_harm() -> None:
    problem = conformance_problem(1.0, kernels=(3,), expansions=(2,), depth=2)
    assert 1 in problem.sizes
    assert len(np.concatenate(generations(problem, 10))) == 4


def test_what_another_search_found_helps(
    additive_problem: Problem,
    additive_error: Callable[[Architecture], float],
    dominated: Callable[..., float],
) -> None:
    """A hundred networks judged with noise, for a device of other latencies: made up as a random search's best."""
    space, rng = additive_problem.space, np.random.default_rng(0)
    vectors = additive_problem.sample_vectors(1000, rng)
    errors = np.array([additive_error(space.decode(vector)) for vector in vectors]) + rng.normal(
        0, 0.02, 1000
    )
    best = np.argsort(errors)[:100]

    def make(problem: Problem, seed: int) -> NSGA2Searcher:
        return NSGA2Searcher(replace(problem, prior=Prior(vectors[best], errors[best])), seed)

    for seed in range(3):
        assert dominated(make, seed, 50) > dominated(NSGA2Searcher, seed, 50)


def test_of_a_larger_first_population_only_the_fittest_survive(large_problem: Problem) -> None:
    rng = np.random.default_rng(0)
    start = np.unique(large_problem.sample_vectors(40, rng), axis=0)
    genetic = nsga2(large_problem, rng, 8, Visited(large_problem.sizes), start)
    tell(genetic, large_problem, genetic.ask())
    assert len(start) > len(genetic.algorithm.pop) == 8
