from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from edgenas.searchers.neighbours import mutated, neighbours, samples, unvisited
from edgenas.searchers.problem import Problem
from edgenas.space import Architecture

MakeProblem = Callable[[float], Problem]


def feasible(problem: Problem) -> set[Architecture]:
    every = {problem.space.architecture(choices) for choices in product(*problem.space.variables)}
    return {one for one in every if problem.latency_ms(one) <= problem.max_latency_ms}


@pytest.fixture(params=[0.0, 0.3, 1.0])
def problem(request: pytest.FixtureRequest, make_problem: MakeProblem) -> Problem:
    return make_problem(request.param)


def test_neighbours_are_the_distinct_others_within_the_limit_that_one_variable_leads_to(
    problem: Problem,
) -> None:
    space, allowed = problem.space, feasible(problem)
    for architecture in list(allowed)[:20]:
        expected = {
            space.architecture([*architecture.choices[:i], choice, *architecture.choices[i + 1 :]])
            for i, known in enumerate(space.variables)
            for choice in known
        }
        found = neighbours(problem, architecture)
        assert len(found) == len(set(found))
        assert set(found) == (expected - {architecture}) & allowed


def test_what_is_mutated_keeps_the_limit(problem: Problem) -> None:
    rng, allowed = np.random.default_rng(0), feasible(problem)
    here = problem.predictor.fastest()
    for _ in range(50):
        here = mutated(problem, here, rng)
        assert here in allowed


def test_mutations_reach_every_neighbour(make_problem: MakeProblem) -> None:
    problem, rng = make_problem(1.0), np.random.default_rng(0)
    start = problem.sample(rng)
    assert {mutated(problem, start, rng) for _ in range(500)} >= set(neighbours(problem, start))


def test_what_is_left_is_found_until_nothing_is(problem: Problem) -> None:
    rng, allowed = np.random.default_rng(0), feasible(problem)
    met = set(sorted(allowed, key=lambda one: one.id)[1:])
    (left,) = allowed - met
    assert unvisited(problem, problem.predictor.fastest(), met, rng) in {left, None}
    assert unvisited(problem, problem.predictor.fastest(), allowed, rng) is None


def test_the_new_is_found_however_much_is_known(make_problem: MakeProblem) -> None:
    problem, rng = make_problem(0.5), np.random.default_rng(0)
    allowed, met = feasible(problem), set[Architecture]()
    while (one := unvisited(problem, problem.predictor.fastest(), met, rng)) is not None:
        assert one in allowed - met
        met.add(one)
    assert len(met) > 0.9 * len(allowed)


def test_samples_are_distinct_and_not_met_before(make_problem: MakeProblem) -> None:
    problem, rng = make_problem(0.5), np.random.default_rng(0)
    first = samples(problem, 20, set(), rng)
    second = samples(problem, 20, set(first), rng)
    assert len({*first, *second}) == 40


def test_there_are_fewer_samples_where_fewer_are_left(make_problem: MakeProblem) -> None:
    problem = make_problem(0.0)
    fastest = problem.predictor.fastest()
    assert samples(problem, 3, set(), np.random.default_rng(0)) == [fastest]
    assert samples(problem, 3, {fastest}, np.random.default_rng(0)) == []
