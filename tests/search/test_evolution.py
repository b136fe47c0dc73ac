from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.search.archive import Archive
from edgenas.search.evolution import Evolution, offspring
from edgenas.search.nsga2 import rank_and_crowding
from edgenas.search.problem import Problem
from edgenas.space import mbconv
from edgenas.testing.searcher import make_problem as conformance_problem

MakeProblem = Callable[[float], Problem]


@pytest.fixture(scope="module")
def large_problem(board: Device) -> Problem:
    """The space of the digits, half a million networks, under a limit that few of them keep."""
    predictor = predictor_from_device(mbconv(16, 10), board)
    fastest, slowest = (predictor.predict(a).predicted_ms for a in (predictor.fastest(), predictor.slowest()))
    return Problem(predictor.space, predictor, fastest + 0.1 * (slowest - fastest))


def generations(problem: Problem, count: int, seed: int = 0) -> list[np.ndarray]:
    """What is asked for where more of the first choices is better."""
    evolution = Evolution(problem, np.random.default_rng(seed), 12, rank_and_crowding)
    asked = []
    for _ in range(count):
        vectors = evolution.ask()
        asked.append(vectors.copy())
        if not len(vectors):
            break
        evolution.tell(np.column_stack([vectors.sum(axis=1), problem.costs(vectors)]))
    return asked


def test_everything_asked_for_is_canonical_new_and_within_the_limit(large_problem: Problem) -> None:
    asked = generations(large_problem, 30)
    assert [len(vectors) for vectors in asked] == [12] * 30
    everything = np.concatenate(asked)
    assert len(np.unique(everything, axis=0)) == len(everything)
    assert (large_problem.space.canonical_vectors(everything) == everything).all()
    assert large_problem.keeps_limit(everything).all()


def test_only_what_survives_is_kept(large_problem: Problem) -> None:
    evolution = Evolution(large_problem, np.random.default_rng(0), 8, rank_and_crowding)
    for _ in range(5):
        vectors = evolution.ask()
        evolution.tell(np.column_stack([vectors.sum(axis=1), large_problem.costs(vectors)]))
    assert evolution.vectors.shape == (8, len(large_problem.sizes))
    assert evolution.points is not None and evolution.points.shape == (8, 2)
    assert (evolution.points[:, 0] == evolution.vectors.sum(axis=1)).all()


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_it_asks_for_all_there_is_and_then_for_nothing(make_problem: MakeProblem, share: float) -> None:
    problem = make_problem(share)
    space = problem.space
    grid = np.stack(np.meshgrid(*map(range, problem.sizes), indexing="ij"), axis=-1)
    every = np.unique(space.canonical_vectors(grid.reshape(-1, len(problem.sizes))), axis=0)
    feasible = every[problem.keeps_limit(every)]
    asked = generations(problem, 200)
    assert len(asked[-1]) == 0
    assert len(np.concatenate(asked)) >= 0.95 * len(feasible)


def test_it_begins_where_it_is_told_to_and_never_asks_for_what_it_must_not(make_problem: MakeProblem) -> None:
    problem = make_problem(1.0)
    rng = np.random.default_rng(0)
    start, barred = np.split(np.unique(problem.sample_vectors(60, rng), axis=0)[:40], 2)
    asked = Archive(problem.sizes)
    asked.add(barred)
    evolution = Evolution(problem, rng, 20, rank_and_crowding, start=start, asked=asked)
    assert (evolution.ask() == start).all()
    evolution.tell(np.column_stack([start.sum(axis=1), problem.costs(start)]))
    found = evolution.ask()
    assert not {tuple(row) for row in found.tolist()} & {
        tuple(row) for row in [*start.tolist(), *barred.tolist()]
    }


def test_children_resemble_their_parents(large_problem: Problem) -> None:
    problem = replace(large_problem, max_latency_ms=np.inf)
    rng = np.random.default_rng(0)
    mothers, fathers, strangers = (problem.sample_vectors(200, rng) for _ in range(3))
    children = offspring(problem, mothers, fathers, Archive(problem.sizes), rng)

    def alike(vectors: np.ndarray) -> float:
        return float(((vectors == mothers) | (vectors == fathers)).mean())

    assert alike(children) > 0.8 > alike(strangers) + 0.1


def test_a_variable_with_one_choice_does_no_harm() -> None:
    problem = conformance_problem(1.0, kernels=(3,), expansions=(2,), depth=2)
    assert 1 in problem.sizes
    assert len(np.concatenate(generations(problem, 10))) == 4
