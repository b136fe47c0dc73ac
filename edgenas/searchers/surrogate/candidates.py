"""Where to look for what a surrogate may like: everywhere in a small space, else where an inner NSGA-II goes."""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgenas.searchers.front import leaders
from edgenas.searchers.genetic_operators import prior_leaders
from edgenas.searchers.nsga2 import nsga2
from edgenas.searchers.problem import Problem
from edgenas.searchers.visited import Visited

Vectors = NDArray[np.int64]
Floats = NDArray[np.float64]

SMALL = 20_000
"""Encodings up to which a space is looked through whole."""

POPULATION = 100
GENERATIONS = 20
"""Of the inner NSGA-II."""


class Candidates:
    """Finds architectures that keep the limit and were not asked for.

    Args:
        problem: what is searched.
        asked: what was asked for; it is read, never added to.
        rng: decides everything random.
    """

    def __init__(self, problem: Problem, asked: Visited, rng: np.random.Generator) -> None:
        self._problem = problem
        self._asked = asked
        self._rng = rng
        self._all = everything(problem) if np.prod(problem.sizes.astype(float)) <= SMALL else None

    def first(self, count: int) -> Vectors:
        """A first look: half of it what leads by the problem's prior, where it has one; for the rest see `spread`.

        Returns:
            Distinct canonical encodings, shape (m, variables), m at most `count`.
        """
        problem = self._problem
        best = prior_leaders(problem, count // 2)
        found = np.concatenate([best, self.spread(count - len(best))])
        return found[Visited(problem.sizes).new(found)]

    def spread(self, count: int) -> Vectors:
        """The fastest, the slowest, and one from each of so many parts of the range of latencies.

        Returns:
            Distinct canonical encodings, shape (m, variables), m at most `count`.
        """
        problem = self._problem
        drawn = problem.sample_vectors(20 * count, self._rng) if self._all is None else self._all
        ends = [problem.predictor.fastest(), problem.predictor.slowest()]
        drawn = np.concatenate([drawn, [problem.space.encode(end) for end in ends]])
        drawn = np.unique(drawn[problem.keeps_limit(drawn)], axis=0)
        drawn = drawn[np.argsort(problem.costs(drawn)[:, 0], kind="stable")]
        if len(drawn) <= count:
            return drawn
        parts = np.array_split(np.arange(1, len(drawn) - 1), count - 2)
        places = [0, *(int(self._rng.choice(part)) for part in parts), len(drawn) - 1]
        return drawn[places[:count]]

    def by_chance(self, count: int) -> Vectors:
        """New encodings, each as likely as any other where the space is small; fewer when there are no more."""
        if self._all is None:
            drawn = self._problem.sample_vectors(4 * count, self._rng)
        else:
            drawn = self._rng.permutation(self._all)
        return drawn[self._asked.new(drawn)][:count]

    def promising(self, error: Callable[[Vectors], Floats], vectors: Vectors, points: Floats) -> Vectors:
        """New encodings among which to choose.

        Args:
            error: what a model makes of encodings, to be low.
            vectors: what was evaluated, shape (n, variables).
            points: objectives of the same, shape (n, objectives).
        """
        if self._all is not None:
            return self._all[self._asked.new(self._all)]
        best = vectors[leaders(points, POPULATION)]
        start = np.unique(np.concatenate([best, self._problem.sample_vectors(POPULATION, self._rng)]), axis=0)
        inner = nsga2(self._problem, self._rng, POPULATION, Visited(self._problem.sizes), start)
        found = []
        for _ in range(GENERATIONS):
            asked = inner.ask()
            if not len(asked):
                break
            found.append(asked)
            inner.tell(np.column_stack([error(asked), self._problem.costs(asked)]))
        pool = np.concatenate(found)
        return pool[self._asked.new(pool)]


def everything(problem: Problem) -> Vectors:
    """Canonical encodings of all architectures that keep the limit, shape (n, variables)."""
    vectors = np.array(list(product(*(range(size) for size in problem.sizes))))
    vectors = np.unique(problem.space.canonical_vectors(vectors), axis=0)
    return vectors[problem.keeps_limit(vectors)]
