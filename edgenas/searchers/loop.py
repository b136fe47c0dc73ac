"""The search loop: ask, evaluate what is new and within the limit, tell."""

import numbers
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import RUN_TROUBLE, EdgenasError, WorkerError
from edgenas.progress import Phase, Progress, evaluations_of, silent
from edgenas.searchers.best_within_cost import best_within_costs
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture
from edgenas.workers.executor import InThisProcess

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
    executor: Executor | None = None,
    at_once: int = 1,
) -> list[Evaluated]:
    """Run a searcher until `evaluations` distinct architectures are evaluated, or it finds no new ones.

    Architectures above the limit are told with error 1 instead of being evaluated; none is evaluated twice. Outcomes
    are told in the order of the proposals, and nothing else depends on which evaluation ends first: a search is
    determined by its seed, its evaluations and `at_once`.

    Args:
        problem: space, latency and limit.
        searcher: a new one; see `Searcher` for how an interrupted search is resumed.
        evaluate: returns an accuracy; an `EdgenasError` it raises is recorded as a failure, unless it is that the run
            cannot be written.
        evaluations: how many distinct architectures to evaluate, including those in `known`.
        known: by id, what earlier sessions evaluated.
        commit: called after each evaluation; if one is made at a time, before the next begins.
        progress: called after each evaluation, in the order of the proposals.
        out_of_time: called before each evaluation except the first; True ends the search.
        executor: where to evaluate; None for this process.
        at_once: how many evaluations may be under way.

    Returns:
        The distinct architectures evaluated, in the order they were first proposed. Nothing else of an evaluation
        is kept in memory.
    """
    loop = _Loop(problem, searcher, evaluations, commit, progress, at_once)
    executor = executor or InThisProcess()
    while (proposal := loop.next_new()) is not None:
        loop.make_room()
        architecture = proposal.architecture
        if (result := known.get(architecture.id)) is not None:
            loop.begin(proposal, result)
        elif loop.has_begun and out_of_time():
            break
        else:
            to_beat = loop.best_so_far(proposal.costs)
            loop.begin(proposal, executor.submit(_evaluated, evaluate, architecture, to_beat))
    return loop.ended()


@dataclass(frozen=True, slots=True)
class _Proposal:
    """What a searcher proposed, and its costs, shape (costs,), the latency in ms first."""

    architecture: Architecture
    costs: NDArray[np.float64]

    @property
    def latency_ms(self) -> float:
        return float(self.costs[0])


@dataclass(frozen=True, slots=True)
class _Made:
    """An evaluation as it was made, wherever that was."""

    accuracy: float | None
    reason: str
    seconds: float


def _evaluated(evaluate: Evaluate, architecture: Architecture, to_beat: float | None) -> _Made:
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
    return _Made(accuracy, reason, time.monotonic() - start)


class _UnderWay:
    """An evaluation that has begun, or is known from an earlier session."""

    def __init__(self, proposal: _Proposal, outcome: "Evaluated | Future[_Made]") -> None:
        self.proposal = proposal
        self.result = outcome if isinstance(outcome, Evaluated) else None
        self.future = None if isinstance(outcome, Evaluated) else outcome

    def finish(self) -> Evaluated:
        """The result of the future, which is done.

        Raises:
            EdgenasError: the run cannot be written, or no worker can begin.
        """
        assert self.future is not None
        try:
            made = self.future.result()
        except WorkerError as error:
            made = _Made(None, str(error), 0.0)
        proposal = self.proposal
        self.result = Evaluated(
            proposal.architecture, made.accuracy, proposal.latency_ms, made.reason, made.seconds
        )
        return self.result


