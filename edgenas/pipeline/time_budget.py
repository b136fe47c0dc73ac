"""A time budget, and what each phase may take of it."""

import time
from collections.abc import Mapping

SUPERNET_SHARE, SEARCH_SHARE = 0.35, 0.15
"""Of what is left of a budget once the data are loaded; finalists get what is left when they begin."""

RESERVE = 0.02
"""Share of a budget kept for export and the report."""

RESERVE_S = 2.0
"""And seconds, whatever the budget."""

LEAST_S = 0.1
"""What a budget that is spent has left: every training takes a step, and the search evaluates one architecture."""


class Budget:
    """How much time a run has, all its sessions together; without a total there is no limit.

    Args:
        total_s: the budget.
        before_s: what earlier sessions took, as far as they ended in good order.
        started_s: when this session began, by `time.monotonic`.
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
        spent_s = self._before_s + time.monotonic() - self._started_s
        return max(LEAST_S, (1 - RESERVE) * self.total_s - RESERVE_S - spent_s)


def shared(
    left_s: float, step_s: Mapping[str, float], extra_steps: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Share time so that all trainings take equally many steps, but for the extra steps of some.

    Args:
        left_s: what is shared.
        step_s: seconds of a step of each training, by id.
        extra_steps: steps that some take beyond the common number; scaled down where they would take more than
            half of what a step each leaves.

    Returns:
        Seconds of each training, by id, at least one step; and the share, 0..1, of the extra steps that is left.
    """
    each_s = sum(step_s.values())
    extra_s = {id_: steps * step_s[id_] for id_, steps in extra_steps.items()}
    scale = min(1.0, 0.5 * max(left_s - each_s, 0.0) / max(sum(extra_s.values()), 1e-9))
    steps = max(1.0, (left_s - scale * sum(extra_s.values())) / each_s)
    return {id_: steps * s + scale * extra_s.get(id_, 0.0) for id_, s in step_s.items()}, scale
