"""The search loop: ask, evaluate what is new and within the limit, tell."""

import numbers
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgenas.errors import RUN_TROUBLE, EdgenasError
from edgenas.progress import Phase, Progress, evaluations_of, silent
from edgenas.searchers.best_within_cost import best_within_costs
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

PATIENCE = 30
"""Rounds without a new architecture after which the search ends."""

SEARCH = Phase("search", "evaluations")

Evaluate = Callable[[Architecture, float | None], float]
"""Accuracy of an architecture, 0..1, given the best accuracy of those that cost no more (see `Evaluator`)."""


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
    """Run a searcher until `evaluations` distinct architectures are evaluated, or it finds no new ones.

    Architectures above the limit are told with error 1 instead of being evaluated; none is evaluated twice.

    Args:
        problem: space, latency and limit.
        searcher: a new one; see `Searcher` for how an interrupted search is resumed.
        evaluate: returns an accuracy; an `EdgenasError` it raises is recorded as a failure, unless it is that the run
            cannot be written.
        evaluations: how many distinct architectures to evaluate, including those in `known`.
        known: by id, what earlier sessions evaluated.
        commit: called after each evaluation, before the next begins.
        progress: called after each evaluation.
        out_of_time: called before each evaluation except the first; True ends the search.

    Returns:
        The distinct architectures evaluated, in the order they were first proposed. Nothing else of an evaluation
        is kept in memory.
    """
    seen: dict[Architecture, Evaluated] = {}
    evaluated = evaluations_of(progress)
    best_so_far = best_within_costs(len(problem.objectives) - 1)
    best = 0.0
    rounds_without_new = 0
    while len(seen) < evaluations and rounds_without_new < PATIENCE:
        proposed = searcher.ask()
        if not proposed:
            break
        before = len(seen)
        outcomes = []
        for architecture, costs in zip(proposed, problem.costs_of(proposed), strict=True):
            latency_ms = float(costs[0])
            excess_ms = latency_ms - problem.max_latency_ms
            if excess_ms <= 0 and architecture not in seen:
                if len(seen) == evaluations:
                    return list(seen.values())
                if (result := known.get(architecture.id)) is None:
                    if seen and out_of_time():
                        return _ended(seen, best, progress)
                    result = _evaluated(architecture, latency_ms, evaluate, best_so_far.best(costs))
                    commit(result)
                seen[architecture] = result
                if result.accuracy is not None:
                    best_so_far.add(costs, result.accuracy)
                    best = max(best, result.accuracy)
                    evaluated(latency_ms, result.accuracy)
                progress(SEARCH, len(seen), evaluations, f"best {best:.1%}")
            outcomes.append(_outcome(architecture, latency_ms, excess_ms, seen.get(architecture)))
        searcher.tell(outcomes)
        rounds_without_new = 0 if len(seen) > before else rounds_without_new + 1
    return _ended(seen, best, progress) if len(seen) < evaluations else list(seen.values())


def _ended(seen: Mapping[Architecture, Evaluated], best: float, progress: Progress) -> list[Evaluated]:
    """What a search found that ends before its number of evaluations."""
    progress(SEARCH, len(seen), len(seen), f"best {best:.1%}")
    return list(seen.values())


def _evaluated(
    architecture: Architecture, latency_ms: float, evaluate: Evaluate, to_beat: float | None
) -> Evaluated:
    start = time.monotonic()
    accuracy: float | None = None
    reason = ""
    try:
        accuracy = evaluate(architecture, to_beat)
        if not (isinstance(accuracy, numbers.Real) and 0 <= accuracy <= 1):
            accuracy, reason = None, f"the accuracy is {accuracy}, not a fraction from 0 to 1"
    except RUN_TROUBLE:
        raise
    except EdgenasError as error:
        reason = str(error)
    return Evaluated(architecture, accuracy, latency_ms, reason, time.monotonic() - start)


def _outcome(
    architecture: Architecture, latency_ms: float, excess_ms: float, result: Evaluated | None
) -> Outcome:
    accuracy = result.accuracy if result else None
    return Outcome(architecture, 1.0 if accuracy is None else 1 - accuracy, latency_ms, excess_ms)
