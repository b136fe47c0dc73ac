"""Evolution of integer encodings: uniform crossover, categorical mutation, survival of the fittest.

Latency is known before anything is evaluated and equal networks have equal encodings, so that children which are too
slow are repaired and children which were met before are changed: what is asked for keeps the limit and is new.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.searchers.front import leaders
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.visited import Archive
from edgenas.space import Architecture

Vectors = NDArray[np.int64]
Points = NDArray[np.float64]

CROSSOVER = 0.9
"""Share of the children that have two parents."""

TRIES = 10
"""How often a child met before is mutated again, and as often one is drawn in its place."""

FRESH = 1 / 3
"""Least share of samples in a first population, however much an earlier search found: it may mislead."""

Survive = Callable[[Points, int, np.random.Generator], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""From points, shape (n, objectives), and a number to at most so many indices, each with its merit as a parent."""


class Evolution:
    """A population that is asked and told, of encodings alone; what the points mean is the caller's affair.

    Args:
        problem: space and limit.
        rng: decides everything random.
        size: of the population, and of its offspring.
        survive: who does, such as `nsga2.rank_and_crowding`.
        start: what the first `ask` gives, canonical and within the limit; None takes the fastest architecture, the
            slowest where it keeps the limit, leaders of the problem's prior, and samples.
        asked: what is not to be asked for; it is added to. None for a fresh one.
    """

    def __init__(
        self,
        problem: Problem,
        rng: np.random.Generator,
        size: int,
        survive: Survive,
        start: Vectors | None = None,
        asked: Archive | None = None,
    ) -> None:
        self._problem = problem
        self._rng = rng
        self._size = size
        self._survive = survive
        self._start = start
        self._asked = Archive(problem.sizes) if asked is None else asked
        self._pending = np.empty((0, len(problem.sizes)), np.int64)
        self._merit = np.empty(0)
        self.vectors = self._pending
        """Encodings of the population, shape (n, variables)."""
        self.points: Points | None = None
        """What was told of them, shape (n, objectives); None at first."""

    def ask(self) -> Vectors:
        """Canonical encodings within the limit that are new, shape (m, variables); none where none were found."""
        if self.points is None:
            self._pending = self._first() if self._start is None else self._start
        else:
            mothers, fathers = (self.vectors[self._parents()] for _ in range(2))
            self._pending = offspring(self._problem, mothers, fathers, self._asked, self._rng)
        self._asked.add(self._pending)
        return self._pending

    def tell(self, points: Points) -> None:
        """What became of the last ask, shape (m, objectives), minimised."""
        vectors = np.concatenate([self.vectors, self._pending])
        points = points if self.points is None else np.concatenate([self.points, points])
        kept, self._merit = self._survive(points, self._size, self._rng)
        self.vectors, self.points = vectors[kept], points[kept]

    def _first(self) -> Vectors:
        predictor, encode = self._problem.predictor, self._problem.space.encode
        ends = np.stack([encode(predictor.fastest()), encode(predictor.slowest())])
        ends = ends[self._problem.keeps_limit(ends)]
        ends = ends[self._asked.new(ends)][: self._size]
        room = self._size - len(ends) - math.ceil(FRESH * self._size)
        found = np.concatenate([ends, prior_leaders(self._problem, max(room, 0))])
        found = found[self._asked.new(found)]
        return _filled_up(self._problem, found, self._size, self._asked, self._rng)

    def _parents(self) -> NDArray[np.int64]:
        """The better of two, as often as there are to be children."""
        one, other = self._rng.integers(len(self.vectors), size=(2, self._size))
        better: NDArray[np.int64] = np.where(self._merit[one] >= self._merit[other], one, other)
        return better


class EvolutionSearcher(Searcher):
    """Asks for what an evolution over (error, costs) asks for.

    Args:
        problem: what is searched.
        seed: decides everything random.
        population: how many survive each generation, and are asked for in one.
        survive: who does.
    """

    uses_prior = True

    def __init__(self, problem: Problem, seed: int, population: int, survive: Survive) -> None:
        self._problem = problem
        self._evolution = Evolution(problem, np.random.default_rng(seed), population, survive)
        self._costs = np.empty((0, 0))

    @override
    def ask(self) -> Sequence[Architecture]:
        vectors = self._evolution.ask()
        self._costs = self._problem.costs(vectors)
        return [self._problem.space.decode(vector) for vector in vectors]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes]
        self._evolution.tell(np.column_stack([errors, self._costs]))


def offspring(
    problem: Problem, mothers: Vectors, fathers: Vectors, asked: Archive, rng: np.random.Generator
) -> Vectors:
    """Children within the limit that were never asked for, at most one a pair of parents.

    A child that is too slow takes choices back from its mother until it keeps the limit. One that was met before is
    mutated until it is new; where that fails one is drawn in its place, and where that fails it is left out.

    Args:
        problem: space and limit.
        mothers: canonical encodings within the limit, shape (n, variables).
        fathers: likewise, the other parent of each.
        asked: what was asked for.
        rng: decides everything random.

    Returns:
        Canonical encodings, shape (m, variables), m at most n.
    """
    two = rng.random((len(mothers), 1)) < CROSSOVER
    crossed = np.where(two & (rng.random(mothers.shape) < 0.5), fathers, mothers)
    children = problem.repaired_vectors(_mutated(crossed, problem.sizes, rng), rng, mothers)
    for _ in range(TRIES):
        stale = ~asked.new(children)
        if not stale.any():
            return children
        mutated = _mutated(children[stale], problem.sizes, rng)
        children[stale] = problem.repaired_vectors(mutated, rng, children[stale])
    return _filled_up(problem, children[asked.new(children)], len(mothers), asked, rng)


def prior_leaders(problem: Problem, count: int) -> Vectors:
    """The best of the prior by its errors and this problem's costs, within this limit; at most `count`."""
    if problem.prior is None:
        return np.empty((0, len(problem.sizes)), np.int64)
    kept = problem.keeps_limit(problem.prior.vectors)
    vectors, errors = problem.prior.vectors[kept], problem.prior.errors[kept]
    return vectors[leaders(np.column_stack([errors, problem.costs(vectors)]), count)]


def _filled_up(
    problem: Problem, found: Vectors, count: int, asked: Archive, rng: np.random.Generator
) -> Vectors:
    """Distinct new encodings, with samples added until there are `count` or nothing new is met."""
    for _ in range(TRIES):
        if len(found) == count:
            break
        found = np.concatenate([found, problem.sample_vectors(count - len(found), rng)])
        found = found[asked.new(found)]
    return found


def _mutated(vectors: Vectors, sizes: NDArray[np.int64], rng: np.random.Generator) -> Vectors:
    """Each variable takes another of its choices with probability 1 / variables."""
    others = vectors + 1 + rng.integers(np.maximum(sizes - 1, 1), size=vectors.shape)
    return np.where(rng.random(vectors.shape) < 1 / len(sizes), others % sizes, vectors)
