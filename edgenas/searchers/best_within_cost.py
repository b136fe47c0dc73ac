"""The best accuracy among evaluated architectures that cost no more: what a new one has to beat."""

import math
from bisect import bisect_right, insort
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override


class BestWithinCosts(Protocol):
    """Evaluated architectures; one that costs no less and is no more accurate than another is dropped."""

    def best(self, costs: NDArray[np.float64]) -> float | None:
        """The best accuracy of those that cost at most so much, shape (costs,), of each; None when there is none."""

    def add(self, costs: NDArray[np.float64], accuracy: float) -> None:
        """Take note of an evaluation."""


def best_within_costs(costs: int) -> BestWithinCosts:
    """None yet, to be compared in so many costs."""
    return _Staircase() if costs == 1 else _Front(costs)


class _Staircase(BestWithinCosts):
    """For one cost: steps that lead up, found by bisection."""

    def __init__(self) -> None:
        self._steps: list[tuple[float, float]] = []

    @override
    def best(self, costs: NDArray[np.float64]) -> float | None:
        place = bisect_right(self._steps, (costs[0], math.inf))
        return self._steps[place - 1][1] if place else None

    @override
    def add(self, costs: NDArray[np.float64], accuracy: float) -> None:
        to_beat = self.best(costs)
        if to_beat is not None and accuracy <= to_beat:
            return
        step = (float(costs[0]), accuracy)
        insort(self._steps, step)
        place = self._steps.index(step) + 1
        while place < len(self._steps) and self._steps[place][1] <= accuracy:
            del self._steps[place]


class _Front(BestWithinCosts):
    """For several costs: all that no other beats, looked through one and all."""

    def __init__(self, costs: int) -> None:
        self._costs = np.empty((0, costs))
        self._accuracies = np.empty(0)

    @override
    def best(self, costs: NDArray[np.float64]) -> float | None:
        as_cheap = self._accuracies[(self._costs <= costs).all(axis=1)]
        return float(as_cheap.max()) if len(as_cheap) else None

    @override
    def add(self, costs: NDArray[np.float64], accuracy: float) -> None:
        to_beat = self.best(costs)
        if to_beat is not None and accuracy <= to_beat:
            return
        kept = (self._accuracies > accuracy) | (self._costs < costs).any(axis=1)
        self._costs = np.vstack([self._costs[kept], costs])
        self._accuracies = np.append(self._accuracies[kept], accuracy)
