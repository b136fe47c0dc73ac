"""What edgenas knows of architectures, at the places where pymoo's genetic algorithms ask for it.

Latency is known before anything is evaluated and equal networks have equal encodings: the first population, the mending
of children and the removal of duplicates see to it that what is asked for keeps the limit and is new. Individuals hold
integer encodings, shape (variables,), in pymoo's `X`.
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

CROSSOVER = 0.9
"""Share of the pairs whose children mix them; those of the others begin as copies."""

MATINGS = 3
"""How often parents are mated for the children that are missing; then samples stand in for them."""

DRAWS = 10
"""How often samples are drawn for those that are missing."""

FRESH = 1 / 3
"""Least share of samples in a first population, however much an earlier search found: it may mislead."""


class LimitedProblem(PymooProblem):  # type: ignore[misc]  # pymoo has no types
    """A problem as pymoo sees it: integers within bounds, objectives, no constraints.

    The limit is none of pymoo's constraints: latency is known beforehand, so that `TowardsParent` makes every child
    keep it, and survival need not tell the feasible from others.

    Args:
        searched: space, costs and limit.
    """

    def __init__(self, searched: Problem) -> None:
        sizes = searched.sizes
        super().__init__(n_var=len(sizes), n_obj=len(searched.objectives), xl=0, xu=sizes - 1, vtype=int)
        self.searched = searched


class EndsLeadersAndSamples(Sampling):  # type: ignore[misc]
    """The fastest architecture, the slowest where it keeps the limit, leaders of the problem's prior, and samples.

    Args:
        asked: what is not to be asked for.
    """

    def __init__(self, asked: Visited) -> None:
        super().__init__()
        self._asked = asked

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
        ends = ends[searched.keeps_limit(ends)]
        ends = ends[self._asked.new(ends)][:n_samples]
        room = n_samples - len(ends) - math.ceil(FRESH * n_samples)
        found = np.concatenate([ends, prior_leaders(searched, max(room, 0))])
        found = found[self._asked.new(found)]
        return np.concatenate(
            [found, new_samples(searched, n_samples - len(found), self._asked, found, random_state)]
        )


class UniformWithParents(Crossover):  # type: ignore[misc]
    """Uniform crossover, two children a pair; each notes as its `parent` the encoding that it began as."""

    def __init__(self) -> None:
        super().__init__(n_parents=2, n_offsprings=2, prob=CROSSOVER)

    @override
    def do(
        self, problem: LimitedProblem, pop: Population, *, random_state: np.random.Generator, **kwargs: Any
    ) -> Population:
        mothers, fathers = (encodings(parents) for parents in pop.T)
        crossed = random_state.random((len(pop), 1)) < CROSSOVER
        swapped = crossed & (random_state.random(mothers.shape) < 0.5)
        children = Population.empty(2 * len(pop))
        take(
            children,
            np.concatenate([np.where(swapped, fathers, mothers), np.where(swapped, mothers, fathers)]),
        )
        for child, parent in zip(children, pop.T.ravel(), strict=True):
            child.data["parent"] = parent.X
        return children


class AnotherChoice(Mutation):  # type: ignore[misc]
    """Each variable takes another of its choices with probability 1 / variables."""

    @override
    def do(
        self, problem: LimitedProblem, pop: Population, *, random_state: np.random.Generator, **kwargs: Any
    ) -> Population:
        sizes, vectors = problem.searched.sizes, encodings(pop)
        others = vectors + 1 + random_state.integers(np.maximum(sizes - 1, 1), size=vectors.shape)
        mutated = random_state.random(vectors.shape) < 1 / len(sizes)
        return take(pop, np.where(mutated, others % sizes, vectors))


class TowardsParent(Repair):  # type: ignore[misc]
    """Canonical encodings that keep the limit: who is too slow takes choices back from its parent until it does."""

    @override
    def do(
        self, problem: LimitedProblem, pop: Population, *, random_state: np.random.Generator, **kwargs: Any
    ) -> Population:
        known = "parent" in pop[0].data  # a first population has none, and keeps the limit
        parents = np.array([child.data.pop("parent") for child in pop]) if known else None
        return take(pop, problem.searched.repaired_vectors(encodings(pop), random_state, parents))


class NeverAskedFor(DuplicateElimination):  # type: ignore[misc]
    """Leaves out what is in an archive, the population with it, and who equals another child before it.

    Args:
        asked: what was asked for.
    """

    def __init__(self, asked: Visited) -> None:
        super().__init__()
        self._asked = asked

    @override
    def do(self, pop: Population, *others: Population, **kwargs: Any) -> Population:
        if not len(pop):
            return pop
        before = [encodings(other) for other in others[1:] if len(other)]  # the first is the population
        return pop[self._asked.new(np.concatenate([*before, encodings(pop)]))[-len(pop) :]]


class MatingOrSampling(Mating):  # type: ignore[misc]
    """Mates until there are as many new children as are wanted, and draws samples for those that are missing.

    Args:
        selection: of parents.
        asked: what is not to be asked for.
    """

    def __init__(self, selection: Selection, asked: Visited) -> None:
        super().__init__(
            selection,
            UniformWithParents(),
            AnotherChoice(),
            repair=TowardsParent(),
            eliminate_duplicates=NeverAskedFor(asked),
            n_max_iterations=MATINGS,
        )
        self._asked = asked

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
        samples = new_samples(problem.searched, missing, self._asked, found, random_state)
        return Population.merge(children, Population.new("X", samples))


def encodings(pop: Population) -> Vectors:
    """What individuals encode, shape (n, variables); `Population.get` takes ten times as long."""
    return np.array([individual.X for individual in pop], np.int64)


def take(pop: Population, vectors: Vectors) -> Population:
    """Give individuals their encodings, shape (n, variables), and return them."""
    for individual, vector in zip(pop, vectors, strict=True):
        individual.X = vector
    return pop


def new_samples(
    problem: Problem, count: int, asked: Visited, found: Vectors, rng: np.random.Generator
) -> Vectors:
    """Distinct samples that were never asked for and are not among those found; fewer where few are met.

    Args:
        problem: space and limit.
        count: how many.
        asked: what was asked for.
        found: encodings, shape (n, variables).
        rng: decides everything random.

    Returns:
        Canonical encodings within the limit, shape (m, variables), m at most `count`.
    """
    known = len(found)
    for _ in range(DRAWS):
        if len(found) == known + count:
            break
        drawn = problem.sample_vectors(known + count - len(found), rng)
        found = np.concatenate([found, drawn])
        found = found[asked.new(found)]
    return found[known:]


def prior_leaders(problem: Problem, count: int) -> Vectors:
    """The best of the prior by its errors and this problem's costs, within this limit; at most `count`."""
    if problem.prior is None:
        return np.empty((0, len(problem.sizes)), np.int64)
    kept = problem.keeps_limit(problem.prior.vectors)
    vectors, errors = problem.prior.vectors[kept], problem.prior.errors[kept]
    return vectors[leaders(np.column_stack([errors, problem.costs(vectors)]), count)]
