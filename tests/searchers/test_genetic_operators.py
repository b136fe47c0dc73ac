from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymoo.core.population import Population
from pymoo.operators.selection.tournament import TournamentSelection

from edgenas.searchers.front import leaders
from edgenas.searchers.genetic_operators import (
    MIN_SAMPLE_SHARE,
    ChoiceMutation,
    CrossoverWithParents,
    ExcludeVisited,
    InitialPopulation,
    LimitedProblem,
    MatingThenSampling,
    RepairTowardsParent,
    encodings,
    new_samples,
    prior_leaders,
)
from edgenas.searchers.nsga2 import by_rank_then_crowding
from edgenas.searchers.problem import Prior, Problem
from edgenas.searchers.visited import Visited
from edgenas.testing.searcher_conformance import make_problem

SEEDS = st.integers(0, 2**32 - 1)
FREE = make_problem(1.0)


def pairs_of(problem: Problem, count: int, rng: np.random.Generator) -> Population:
    """Parents, shape (count, 2)."""
    parents = Population.new("X", problem.sample_vectors(2 * count, rng))
    return parents.reshape(count, 2)


def as_set(vectors: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, vectors.tolist()))


@given(SEEDS, st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_a_pairs_children_share_its_choices_out(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    parents = pairs_of(FREE, count, rng)
    children = CrossoverWithParents()(LimitedProblem(FREE), parents, random_state=rng)
    mothers, fathers = (encodings(one) for one in parents.T)
    first, second = np.split(encodings(children), 2)
    assert (((first == mothers) & (second == fathers)) | ((first == fathers) & (second == mothers))).all()
    remembered = np.array([child.data["parent"] for child in children])
    assert (remembered == np.concatenate([mothers, fathers])).all()


def test_nearly_all_pairs_mix_and_half_of_their_choices() -> None:
    rng = np.random.default_rng(0)
    zeros, ones = np.zeros((2000, len(FREE.sizes)), np.int64), np.ones((2000, len(FREE.sizes)), np.int64)
    parents = Population.new("X", np.stack([zeros, ones], 1).reshape(4000, -1)).reshape(2000, 2)
    first = encodings(CrossoverWithParents()(LimitedProblem(FREE), parents, random_state=rng))[:2000]
    assert 0.43 < first.mean() < 0.47  # 0.9 / 2


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_a_mutation_takes_other_valid_choices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = FREE.sample_vectors(40, rng)
    mutants = ChoiceMutation()(LimitedProblem(FREE), Population.new("X", before), random_state=rng)
    after = encodings(mutants)
    assert ((after >= 0) & (after < FREE.sizes)).all()
    assert 0 < (after != before).mean() < 3 / len(FREE.sizes)


@given(SEEDS, st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_what_is_mended_keeps_the_limit_between_itself_and_its_parent(seed: int, share: float) -> None:
    problem = make_problem(share)
    rng = np.random.default_rng(seed)
    wild, kin = FREE.sample_vectors(20, rng), problem.sample_vectors(20, rng)
    mended = encodings(
        RepairTowardsParent()(
            LimitedProblem(problem), Population.new("X", wild, "parent", kin), random_state=rng
        )
    )
    assert problem.feasible(mended).all()
    assert (problem.space.canonical_vectors(mended) == mended).all()
    kept = problem.feasible(wild)
    assert (mended[kept] == wild[kept]).all()


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_what_was_asked_for_is_left_out_and_so_is_who_comes_second(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known, siblings, children = (FREE.sample_vectors(12, rng) for _ in range(3))
    asked = Visited(FREE.sizes)
    asked.add(known)
    pops = [Population.new("X", vectors) for vectors in (children, known, siblings)]
    left = encodings(ExcludeVisited(asked).do(*pops))
    assert as_set(left) == as_set(children) - as_set(known) - as_set(siblings)
    assert len(as_set(left)) == len(left)


@given(SEEDS, st.floats(0, 1), st.integers(1, 30))
@settings(deadline=None, max_examples=30)
def test_offspring_are_new_within_the_limit_and_no_more_than_wanted(
    seed: int, share: float, count: int
) -> None:
    problem = make_problem(share)
    rng = np.random.default_rng(seed)
    known = np.unique(problem.sample_vectors(12, rng), axis=0)
    asked = Visited(problem.sizes)
    asked.add(known)
    zeros = np.zeros(len(known))
    pop = Population.new("X", known, "rank", zeros, "crowding", zeros)
    mating = MatingThenSampling(TournamentSelection(func_comp=by_rank_then_crowding), asked)
    found = encodings(mating.do(LimitedProblem(problem), pop, count, random_state=rng))
    assert len(found) <= count
    assert len(as_set(found)) == len(found)
    assert not as_set(found) & as_set(known)
    if len(found):
        assert problem.feasible(found).all()
        assert (problem.space.canonical_vectors(found) == found).all()


def test_children_resemble_their_parents() -> None:
    """Compared with strangers; both parents' choices count."""
    rng = np.random.default_rng(0)
    problem = LimitedProblem(FREE)
    parents = pairs_of(FREE, 200, rng)
    children = ChoiceMutation()(
        problem, CrossoverWithParents()(problem, parents, random_state=rng), random_state=rng
    )
    mothers, fathers = (np.tile(encodings(one), (2, 1)) for one in parents.T)

    def alike(vectors: np.ndarray) -> float:
        return float(((vectors == mothers) | (vectors == fathers)).mean())

    assert alike(encodings(children)) > 0.8 > alike(FREE.sample_vectors(400, rng)) + 0.1


def test_the_lesser_rank_wins_then_the_greater_distance_then_chance() -> None:
    pop = Population.new(
        "X", np.zeros((4, 1)), "rank", np.array([0, 1, 1, 1]), "crowding", np.array([0, np.inf, 1, 1])
    )
    pairs = np.array([[0, 1], [1, 0], [1, 2], [3, 1], *[[2, 3]] * 100])
    won = by_rank_then_crowding(pop, pairs, random_state=np.random.default_rng(0))
    assert won.shape == (104, 1)
    assert won[:4, 0].tolist() == [0, 0, 1, 1]
    assert 30 < (won[4:] == 2).sum() < 70


def prior_of(problem: Problem, count: int) -> Prior:
    """Of networks on both sides of the limit; errors as made up."""
    rng = np.random.default_rng(5)
    drawn = [problem.space.encode(problem.space.sample(rng)) for _ in range(count)]
    return Prior(np.array(drawn), rng.random(count))


def first_population(problem: Problem, size: int = 24) -> np.ndarray:
    sampling = InitialPopulation(Visited(problem.sizes))
    return encodings(sampling(LimitedProblem(problem), size, random_state=np.random.default_rng(0)))


def test_a_first_population_holds_the_priors_leaders_by_the_new_costs_within_the_new_limit() -> None:
    problem = make_problem(0.6)
    prior = prior_of(problem, 200)
    problem = replace(problem, prior=prior)
    first = first_population(problem)
    kept = problem.feasible(prior.vectors)
    assert 20 < kept.sum() < 200
    vectors = prior.vectors[kept]
    ends = 1 + problem.feasible(problem.space.encode(problem.predictor.slowest())[None]).sum()
    best = vectors[leaders(np.column_stack([prior.errors[kept], problem.costs(vectors)]), 24 - 8 - ends)]
    assert (prior_leaders(problem, 24 - 8 - ends) == best).all()
    assert as_set(best) <= as_set(first)
    assert len(as_set(first)) == 24
    assert problem.feasible(first).all()
    assert (first[0] == problem.space.encode(problem.predictor.fastest())).all()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 24])
def test_at_least_a_third_of_a_first_population_is_drawn(size: int) -> None:
    problem = replace(FREE, prior=prior_of(FREE, 100))
    led = as_set(prior_leaders(problem, 100))
    without = as_set(first_population(FREE, size))
    first = as_set(first_population(problem, size))
    assert len(first) == size
    assert len((first & led) - without) <= max((1 - MIN_SAMPLE_SHARE) * size, 2)


def test_a_prior_that_is_too_slow_or_repeats_itself_is_filled_up_with_samples() -> None:
    problem = make_problem(0.3)
    slow = prior_of(problem, 100)
    slow = Prior(slow.vectors[~problem.feasible(slow.vectors)][:1].repeat(30, axis=0), np.ones(30))
    assert (first_population(replace(problem, prior=slow)) == first_population(problem)).all()
    assert len(as_set(first_population(replace(FREE, prior=slow)))) == 24


def test_samples_are_new_and_fewer_where_there_are_no_more() -> None:
    problem = make_problem(0.02)
    asked = Visited(problem.sizes)
    everything = new_samples(problem, 1000, asked, np.empty((0, len(problem.sizes)), np.int64), _rng())
    assert 1 < len(as_set(everything)) == len(everything) < 1000
    asked.add(everything[2:])
    found = new_samples(problem, 5, asked, everything[:1], _rng())
    assert as_set(found) == as_set(everything[1:2])


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)
