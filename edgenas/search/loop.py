"""The search loop: ask, evaluate what is new and fast enough, tell."""

import math
import time
from bisect import bisect_right, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgenas.errors import EdgenasError
from edgenas.progress import Progress, silent
from edgenas.search.problem import Problem
from edgenas.search.searcher import Outcome, Searcher
from edgenas.space import Architecture

PATIENCE = 30
"""Rounds without a single new architecture after which a space counts as exhausted."""

Evaluate = Callable[[Architecture, float | None], float]
"""Accuracy of an architecture, 0..1, given the best accuracy of those as fast (see `Evaluator`)."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluated architecture; `accuracy` is None when evaluating failed, for the `reason` given."""

    architecture: Architecture
    accuracy: float | None
    latency_ms: float
    reason: str = ""
    seconds: float = 0.0


def search(
    problem: Problem,
    searcher: Searcher,
    evaluate: Evaluate,
    evaluations: int,
    known: Mapping[str, Evaluated],
    commit: Callable[[Evaluated], None],
    progress: Progress = silent,
    out_of_time: Callable[[], bool] = lambda: False,
) -> list[Evaluated]:
    """Run a searcher until it has seen `evaluations` distinct architectures, or finds no new ones.

    Architectures above the limit are told but never evaluated; none is evaluated twice.

    Args:
        problem: space, latency and limit.
        searcher: fresh; see `Searcher` for how an interrupted search is resumed.
        evaluate: gives an accuracy; an `EdgenasError` it raises is recorded as a failure.
        evaluations: how many distinct architectures to evaluate, known ones counted.
        known: by id, what an earlier session evaluated.
        commit: called after each evaluation, before the next begins.
        progress: told about each evaluation.
        out_of_time: asked before each evaluation but the first; ends the search.

    Returns:
        The distinct architectures evaluated, in the order they were first asked for.
    """
    seen: dict[str, Evaluated] = {}
    rivals = _Rivals()
    idle = 0
    while len(seen) < evaluations and idle < PATIENCE:
        asked = searcher.ask()
        if not asked:
            break
        before = len(seen)
        outcomes = []
        for architecture in asked:
            latency_ms = problem.latency_ms(architecture)
            excess_ms = latency_ms - problem.max_latency_ms
            if excess_ms <= 0 and architecture.id not in seen:
                if len(seen) == evaluations:
                    return list(seen.values())
                if (result := known.get(architecture.id)) is None:
                    if seen and out_of_time():
                        return list(seen.values())
                    result = _evaluated(architecture, latency_ms, evaluate, rivals.best(latency_ms))
                    commit(result)
                seen[architecture.id] = result
                rivals.add(result)
                progress("search", len(seen), evaluations, f"best {rivals.best(math.inf) or 0:.1%}")
            outcomes.append(_outcome(architecture, latency_ms, excess_ms, seen.get(architecture.id)))
        searcher.tell(outcomes)
        idle = 0 if len(seen) > before else idle + 1
    return list(seen.values())


class _Rivals:
    """The most accurate architecture for any latency, kept as the steps of a staircase."""

    def __init__(self) -> None:
        self._steps: list[tuple[float, float]] = []

    def best(self, latency_ms: float) -> float | None:
        """The best accuracy of those that take at most so long; None when there is none."""
        place = bisect_right(self._steps, (latency_ms, math.inf))
        return self._steps[place - 1][1] if place else None

    def add(self, result: Evaluated) -> None:
        """Take note of an evaluation."""
        rival = self.best(result.latency_ms)
        if result.accuracy is None or (rival is not None and result.accuracy <= rival):
            return
        step = (result.latency_ms, result.accuracy)
        insort(self._steps, step)
        place = self._steps.index(step) + 1
        while place < len(self._steps) and self._steps[place][1] <= step[1]:
            del self._steps[place]


def _evaluated(
    architecture: Architecture, latency_ms: float, evaluate: Evaluate, rival: float | None
) -> Evaluated:
    start = time.monotonic()
    accuracy: float | None = None
    reason = ""
    try:
        accuracy = evaluate(architecture, rival)
        if not math.isfinite(accuracy):
            accuracy, reason = None, f"the accuracy is {accuracy}"
    except EdgenasError as error:
        reason = str(error)
    return Evaluated(architecture, accuracy, latency_ms, reason, time.monotonic() - start)


def _outcome(
    architecture: Architecture, latency_ms: float, excess_ms: float, result: Evaluated | None
) -> Outcome:
    accuracy = result.accuracy if result else None
    return Outcome(architecture, 1.0 if accuracy is None else 1 - accuracy, latency_ms, excess_ms)
