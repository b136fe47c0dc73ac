"""How close a search comes to the true front, where the figures of every network are known.

Hypervolume (Zitzler and Thiele, IEEE TEC 1999) of two objectives, both minimised, is updated incrementally: a point
costs only what it changes, so that the curve of a hundred thousand evaluations takes about a second.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.searchers.front import non_dominated

REFERENCE = 1.1
"""Reference point in each objective, with the true front's ideal at 0 and its nadir at 1."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Progress so far: share of the true front's hypervolume, and of its points; both 0..1."""

    hypervolume_ratio: float
    pareto_recall: float


class Oracle:
    """The true front of a set of networks.

    Where the front spans nothing (a single point), the span of an objective is taken as 1 of its unit.

    Args:
        points: objectives of every network, shape (n, 2), no NaN; n at least 1.

    Attributes:
        front: points that no other one dominates, each once, shape (front, 2), ascending by the second.
        hypervolume: of the front, normalised by its ideal and nadir, reference point `REFERENCE` in each.
    """

    def __init__(self, points: NDArray[np.float64]) -> None:
        self.front = points[non_dominated(points)]
        self._ideal = self.front.min(0)
        span = np.ptp(self.front, axis=0)
        self._span = np.where(span > 0, span, 1.0)
        self.hypervolume = list(_hypervolumes(self._normalised(self.front)))[-1]

    def standings(self, points: NDArray[np.float64]) -> Iterator[Standing]:
        """Progress of a search after each of its evaluations.

        A point of the front counts as found once an evaluated network has the same figures.

        Args:
            points: objectives of the evaluated networks, in order, shape (n, 2); as precise as the oracle's points.
        """
        missing = set(map(tuple, self.front.tolist()))
        volumes = _hypervolumes(self._normalised(points))
        for point, volume in zip(points.tolist(), volumes, strict=True):
            missing.discard(tuple(point))
            # The two sums may differ in their last digits.
            yield Standing(min(volume / self.hypervolume, 1.0), 1 - len(missing) / len(self.front))

    def _normalised(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((points - self._ideal) / self._span)


def _hypervolumes(points: NDArray[np.float64]) -> Iterator[float]:
    """Hypervolume of the first point, the first two, and so on."""
    staircase = _Dominated()
    volume = 0.0
    for error, cost in points.tolist():
        volume += staircase.add(error, cost)
        yield volume


class _Dominated:
    """The boundary of the dominated region: costs ascending, errors descending."""

    def __init__(self) -> None:
        self._costs: list[float] = []
        self._errors: list[float] = []

    def add(self, error: float, cost: float) -> float:
        """Add a point and return the area it adds, up to the reference."""
        if error >= REFERENCE or cost >= REFERENCE:
            return 0.0
        costs, errors = self._costs, self._errors
        place = bisect_left(costs, cost)
        ceiling = errors[place - 1] if place else REFERENCE
        if ceiling <= error or (place < len(costs) and costs[place] == cost and errors[place] <= error):
            return 0.0
        gained, left, end = 0.0, cost, place
        while end < len(costs) and errors[end] >= error:
            gained += (costs[end] - left) * (ceiling - error)
            left, ceiling, end = costs[end], errors[end], end + 1
        gained += ((costs[end] if end < len(costs) else REFERENCE) - left) * (ceiling - error)
        costs[place:end], errors[place:end] = [cost], [error]
        return gained
