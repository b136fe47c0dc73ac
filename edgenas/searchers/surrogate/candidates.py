"""Candidates for the surrogate to rank: all of a small space, otherwise those an inner NSGA-II finds."""

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

MAX_ENUMERATED = 20_000
"""Largest number of encodings of a space that is enumerated."""

POPULATION = 100
GENERATIONS = 20
"""Of the inner NSGA-II."""


class Candidates:
    """Finds unvisited architectures within the limit.

    Args:
        problem: space, costs and limit.
        visited: encodings proposed so far; only read.
        rng: for everything random.
    """

    def __init__(self, problem: Problem, visited: Visited, rng: np.random.Generator) -> None:
        self._problem = problem
        self._visited = visited
        self._rng = rng
        self._all = all_feasible(problem) if np.prod(problem.sizes.astype(float)) <= MAX_ENUMERATED else None

    def initial(self, count: int) -> Vectors:
        """The initial architectures: up to half are leaders of the problem's prior; for the rest see `spread`.

        Returns:
            Distinct canonical encodings, shape (m, variables), m at most `count`.
        """
        problem = self._problem
        best = prior_leaders(problem, count // 2)
        found = np.concatenate([best, self.spread(count - len(best))])
        return found[Visited(problem.sizes).new(found)]

    def spread(self, count: int) -> Vectors:
        """The fastest, the slowest, and random ones from equal parts of the latency order between them.

        Returns:
            Distinct canonical encodings, shape (m, variables), m at most `count`.
        """
        problem = self._problem
        sampled = problem.sample_vectors(20 * count, self._rng) if self._all is None else self._all
        ends = [problem.predictor.fastest(), problem.predictor.slowest()]
        sampled = np.concatenate([sampled, [problem.space.encode(end) for end in ends]])
        sampled = np.unique(sampled[problem.feasible(sampled)], axis=0)
        sampled = sampled[np.argsort(problem.costs(sampled)[:, 0], kind="stable")]
        if len(sampled) <= count:
            return sampled
        parts = np.array_split(np.arange(1, len(sampled) - 1), count - 2)
        chosen = [0, *(int(self._rng.choice(part)) for part in parts), len(sampled) - 1]
        return sampled[chosen[:count]]

    def random(self, count: int) -> Vectors:
        """Random unvisited encodings, uniform if the space is small; fewer if there are no more."""
        if self._all is None:
            sampled = self._problem.sample_vectors(4 * count, self._rng)
        else:
            sampled = self._rng.permutation(self._all)
        return sampled[self._visited.new(sampled)][:count]

    def promising(self, error: Callable[[Vectors], Floats], vectors: Vectors, points: Floats) -> Vectors:
        """Unvisited encodings to choose from.

        Args:
            error: a model's estimate for encodings, to be minimised.
            vectors: the evaluated encodings, shape (n, variables).
            points: their objectives, shape (n, objectives).
        """
        if self._all is not None:
            return self._all[self._visited.new(self._all)]
        best = vectors[leaders(points, POPULATION)]
        start = np.unique(np.concatenate([best, self._problem.sample_vectors(POPULATION, self._rng)]), axis=0)
        inner = nsga2(self._problem, self._rng, POPULATION, Visited(self._problem.sizes), start)
        found = []
        for _ in range(GENERATIONS):
            proposed = inner.ask()
            if not len(proposed):
                break
            found.append(proposed)
            inner.tell(np.column_stack([error(proposed), self._problem.costs(proposed)]))
        pool = np.concatenate(found)
        return pool[self._visited.new(pool)]


def all_feasible(problem: Problem) -> Vectors:
    """Canonical encodings of all architectures within the limit, shape (n, variables)."""
    vectors = np.array(list(product(*(range(size) for size in problem.sizes))))
    vectors = np.unique(problem.space.canonical_vectors(vectors), axis=0)
    return vectors[problem.feasible(vectors)]