class _Loop:
    """The state of a search.

    Every proposal takes the same way: asked for, begun if it is new and within the limit, settled in the order of the
    proposals, and told. For the arguments see `search`.
    """

    def __init__(
        self,
        problem: Problem,
        searcher: Searcher,
        evaluations: int,
        commit: Callable[[Evaluated], None],
        progress: Progress,
        at_once: int,
    ) -> None:
        self._problem = problem
        self._searcher = searcher
        self._evaluations = evaluations
        self._commit = commit
        self._progress = progress
        self._evaluated = evaluations_of(progress)
        self._at_once = at_once
        self._asked: deque[_Proposal] = deque()
        self._untold: deque[_Proposal] = deque()
        self._begun: set[Architecture] = set()
        self._under_way: deque[_UnderWay] = deque()
        self._settled: dict[Architecture, Evaluated] = {}
        self._best_within = best_within_costs(len(problem.objectives) - 1)
        self._best = 0.0
        self._rounds_without_new = 0

    @property
    def has_begun(self) -> bool:
        """Whether there is any evaluation."""
        return bool(self._begun)

    def next_new(self) -> _Proposal | None:
        """The next proposal to evaluate; None if the search is to end."""
        while len(self._begun) < self._evaluations:
            if not self._asked and not self._ask():
                return None
            proposal = self._asked.popleft()
            if self._is_new(proposal):
                return proposal
        return None

    def make_room(self) -> None:
        """Wait until another evaluation may begin."""
        while len(self._under_way) >= self._at_once:
            self._settle_first()

    def best_so_far(self, costs: NDArray[np.float64]) -> float | None:
        """The best accuracy among what is settled and costs no more."""
        return self._best_within.best(costs)

    def begin(self, proposal: _Proposal, outcome: Evaluated | Future[_Made]) -> None:
        """Count an evaluation as begun; its outcome is known, or to come."""
        self._begun.add(proposal.architecture)
        self._under_way.append(_UnderWay(proposal, outcome))
        self._commit_finished()

    def ended(self) -> list[Evaluated]:
        """Wait for what is under way; all evaluations, in the order of the proposals."""
        while self._under_way:
            self._settle_first()
        found = list(self._settled.values())
        if len(found) < self._evaluations:
            self._progress(SEARCH, len(found), len(found), f"best {self._best:.1%}")
        return found

    def _is_new(self, proposal: _Proposal) -> bool:
        within = proposal.latency_ms <= self._problem.max_latency_ms
        return within and proposal.architecture not in self._begun

    def _ask(self) -> bool:
        """Tell what is settled and ask for more; False if the search is to end."""
        while True:
            if self._searcher.runs_ahead:
                self.make_room()
            else:
                while self._under_way:
                    self._settle_first()
            self._tell()
            if self._rounds_without_new >= PATIENCE:
                return False
            if proposed := self._searcher.ask():
                break
            if not self._under_way:
                return False
            self._settle_first()  # more may come to its mind once it knows more
        costs = self._problem.costs_of(proposed)
        self._asked.extend(map(_Proposal, proposed, costs))
        self._untold.extend(self._asked)
        has_new = any(map(self._is_new, self._asked))
        self._rounds_without_new = 0 if has_new else self._rounds_without_new + 1
        return True

    def _settle_first(self) -> None:
        """Wait for the evaluation that was proposed first; whatever ends before it is committed, too."""
        first = self._under_way[0]
        while first.result is None:
            wait(
                [each.future for each in self._under_way if each.future and each.result is None],
                return_when=FIRST_COMPLETED,
            )
            self._commit_finished()
        self._under_way.popleft()
        result, proposal = first.result, first.proposal
        self._settled[proposal.architecture] = result
        if result.accuracy is not None:
            self._best_within.add(proposal.costs, result.accuracy)
            self._best = max(self._best, result.accuracy)
            self._evaluated(proposal.latency_ms, result.accuracy)
        self._progress(SEARCH, len(self._settled), self._evaluations, f"best {self._best:.1%}")

    def _commit_finished(self) -> None:
        """Commit what has ended, before raising the error of an evaluation that could not be made."""
        trouble: Exception | None = None
        for each in self._under_way:
            if each.future and each.result is None and each.future.done():
                try:
                    result = each.finish()
                except Exception as error:
                    trouble = trouble or error
                else:
                    self._commit(result)
        if trouble is not None:
            raise trouble

    def _tell(self) -> None:
        """Pass on the outcomes of the earliest proposals, up to one that is under way."""
        outcomes = []
        while self._untold and self._has_outcome(self._untold[0]):
            outcomes.append(self._outcome(self._untold.popleft()))
        if outcomes:
            self._searcher.tell(outcomes)

    def _has_outcome(self, proposal: _Proposal) -> bool:
        return proposal.architecture in self._settled or proposal.architecture not in self._begun

    def _outcome(self, proposal: _Proposal) -> Outcome:
        result = self._settled.get(proposal.architecture)
        accuracy = result.accuracy if result else None
        excess_ms = proposal.latency_ms - self._problem.max_latency_ms
        return Outcome(
            proposal.architecture, 1.0 if accuracy is None else 1 - accuracy, proposal.latency_ms, excess_ms
        )
