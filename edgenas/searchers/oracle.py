"""How near a search comes to the true front, where every network's figures are known.

Hypervolume (Zitzler and Thiele, IEEE TEC 1999) of two objectives, both minimised, is kept up to date as points come: a
point costs what it changes, so that the curve of a hundred thousand evaluations takes about a second.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.searchers.front import non_dominated

REFERENCE = 1.1
"""Of each objective, once the true front's ideal is 0 and its nadir 1."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found so far: share of the true front's hypervolume, and of its points; both 0..1."""

    hypervolume_ratio: float
    pareto_recall: float


class Oracle:
    """The true front of some networks.

    A front of a single point spans nothing: there an objective's own unit counts as its span.

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
        """How a search stands after each of its evaluations.

        A point of the front counts as found once an evaluated network has the same figures.

        Args:
            points: objectives of the networks evaluated, in that order, shape (n, 2); as precise as the oracle's own.
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
    for high, right in points.tolist():
        volume += staircase.add(high, right)
        yield volume


class _Dominated:
    """The edge of what points dominate: `rights` ascending, `highs` descending."""

    def __init__(self) -> None:
        self._rights: list[float] = []
        self._highs: list[float] = []

    def add(self, high: float, right: float) -> float:
        """Add a point; the area it adds up to the reference."""
        if high >= REFERENCE or right >= REFERENCE:
            return 0.0
        rights, highs = self._rights, self._highs
        place = bisect_left(rights, right)
        ceiling = highs[place - 1] if place else REFERENCE
        if ceiling <= high or (place < len(rights) and rights[place] == right and highs[place] <= high):
            return 0.0
        gained, left, end = 0.0, right, place
        while end < len(rights) and highs[end] >= high:
            gained += (rights[end] - left) * (ceiling - high)
            left, ceiling, end = rights[end], highs[end], end + 1
        gained += ((rights[end] if end < len(rights) else REFERENCE) - left) * (ceiling - high)
        rights[place:end], highs[place:end] = [right], [high]
        return gained
