from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.evolution import FRESH, Evolution, offspring
from edgenas.searchers.front import leaders
from edgenas.searchers.nsga2 import NSGA2Searcher, rank_and_crowding
from edgenas.searchers.problem import Prior, Problem
from edgenas.searchers.visited import Archive
from edgenas.space import Architecture, mbconv
from edgenas.testing.searcher_conformance import make_problem as conformance_problem

MakeProblem = Callable[[float], Problem]


@pytest.fixture(scope="module")
def large_problem(board: Device) -> Problem:
    """The space of the digits, half a million networks, under a limit that few of them keep."""
    predictor = predictor_from_device(mbconv(16, 10), board)
    fastest, slowest = (predictor.predict(a).predicted for a in (predictor.fastest(), predictor.slowest()))
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


def prior_of(problem: Problem, count: int) -> Prior:
    """Of networks on both sides of the limit; errors as made up."""
    rng = np.random.default_rng(5)
    drawn = [problem.space.encode(problem.space.sample(rng)) for _ in range(count)]
    return Prior(np.array(drawn), rng.random(count))


def first_ask(problem: Problem, size: int = 24) -> np.ndarray:
    return Evolution(problem, np.random.default_rng(0), size, rank_and_crowding).ask()


def as_set(vectors: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, vectors.tolist()))


def test_a_first_population_holds_the_priors_leaders_by_the_new_costs_within_the_new_limit(
    large_problem: Problem,
) -> None:
    problem = replace(large_problem, max_latency_ms=3 * large_problem.max_latency_ms)
    prior = prior_of(problem, 200)
    asked = first_ask(replace(problem, prior=prior))
    kept = problem.keeps_limit(prior.vectors)
    assert 20 < kept.sum() < 200
    vectors = prior.vectors[kept]
    room = 24 - 8 - problem.keeps_limit(problem.space.encode(problem.predictor.slowest())[None]).sum() - 1
    best = vectors[leaders(np.column_stack([prior.errors[kept], problem.costs(vectors)]), room)]
    assert as_set(asked) & as_set(prior.vectors) == as_set(best)
    assert len(as_set(asked)) == 24
    assert problem.keeps_limit(asked).all()
    assert (asked[0] == problem.space.encode(problem.predictor.fastest())).all()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 24])
def test_at_least_a_third_of_a_first_population_is_drawn(large_problem: Problem, size: int) -> None:
    prior = prior_of(replace(large_problem, max_latency_ms=np.inf), 100)
    asked = first_ask(replace(large_problem, max_latency_ms=np.inf, prior=prior), size)
    assert len(asked) == size
    assert len(as_set(asked) & as_set(prior.vectors)) <= max((1 - FRESH) * size, 2)


def test_a_prior_that_is_too_slow_or_repeats_itself_is_filled_up_with_samples(
    large_problem: Problem,
) -> None:
    slow = prior_of(large_problem, 100)
    slow = Prior(slow.vectors[~large_problem.keeps_limit(slow.vectors)][:1].repeat(30, axis=0), np.ones(30))
    assert (first_ask(replace(large_problem, prior=slow)) == first_ask(large_problem)).all()
    same = replace(large_problem, max_latency_ms=np.inf, prior=slow)
    assert len(as_set(first_ask(same))) == 24


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
