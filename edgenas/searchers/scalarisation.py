"""Several objectives combined into one by a sweep over weights, for single-objective methods."""

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome

WEIGHTS = 10
"""Smallest number of weight vectors, as in ParEGO for two objectives."""

RHO = 0.05
"""Weight of the sum term, which excludes weakly dominated optima; as in ParEGO."""


class Scalarisation:
    """Augmented Chebyshev over objectives normalised by their observed range (Knowles, ParEGO, IEEE TEC 2006).

    Args:
        objectives: number of objectives; the first is the error.
    """

    def __init__(self, objectives: int) -> None:
        self.weights = even_weights(objectives)
        """Weight vectors, evenly spread over the simplex, shape (vectors, objectives)."""
        self._minimum = np.full(objectives, np.inf)
        self._maximum = np.full(objectives, -np.inf)

    def see(self, points: NDArray[np.float64]) -> None:
        """Extend the observed range by points, shape (n, objectives).

        Failures (error 1) are ignored: a single one would make all others look alike.
        """
        seen = points[points[:, 0] < 1]
        self._minimum = np.vstack([self._minimum, seen]).min(0)
        self._maximum = np.vstack([self._maximum, seen]).max(0)

    def values(self, points: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scalarised points, 0 (best) to 1.05; broadcasts shapes (..., objectives) to (...)."""
        span = self._maximum - self._minimum
        scaled = np.clip((points - self._minimum) / np.where(span > 0, span, 1), 0, 1)
        weighted = weights * scaled
        return np.asarray(weighted.max(-1) + RHO * weighted.sum(-1))


def even_weights(objectives: int) -> NDArray[np.float64]:
    """The coarsest simplex lattice with at least `WEIGHTS` vectors whose weight of the error is positive.

    Vectors without it are left out: costs are known without an evaluation.

    Returns:
        Shape (vectors, objectives), each row of sum 1, the weight of the error descending.
    """
    steps = 1
    while math.comb(steps - 1 + objectives - 1, objectives - 1) < WEIGHTS:
        steps += 1
    rows = combinations_with_replacement(range(objectives), steps)
    lattice = np.array([np.bincount(row, minlength=objectives) for row in rows]) / steps
    return lattice[lattice[:, 0] > 0]


def points_of(problem: Problem, outcomes: Sequence[Outcome]) -> NDArray[np.float64]:
    """Objectives of outcomes, minimised, error first; shape (outcomes, objectives). Needs at least one outcome."""
    errors = [outcome.error for outcome in outcomes]
    return np.column_stack([errors, problem.costs_of([outcome.architecture for outcome in outcomes])])
