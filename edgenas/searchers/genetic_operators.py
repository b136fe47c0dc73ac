"""Operators that adapt pymoo's genetic algorithms to architectures.

Latency is known before an evaluation, and equal networks have equal encodings: the initial population, the repair of
children and the removal of duplicates ensure that every proposal is new and within the limit. Individuals hold integer
encodings, shape (variables,), in pymoo's `X`.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mating import Mating
from pymoo.core.mutation import Mutation
from pymoo.core.population import Population
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.repair import Repair
from pymoo.core.sampling import Sampling
from pymoo.core.selection import Selection
from typing_extensions import override

from edgenas.searchers.front import leaders
from edgenas.searchers.problem import Problem
from edgenas.searchers.visited import Visited

Vectors = NDArray[np.int64]

CROSSOVER_PROBABILITY = 0.9
"""Probability that the children of a pair are crossed; otherwise they start as copies."""

MATING_ROUNDS = 3
"""Rounds of mating to obtain enough new children; samples replace those still missing."""

SAMPLING_ROUNDS = 10
"""Rounds of sampling to obtain enough new architectures."""

MIN_SAMPLE_SHARE = 1 / 3
"""Smallest share of samples in an initial population, however large the prior is: the prior may mislead."""


class LimitedProblem(PymooProblem):  # type: ignore[misc]  # pymoo has no types
    """A problem as pymoo sees it: integers within bounds, objectives, no constraints.

    The limit is not a pymoo constraint: latency is known in advance, so `RepairTowardsParent` brings every child within
    it, and survival deals with feasible individuals only.

    Args:
        searched: space, costs and limit.
    """

    def __init__(self, searched: Problem) -> None:
        sizes = searched.sizes
        super().__init__(n_var=len(sizes), n_obj=len(searched.objectives), xl=0, xu=sizes - 1, vtype=int)
        self.searched = searched


class InitialPopulation(Sampling):  # type: ignore[misc]
    """The fastest architecture, the slowest if within the limit, leaders of the problem's prior, and samples.

    Args:
        visited: encodings not to propose again.
    """

    def __init__(self, visited: Visited) -> None:
        super().__init__()
        self._visited = visited

    @override
    def _do(
        self,
        problem: LimitedProblem,
        n_samples: int,
        *args: Any,
        random_state: np.random.Generator,
        **kwargs: Any,
    ) -> Vectors:
        searched = problem.searched
        predictor, encode = searched.predictor, searched.space.encode
        ends = np.stack([encode(predictor.fastest()), encode(predictor.slowest())])
        ends = ends[searched.feasible(ends)]
        ends = ends[self._visited.new(ends)][:n_samples]
        room = n_samples - len(ends) - math.ceil(MIN_SAMPLE_SHARE * n_samples)
        found = np.concatenate([ends, prior_leaders(searched, max(room, 0))])
        found = found[self._visited.new(found)]
        return np.concatenate(
            [found, new_samples(searched, n_samples - len(found), self._visited, found, random_state)]
        )


class CrossoverWithParents(Crossover):  # type: ignore[misc]
    """Uniform crossover, two children per pair; each records the encoding it started from as its `parent`."""

    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=CROSSOVER_PROBABILITY)

    @override
    def do(
        self, problem: LimitedProblem, pop: Population, *, random_state: np.random.Generator, **kwargs: Any
    ) -> Population:
        mothers, fathers = (encodings(parents) for parents in pop.T)
        crossed = random_state.random((len(pop), 1)) < CROSSOVER_PROBABILITY
        swapped = crossed & (random_state.random(mothers.shape) < 0.5)
        children = Population.empty(2 * len(pop))
        set_encodings(
            children,
            np.concatenate([np.where(swapped, fathers, mothers), np.where(swapped, mothers, fathers)]),
        )
        for child, parent in zip(children, pop.T.ravel(), strict=True):
            child.data["parent"] = parent.X
        return children


class ChoiceMutation(Mutation):  # type: ignore[misc]
    """Changes each variable to another of its choices with probability 1 / variables."""

    @override
    def do(
        self, problem: LimitedProblem, pop: Population, *, random_state: np.random.Generator, **kwargs: Any
    ) -> Population:
        sizes, vectors = problem.searched.sizes, encodings(pop)
        others = vectors + 1 + random_state.integers(np.maximum(sizes - 1, 1), size=vectors.shape)
        mutated = random_state.random(vectors.shape) < 1 / len(sizes)
        return set_encodings(pop, np.where(mutated, others % sizes, vectors))


class RepairTowardsParent(Repair):  # type: ignore[misc]
    """Makes encodings canonical and within the limit: a child that is too slow takes choices back from its parent."""

    @override
    def do(
        self, problem: LimitedProblem, pop: Population, *, random_state: np.random.Generator, **kwargs: Any
    ) -> Population:
        known = "parent" in pop[0].data  # an initial population has none, and is within the limit
        parents = np.array([child.data.pop("parent") for child in pop]) if known else None
        return set_encodings(pop, problem.searched.repaired_vectors(encodings(pop), random_state, parents))


class ExcludeVisited(DuplicateElimination):  # type: ignore[misc]
    """Removes children that were visited, the population among them, or that repeat an earlier child.

    Args:
        visited: encodings proposed so far.
    """

    def __init__(self, visited: Visited) -> None:
        super().__init__()
        self._visited = visited

    @override
    def do(self, pop: Population, *others: Population, **kwargs: Any) -> Population:
        if not len(pop):
            return pop
        before = [encodings(other) for other in others[1:] if len(other)]  # the first is the population
        return pop[self._visited.new(np.concatenate([*before, encodings(pop)]))[-len(pop) :]]


class MatingThenSampling(Mating):  # type: ignore[misc]
    """Mates to obtain the requested number of new children, then adds samples for those that are missing.

    Args:
        selection: of parents.
        visited: encodings not to propose again.
    """

    def __init__(self, selection: Selection, visited: Visited) -> None:
        super().__init__(
            selection,
            CrossoverWithParents(),
            ChoiceMutation(),
            repair=RepairTowardsParent(),
            eliminate_duplicates=ExcludeVisited(visited),
            n_max_iterations=MATING_ROUNDS,
        )
        self._visited = visited

    @override
    def do(
        self,
        problem: LimitedProblem,
        pop: Population,
        n_offsprings: int,
        *,
        random_state: np.random.Generator,
        **kwargs: Any,
    ) -> Population:
        children = super().do(problem, pop, n_offsprings, random_state=random_state, **kwargs)
        missing = n_offsprings - len(children)
        if not missing:
            return children
        found = encodings(children).reshape(-1, problem.n_var)
        samples = new_samples(problem.searched, missing, self._visited, found, random_state)
        return Population.merge(children, Population.new("X", samples))


def encodings(pop: Population) -> Vectors:
    """Encodings of individuals, shape (n, variables); `Population.get` takes ten times as long."""
    return np.array([individual.X for individual in pop], np.int64)


def set_encodings(pop: Population, vectors: Vectors) -> Population:
    """Assign encodings, shape (n, variables), to individuals, and return these."""
    for individual, vector in zip(pop, vectors, strict=True):
        individual.X = vector
    return pop


def new_samples(
    problem: Problem, count: int, visited: Visited, found: Vectors, rng: np.random.Generator
) -> Vectors:
    """Distinct samples that are neither visited nor in `found`; fewer if they are hard to find.

    Args:
        problem: space and limit.
        count: how many.
        visited: encodings proposed so far.
        found: encodings, shape (n, variables).
        rng: for everything random.

    Returns:
        Canonical encodings within the limit, shape (m, variables), m at most `count`.
    """
    known = len(found)
    for _ in range(SAMPLING_ROUNDS):
        if len(found) == known + count:
            break
        drawn = problem.sample_vectors(known + count - len(found), rng)
        found = np.concatenate([found, drawn])
        found = found[visited.new(found)]
    return found[known:]


def prior_leaders(problem: Problem, count: int) -> Vectors:
    """The best of the prior within the limit, by its errors and this problem's costs; at most `count`."""
    if problem.prior is None:
        return np.empty((0, len(problem.sizes)), np.int64)
    kept = problem.feasible(problem.prior.vectors)
    vectors, errors = problem.prior.vectors[kept], problem.prior.errors[kept]
    return vectors[leaders(np.column_stack([errors, problem.costs(vectors)]), count)]
