"""Several objectives as one, for methods that know only one: a sweep over weights."""

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome

WEIGHTS = 10
"""At least so many weight vectors, as ParEGO has for two objectives."""

RHO = 0.05
"""Share of the weighted sum, which keeps weakly dominated points from passing for best; ParEGO's."""


class Scalarisation:
    """Augmented Chebyshev over objectives normalised by the least and greatest seen (Knowles, ParEGO, IEEE TEC 2006).

    Args:
        objectives: how many; the first is the error.
    """

    def __init__(self, objectives: int) -> None:
        self.weights = even_weights(objectives)
        """Spread evenly over the simplex, shape (vectors, objectives)."""
        self._least = np.full(objectives, np.inf)
        self._greatest = np.full(objectives, -np.inf)

    def see(self, points: NDArray[np.float64]) -> None:
        """Take note of the range of points, shape (n, objectives).

        Failures (error 1) do not count: a single one would make all others look alike.
        """
        seen = points[points[:, 0] < 1]
        self._least = np.vstack([self._least, seen]).min(0)
        self._greatest = np.vstack([self._greatest, seen]).max(0)

    def values(self, points: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """What weights make of points, 0 (best) to 1.05; shapes (..., objectives) that broadcast, to (...)."""
        span = self._greatest - self._least
        scaled = np.clip((points - self._least) / np.where(span > 0, span, 1), 0, 1)
        weighted = weights * scaled
        return np.asarray(weighted.max(-1) + RHO * weighted.sum(-1))


def even_weights(objectives: int) -> NDArray[np.float64]:
    """The simplex lattice of least resolution with at least `WEIGHTS` vectors that weigh the error, and only those.

    The others are left out: of costs all is known without evaluating anything.

    Returns:
        Shape (vectors, objectives), rows that sum to 1, the error's weight falling.
    """
    steps = 1
    while math.comb(steps - 1 + objectives - 1, objectives - 1) < WEIGHTS:
        steps += 1
    rows = combinations_with_replacement(range(objectives), steps)
    lattice = np.array([np.bincount(row, minlength=objectives) for row in rows]) / steps
    return lattice[lattice[:, 0] > 0]


def points_of(problem: Problem, outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """What is to be minimised of outcomes, error first; shape (outcomes, objectives), at least one outcome."""
    errors = [outcome.error for outcome in outcomes]
    return np.column_stack([errors, problem.costs_of([outcome.architecture for outcome in outcomes])])
