"""A time budget and its division among the phases."""

import time
from collections.abc import Mapping

SUPERNET_SHARE, SEARCH_SHARE = 0.35, 0.15
"""Shares of the budget left once the data are loaded; finalists get what is left when they start."""

LARGEST_FIRST_SHARE = 0.4
"""Share of the supernet's time in which only its largest network is trained, where that comes first: five epochs of
1,200 images within a budget of 15 minutes on two cores; see benchmarks.md, "Training from pretrained weights"."""

RESERVE = 0.02
"""Share of a budget reserved for export and the report."""

RESERVE_S = 2.0
"""Seconds reserved in addition, whatever the budget."""

LEAST_S = 0.1
"""Seconds that an exhausted budget still grants: a training takes one step, a search makes one evaluation."""


class Budget:
    """The time a run may take, over all its sessions.

    Args:
        total_s: the budget; None for no limit.
        before_s: time taken by earlier sessions, except those that were killed.
        started_s: when this session started, by `time.monotonic`.
    """

    def __init__(self, total_s: float | None, before_s: float, started_s: float) -> None:
        self.total_s = total_s
        self._before_s = before_s
        self._started_s = started_s

    @property
    def left_s(self) -> float:
        """Seconds left, less the reserve, at least `LEAST_S`; infinite without a limit."""
        if self.total_s is None:
            return float("inf")
        return max(LEAST_S, (1 - RESERVE) * self.total_s - RESERVE_S - self._spent_s)

    def is_spent(self) -> bool:
        """Whether nothing is left, not even of the reserve."""
        return self.total_s is not None and self._spent_s >= self.total_s

    @property
    def _spent_s(self) -> float:
        return self._before_s + time.monotonic() - self._started_s


def split_time(
    left_s: float, step_s: Mapping[str, float], extra_steps: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Divide time so that all trainings take the same number of steps, apart from the extra steps of some.

    Args:
        left_s: the time to divide.
        step_s: seconds per step of each training, by id.
        extra_steps: steps of some trainings beyond the common number; scaled down if they would take more than half of
            the time that remains after one step each.

    Returns:
        Seconds of each training, by id, at least one step; and the share, 0..1, of the extra steps that is granted.
    """
    each_s = sum(step_s.values())
    extra_s = {id_: steps * step_s[id_] for id_, steps in extra_steps.items()}
    scale = min(1.0, 0.5 * max(left_s - each_s, 0.0) / max(sum(extra_s.values()), 1e-9))
    steps = max(1.0, (left_s - scale * sum(extra_s.values())) / each_s)
    return {id_: steps * s + scale * extra_s.get(id_, 0.0) for id_, s in step_s.items()}, scale
