"""The best accuracy among evaluated architectures that cost no more: what a new candidate has to beat."""

import math
from bisect import bisect_right, insort
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override


class BestWithinCosts(Protocol):
    """Evaluated architectures, without those that cost no less and are no more accurate than another."""

    def best(self, costs: NDArray[np.float64]) -> float | None:
        """The best accuracy within the given costs, shape (costs,); None if no architecture is within all of them."""

    def add(self, costs: NDArray[np.float64], accuracy: float) -> None:
        """Record an evaluation."""


def best_within_costs(costs: int) -> BestWithinCosts:
    """An empty record for architectures with this number of costs."""
    return _Staircase() if costs == 1 else _Front(costs)


class _Staircase(BestWithinCosts):
    """For one cost: accuracy as an increasing step function of cost, searched by bisection."""

    def __init__(self) -> None:
        self._steps: list[tuple[float, float]] = []

    @override
    def best(self, costs: NDArray[np.float64]) -> float | None:
        index = bisect_right(self._steps, (costs[0], math.inf))
        return self._steps[index - 1][1] if index else None

    @override
    def add(self, costs: NDArray[np.float64], accuracy: float) -> None:
        to_beat = self.best(costs)
        if to_beat is not None and accuracy <= to_beat:
            return
        step = (float(costs[0]), accuracy)
        insort(self._steps, step)
        index = self._steps.index(step) + 1
        while index < len(self._steps) and self._steps[index][1] <= accuracy:
            del self._steps[index]


class _Front(BestWithinCosts):
    """For several costs: the non-dominated architectures, searched linearly."""

    def __init__(self, costs: int) -> None:
        self._costs = np.empty((0, costs))
        self._accuracies = np.empty(0)

    @override
    def best(self, costs: NDArray[np.float64]) -> float | None:
        affordable = self._accuracies[(self._costs <= costs).all(axis=1)]
        return float(affordable.max()) if len(affordable) else None

    @override
    def add(self, costs: NDArray[np.float64], accuracy: float) -> None:
        to_beat = self.best(costs)
        if to_beat is not None and accuracy <= to_beat:
            return
        kept = (self._accuracies > accuracy) | (self._costs < costs).any(axis=1)
        self._costs = np.vstack([self._costs[kept], costs])
        self._accuracies = np.append(self._accuracies[kept], accuracy)
