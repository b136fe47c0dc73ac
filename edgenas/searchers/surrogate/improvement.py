"""Expected gain of hypervolume by an architecture of which only the error is uncertain."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Floats = NDArray[np.float64]

MARGIN = 0.3
"""Distance of the reference point beyond the front's worst values, as a share of the front's span."""

SLICES = 128
"""Number of sampled costs when there is more than one cost objective."""


class Improvement:
    """Expected improvement of a front's hypervolume (Emmerich et al., 2006), all costs being known.

    Hypervolume is the sum, over slices of cost, of how far the best error within that cost lies below the reference.
    With one cost, the slices are exactly the steps of the front; with several they are sampled.

    Args:
        errors: of the evaluated architectures, shape (n,).
        costs: of the same, shape (n, costs).
        corner: upper bounds of the costs, shape (costs,).
    """

    def __init__(self, errors: Floats, costs: Floats, corner: Floats) -> None:
        self._evaluated = errors, costs
        self._corner = corner
        if costs.shape[1] == 1:
            self._take_steps(errors, costs[:, 0])
        else:
            self._take_slices(errors, costs)

    def of(self, samples: Floats, weights: Floats, costs: Floats) -> Floats:
        """Expected gain of candidates.

        Args:
            samples: possible errors of each, shape (n, samples).
            weights: of the samples, shape (samples,), of sum 1.
            costs: shape (n, costs).

        Returns:
            Shape (n,).
        """
        gain = np.zeros(len(samples))
        for level, width in zip(self._levels, self._widths(costs).T, strict=True):
            affected = width > 0
            gain[affected] += width[affected] * (np.maximum(level - samples[affected], 0) @ weights)
        return gain

    def after(self, error: float, costs: Floats) -> "Improvement":
        """The improvement once an architecture of this error and these costs is added."""
        errors, known = self._evaluated
        return Improvement(np.append(errors, error), np.vstack([known, costs]), self._corner)

    def _take_steps(self, errors: Floats, costs: Floats) -> None:
        order = np.lexsort([errors, costs])
        best = np.minimum.accumulate(errors[order])
        steps = order[np.flatnonzero(np.diff(best, prepend=np.inf) < 0)]
        self._starts = costs[steps]
        self._margin = MARGIN * (float(np.ptp(self._starts)) or float(self._corner[0]))
        reference = errors[steps[0]] + MARGIN * np.ptp(errors[steps])
        self._levels = np.array([reference, *errors[steps]])

    def _take_slices(self, errors: Floats, costs: Floats) -> None:
        low = costs.min(0)
        points = qmc.Sobol(costs.shape[1], scramble=False).random(SLICES)
        points[0] = 1  # instead of the origin: beyond all costs, so that the best error overall counts
        self._slices = low + points * (1 + MARGIN) * (self._corner - low)
        within = (costs <= self._slices[:, None]).all(2)
        self._levels = np.where(within, errors, errors.max()).min(1)

    def _widths(self, costs: Floats) -> Floats:
        """Width of each slice that lies beyond a candidate's costs, shape (n, slices)."""
        if costs.shape[1] > 1:
            within: Floats = (costs[:, None] <= self._slices).all(2).astype(float)
            return within
        # A candidate that costs more than the whole front but is better still gains: the reference moves with it.
        end = np.maximum(self._starts[-1], costs) + self._margin
        begins = np.maximum(np.append(-np.inf, self._starts), costs)
        ends = np.concatenate([np.broadcast_to(self._starts, (len(costs), len(self._starts))), end], axis=1)
        widths: Floats = np.maximum(ends - begins, 0)
        return widths
