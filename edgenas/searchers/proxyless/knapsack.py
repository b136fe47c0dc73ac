"""The best of independent choices within a budget, exactly: the multiple-choice knapsack.

A table over a grid of costs bounds what an assignment begun can still be worth; a best-first search (Hart, Nilsson
and Raphael 1968) led by those bounds goes nearly straight to the best one and compares its true cost. The problem is
that of Sinha and Zoltners (Operations Research 1979), with a floor.
"""

import heapq
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEPS = 2**15
"""Steps of the cost grid, from the cheapest assignment to the limit; 21 variables of 7 choices take 3 ms."""


def best_within(
    values: Sequence[Floats], costs: Sequence[Floats], limit: float, floor: float = -math.inf
) -> NDArray[np.int64] | None:
    """Choose for each variable, with the largest sum of values among all whose sum of costs is in [floor, limit].

    A sum of costs is what adding them to 0.0 in the order of the variables gives in double precision, as in
    `LatencyPredictor.predict_encoded` when a first variable of one choice costs `fixed_ms`. Both ends count, without
    tolerance. Sums of values are compared after rounding each value to about 2e-16 of the largest possible sum; of
    equal sums always the same one is chosen.

    The time grows with the assignments that fit the grid and not the window: milliseconds where the window is wide
    against a step for each variable, but possibly exponential for a narrower one that hardly any assignment hits.

    Args:
        values: of each variable's choices, shape (choices,), no NaN; -inf is a choice never taken.
        costs: of the same, finite; a calibration may make some negative.
        limit: the largest sum of costs; inf for none.
        floor: the least one.

    Returns:
        The choice of each variable, shape (variables,); None where no assignment fits.
    """
    exact = _summable(values)
    bounds = _Bounds(exact, costs, limit, floor)
    options = [list(zip(v.tolist(), c.tolist(), strict=True)) for v, c in zip(exact, costs, strict=True)]
    best_of: dict[tuple[int, float], float] = {}
    # By bound; of equal ones the longest, or many assignments of one value would all be begun before one is ended.
    queue: list[tuple[float, int, tuple[int, ...], float, float]] = [(-math.inf, 0, (), 0.0, 0.0)]
    while queue:
        _, minus_done, chosen, value, cost = heapq.heappop(queue)
        done = -minus_done
        if done == len(options):
            if floor <= cost <= limit:
                return np.array(chosen, np.int64)
            continue
        if best_of.get((done, cost), -math.inf) >= value:
            continue
        best_of[done, cost] = value
        for choice, (more_value, more_cost) in enumerate(options[done]):
            reached = value + more_value, cost + more_cost
            bound = bounds.of(done + 1, *reached)
            if bound > -math.inf:
                heapq.heappush(queue, (-bound, minus_done - 1, (*chosen, choice), *reached))
    return None


class _Bounds:
    """What an assignment begun can be worth at most, its end within the limit and above the floor.

    Costs are counted above the cheapest choice's, in steps rounded down; what is left to spend is rounded up. So each
    variable loosens the bound by less than a step, and nothing that fits is ruled out.
    """

    def __init__(self, values: Sequence[Floats], costs: Sequence[Floats], limit: float, floor: float) -> None:
        cheapest, dearest = ([float(end(each)) for each in costs] for end in (np.min, np.max))
        self._least_left = np.append(np.cumsum(cheapest[::-1])[::-1], 0.0).tolist()
        self._limit = min(limit, sum(dearest))
        # Next to the second, rounding errors of the sums are small; the third is for costs of 0.
        largest = sum(map(max, map(abs, cheapest), map(abs, dearest)))
        self._step = max((self._limit - self._least_left[0]) / STEPS, 1e-12 * largest, 1e-300)
        size = STEPS + 2
        self._table = np.full((len(costs) + 1, size), -math.inf)
        most_left = np.clip((self._limit - floor) / self._step + len(costs) + 2, -1, size)
        self._table[-1, : int(most_left) + 1] = 0.0
        for i in reversed(range(len(costs))):
            spent = np.floor((costs[i] - cheapest[i]) / self._step).clip(max=size).astype(np.int64)
            after, here = self._table[i + 1], self._table[i]
            for value, steps in zip(values[i], spent, strict=True):
                np.maximum(here[steps:], after[: size - steps] + value, out=here[steps:])

    def of(self, done: int, value: float, cost: float) -> float:
        """The bound once the first `done` variables are chosen; -inf where no end can fit."""
        left = (self._limit - cost - self._least_left[done]) / self._step
        return value + float(self._table[done, int(left) + 1]) if left >= -1 else -math.inf


def _summable(values: Sequence[Floats]) -> list[Floats]:
    """Round to multiples of a power of two that double precision adds without error: ties stay ties in any order."""
    largest = sum(np.abs(each[np.isfinite(each)]).max(initial=0.0) for each in values)
    unit = 2.0 ** max(math.frexp(largest)[1] - 52, -1000)
    return [np.round(each / unit) * unit for each in values]
