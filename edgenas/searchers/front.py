"""Fronts: non-dominated points, the hypervolume they dominate, and a few points spread along them."""

import moocore
import numpy as np
from numpy.typing import NDArray


def non_dominated(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of the non-dominated points, all objectives minimised.

    Args:
        points: shape (n, objectives), no NaN. Of several equal points the first is kept.

    Returns:
        Indices, shape (front,), sorted by the second objective, then by those after it, then by the first.
    """
    front = np.flatnonzero(moocore.is_nondominated(points))
    return front[_order(points[front])]


def hypervolume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Share, 0..1, of the box from the origin to `reference` that the points dominate (Zitzler and Thiele 1999).

    Args:
        points: shape (n, objectives), non-negative, minimised; points beyond the reference add nothing.
        reference: shape (objectives,), positive.
    """
    if len(points) == 0:
        return 0.0
    return float(moocore.hypervolume(points / reference, ref=np.ones(len(reference))))


def leaders(points: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Choose `count` points spread along the front; see `ranked_leaders`.

    Returns:
        Indices, sorted as those of `non_dominated`.
    """
    chosen = np.array(ranked_leaders(points, count), np.int64)
    return chosen[_order(points[chosen])]


def ranked_leaders(points: NDArray[np.float64], count: int) -> list[int]:
    """Choose `count` points spread along the front; if it is too short, also from the fronts behind it.

    Accuracies are noisy: architectures just behind a short front are worth training too.

    Args:
        points: shape (n, objectives), minimised, no NaN.
        count: how many to choose; all when there are fewer.

    Returns:
        Indices, most important first: the first k are those that would be chosen if `count` were k.
    """
    remaining = np.arange(len(points))
    chosen: list[int] = []
    while len(chosen) < count and len(remaining):
        layer = remaining[non_dominated(points[remaining])]
        chosen += [int(layer[i]) for i in spread(points[layer], count - len(chosen))]
        remaining = np.setdiff1d(remaining, layer)
    return chosen


def spread(points: NDArray[np.float64], count: int) -> list[int]:
    """Choose points spread along a front: first the least in the first objective, then the farthest from those chosen.

    Each objective is scaled to 0..1 over the front before distances are computed.

    Args:
        points: the front, shape (n, objectives), no two the same.
        count: how many to choose; all when there are fewer.

    Returns:
        Indices in the order of choice.
    """
    if len(points) == 0:
        return []
    span = np.ptp(points, axis=0)
    scaled = (points - points.min(0)) / np.where(span > 0, span, 1)
    chosen = [int(points[:, 0].argmin())]
    while len(chosen) < min(count, len(points)):
        gaps = np.linalg.norm(scaled[:, None] - scaled[None, chosen], axis=2).min(1)
        chosen.append(int(gaps.argmax()))
    return chosen


def _order(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sort by the second objective (a problem's latency), ties by the next ones, finally by the first."""
    return np.lexsort(np.roll(points, -1, axis=1).T[::-1])
