"""How much hypervolume an architecture promises, when only its error is uncertain."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

Floats = NDArray[np.float64]

MARGIN = 0.3
"""How far behind the front's worst the reference lies, as a share of what the front spans."""

SLICES = 128
"""Costs that hypervolume is sampled at where there is more than one cost."""


class Improvement:
    """Expected improvement of a front's hypervolume (Emmerich et al., 2006), all costs being known.

    Hypervolume is the sum, over slices of cost, of how far the best error that may cost so much lies below the
    reference. With one cost the slices are the steps of the front, exactly; with more they are sampled.

    Args:
        errors: of what was evaluated, shape (n,).
        costs: of the same, shape (n, costs).
        corner: the greatest costs there are, shape (costs,).
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
            samples: errors each may have, shape (n, samples).
            weights: of the samples, shape (samples,), in all 1.
            costs: shape (n, costs).

        Returns:
            Shape (n,).
        """
        gain = np.zeros(len(samples))
        for level, width in zip(self._levels, self._widths(costs).T, strict=True):
            reached = width > 0
            gain[reached] += width[reached] * (np.maximum(level - samples[reached], 0) @ weights)
        return gain

    def after(self, error: float, costs: Floats) -> "Improvement":
        """What is left to gain once something of that error and those costs was evaluated."""
        errors, known = self._evaluated
        return Improvement(np.append(errors, error), np.vstack([known, costs]), self._corner)

    def _take_steps(self, errors: Floats, costs: Floats) -> None:
        order = np.lexsort([errors, costs])
        best = np.minimum.accumulate(errors[order])
        steps = order[np.flatnonzero(np.diff(best, prepend=np.inf) < 0)]
        self._starts = costs[steps]
        self._room = MARGIN * (float(np.ptp(self._starts)) or float(self._corner[0]))
        reference = errors[steps[0]] + MARGIN * np.ptp(errors[steps])
        self._levels = np.array([reference, *errors[steps]])

    def _take_slices(self, errors: Floats, costs: Floats) -> None:
        low = costs.min(0)
        points = qmc.Sobol(costs.shape[1], scramble=False).random(SLICES)
        points[0] = 1  # instead of the origin: beyond all that costs, so that what is best of all counts
        self._slices = low + points * (1 + MARGIN) * (self._corner - low)
        within = (costs <= self._slices[:, None]).all(2)
        self._levels = np.where(within, errors, errors.max()).min(1)

    def _widths(self, costs: Floats) -> Floats:
        """How much of each slice a candidate's costs lie before, shape (n, slices)."""
        if costs.shape[1] > 1:
            within: Floats = (costs[:, None] <= self._slices).all(2).astype(float)
            return within
        # What costs more than the whole front still gains where it is better: the reference moves along.
        end = np.maximum(self._starts[-1], costs) + self._room
        begins = np.maximum(np.append(-np.inf, self._starts), costs)
        ends = np.concatenate([np.broadcast_to(self._starts, (len(costs), len(self._starts))), end], axis=1)
        widths: Floats = np.maximum(ends - begins, 0)
        return widths
