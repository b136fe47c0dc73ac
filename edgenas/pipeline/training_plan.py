"""Which final models a time budget allows."""

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edgenas.pipeline.final_model import FinalModel

TRAINING_SHARE = 0.5
"""Least share of the time left that is for training: the least important models are left out where evaluations and fits
of classifiers would take more than the rest."""

TIMING_SHARE = 0.05
"""Share of the time left after which no more networks are timed for the plan."""

LEAST_PART = 0.5
"""A model is left out if less than this part of the time planned for it is left, as where the machine became slower."""

HALVINGS = 20
"""Of the range in which the factor of trainings that workers share lies."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Costs:
    """What a model costs: seconds of a training step, and of everything beside training."""

    step_s: float
    beside_s: float

    def scaled(self, factor: float) -> "Costs":
        """The costs of a network with so many times the operations."""
        return Costs(factor * self.step_s, factor * self.beside_s)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """Seconds of training, and of everything beside it, by id of the models that are trained."""

    seconds: Mapping[str, float]
    beside_s: Mapping[str, float]

    def is_too_late(self, id_: str, left_s: float) -> bool:
        """Whether too little time is left for a model."""
        return left_s < LEAST_PART * (self.seconds[id_] + self.beside_s[id_])


def by_importance(finalists: Sequence[FinalModel], baselines: Sequence[FinalModel]) -> list[FinalModel]:
    """Finalists and baselines in turn, so that a budget that does not suffice leaves out some of either."""
    pairs = itertools.zip_longest(finalists, baselines)
    return [each for pair in pairs for each in pair if each is not None]


def timed_costs(
    models: Sequence[T], macs: Callable[[T], int], time: Callable[[T], Costs], may_go_on: Callable[[], bool]
) -> Iterator[Costs]:
    """The costs of each model, timed while there is time to, then in proportion to the operations of those timed.

    Args:
        models: most important first; the first is always timed.
        macs: multiply-accumulates of a model.
        time: times one.
        may_go_on: whether another one may be timed.
    """
    timed: list[Costs] = []
    operations = 0
    for model in models:
        if not timed or may_go_on():
            timed.append(time(model))
            operations += macs(model)
            yield timed[-1]
        else:
            total = Costs(sum(each.step_s for each in timed), sum(each.beside_s for each in timed))
            yield total.scaled(macs(model) / operations)


def affordable(costs: Mapping[str, Costs], left_s: float) -> dict[str, Costs]:
    """The models that leave enough time for training.

    Args:
        costs: of each model, by id, most important first; the first is always among them.
        left_s: seconds for all that is done.
    """
    found: dict[str, Costs] = {}
    beside_s = 0.0
    for id_, cost in costs.items():
        beside_s += cost.beside_s
        if found and beside_s > (1 - TRAINING_SHARE) * left_s:
            break
        found[id_] = cost
    return found


def shared_out(
    seconds: dict[str, float], beside_s: Mapping[str, float], workers: int, left_s: float
) -> dict[str, float]:
    """Seconds of trainings, shortened by one factor until several workers are done in time.

    Args:
        seconds: of each training, by id, in the order in which they begin.
        beside_s: of everything beside it.
        workers: each takes the next training when it is done with one.
        left_s: seconds for all.
    """

    def span_s(factor: float) -> float:
        free_at = [0.0] * workers
        for id_, training_s in seconds.items():
            heapq.heappush(free_at, heapq.heappop(free_at) + factor * training_s + beside_s[id_])
        return max(free_at)

    if workers == 1 or span_s(1.0) <= left_s:  # one process fills the time as it is
        return seconds
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if span_s(middle) <= left_s else (low, middle)
    return {id_: low * training_s for id_, training_s in seconds.items()}
