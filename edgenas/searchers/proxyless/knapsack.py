"""The exact best combination of independent choices within a budget: the multiple-choice knapsack problem.

A table over a grid of costs bounds the value of completing a partial assignment; a best-first search (Hart, Nilsson
and Raphael 1968) guided by these bounds goes almost straight to the optimum and checks true costs. The problem is
that of Sinha and Zoltners (Operations Research 1979), with a lower bound on the cost.
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
    """Choose one option per variable, maximising the sum of values with the sum of costs in [floor, limit].

    Costs are summed from 0.0 in the order of the variables in double precision, as in
    `LatencyPredictor.predict_encoded` if a first variable with a single choice costs `fixed_ms`. Both bounds are
    inclusive, without tolerance. Values are rounded to about 2e-16 of the largest possible sum before they are summed;
    ties are broken deterministically.

    Time grows with the assignments that fit the grid but not the window: milliseconds if the window is wide compared
    with one grid step per variable, but possibly exponential for a narrower window that hardly any assignment hits.

    Args:
        values: of each variable's choices, shape (choices,), no NaN; -inf excludes a choice.
        costs: of the same, finite; a calibration may make some negative.
        limit: the largest sum of costs; inf for no limit.
        floor: the smallest sum of costs.

    Returns:
        The choice of each variable, shape (variables,); None where no assignment fits.
    """
    exact = _summable(values)
    bounds = _Bounds(exact, costs, limit, floor)
    options = [list(zip(v.tolist(), c.tolist(), strict=True)) for v, c in zip(exact, costs, strict=True)]
    best_of: dict[tuple[int, float], float] = {}
    # By bound, then longest first: otherwise many assignments of equal value would be expanded before one is complete.
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
    """Upper bounds of the value of partial assignments that can be completed between floor and limit.

    Costs are relative to the cheapest choice, in steps rounded down; the remaining budget is rounded up. Each variable
    thus loosens the bound by less than a step, and no feasible assignment is excluded.
    """

    def __init__(self, values: Sequence[Floats], costs: Sequence[Floats], limit: float, floor: float) -> None:
        cheapest, dearest = ([float(end(each)) for each in costs] for end in (np.min, np.max))
        self._least_left = np.append(np.cumsum(cheapest[::-1])[::-1], 0.0).tolist()
        self._limit = min(limit, sum(dearest))
        # The second bound is large compared with rounding errors of the sums; the third handles costs of 0.
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
        """The bound once the first `done` variables are chosen; -inf if no completion is feasible."""
        left = (self._limit - cost - self._least_left[done]) / self._step
        return value + float(self._table[done, int(left) + 1]) if left >= -1 else -math.inf


def _summable(values: Sequence[Floats]) -> list[Floats]:
    """Round to multiples of a power of two whose sums are exact in double precision: ties remain ties in any order."""
    largest = sum(np.abs(each[np.isfinite(each)]).max(initial=0.0) for each in values)
    unit = 2.0 ** max(math.frexp(largest)[1] - 52, -1000)
    return [np.round(each / unit) * unit for each in values]
