"""How a search progressed: the hypervolume that the evaluated architectures dominate, over evaluations and time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgenas.searchers.front import hypervolume
from edgenas.storage.run_store import Evaluation

MOMENTS = 150
"""Points of the curve at most."""


@dataclass(frozen=True)
class HypervolumeCurve:
    """One value for each of some evaluations, the last one included.

    Args:
        evaluations: how many had been made.
        seconds: of evaluating, summed up; without training and pauses.
        hypervolume: share, 0..1, of the box (error 0..1) x (latency 0..limit) that was dominated.
    """

    evaluations: tuple[int, ...]
    seconds: tuple[float, ...]
    hypervolume: tuple[float, ...]


def hypervolume_curve(rows: Sequence[Evaluation], limit_ms: float) -> HypervolumeCurve | None:
    """The curve of a search for accuracy and latency; None for fewer than two evaluations.

    Args:
        rows: evaluations in the order they were made.
        limit_ms: the latency limit.
    """
    if len(rows) < 2:
        return None
    points = np.array([[1 - (row.accuracy or 0.0), row.latency.predicted] for row in rows])
    seconds = np.cumsum([row.seconds for row in rows])
    counts = np.unique(np.linspace(1, len(rows), min(len(rows), MOMENTS)).round().astype(int)).tolist()
    corner = np.array([1.0, limit_ms])
    return HypervolumeCurve(
        tuple(counts),
        tuple(float(seconds[count - 1]) for count in counts),
        tuple(hypervolume(points[:count], corner) for count in counts),
    )
