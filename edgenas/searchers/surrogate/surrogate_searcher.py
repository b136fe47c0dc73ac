"""NSGA-II assisted by a surrogate: a model fitted to the evaluations ranks what to evaluate next."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController
from typing_extensions import override

from edgenas.accuracy.accuracy_model import QUANTILES, MixtureComponent, Surrogate
from edgenas.searchers.front import non_dominated
from edgenas.searchers.nsga2 import fittest, nsga2
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.surrogate.candidates import Candidates
from edgenas.searchers.surrogate.improvement import Improvement
from edgenas.searchers.visited import Visited
from edgenas.space import Architecture

Vectors = NDArray[np.int64]
Floats = NDArray[np.float64]

INITIAL_BATCH = 16
"""Size of the initial batch."""

MIN_EVALUATIONS = 10
"""Evaluations needed before a model is fitted."""

BATCH_SHARE = 0.05
"""Size of a batch, as a share of the evaluations so far."""

LARGEST_BATCH = 50

ACCURACY_SHARE = 0.2
"""Share of proposals chosen for the best accuracy alone, which many users want under a limit."""

RANDOM_SHARE_STEP = 0.05
"""Growth of the share of random proposals with each batch that did not improve the front."""

MAX_RANDOM_SHARE = 0.5
"""Upper bound of that share."""

MAX_FITTED = 512
"""Evaluations a model is fitted to; if there are more, half are the best ones and half are random."""

MAX_KEPT = 4 * MAX_FITTED
"""Evaluations kept; when exceeded, half of them are discarded, so that time and memory stay bounded."""

RESELECTION_GROWTH = 1.1
"""Kernels are selected again when the number of evaluations has grown by this factor."""

SHORT_LIST = 256
"""Candidates per criterion that are reconsidered for the rest of a batch."""


class SurrogateSearcher(Searcher):
    """Starts with a spread over latencies, then proposes what has the greatest expected gain of hypervolume.

    A prior determines up to half of the initial architectures, and the model learns how far to trust it. Candidates
    come from an inner NSGA-II on the model, with exact costs; in a small space all architectures are candidates. A
    batch is chosen greedily, each choice as if the model were right about those before it. Some choices instead
    maximise the expected accuracy beyond the best so far, by one of the model's processes. A random part of each batch,
    larger the longer the front has not improved, keeps a wrong model from ending the search. While all outcomes are
    equal there is nothing to fit, and plain NSGA-II runs. Asked while evaluations are under way, it chooses as if these
    turned out as the model expects.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
    """

    name = "nsga2-surrogate"
    uses_prior = True
    runs_ahead = True

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._corner = problem.corner[1:].copy()
        self._corner[0] = min(self._corner[0], problem.latency_ms(problem.predictor.slowest()))
        # Matrices are small: more threads cost time, and results would depend on the number of cores.
        self._threads = ThreadpoolController()
        self._rng = np.random.default_rng(seed)
        self._visited = Visited(problem.sizes)
        self._candidates = Candidates(problem, self._visited, self._rng)
        with self._threads.limit(limits=1, user_api="blas"):
            self._prior = self._surrogate_of_prior()
        start = self._candidates.initial(INITIAL_BATCH)
        self._nsga2 = nsga2(problem, self._rng, INITIAL_BATCH, self._visited, start)
        self._vectors = np.empty((0, len(problem.sizes)), np.int64)
        self._points = np.empty((0, len(problem.objectives)))
        self._untold = self._vectors
        self._batches: deque[_Batch] = deque()
        self._kernels: tuple[MixtureComponent, ...] | None = None
        self._kernels_selected_at = 0
        self._evaluated = 0
        self._batches_without_gain = 0

    @override
    def ask(self) -> Sequence[Architecture]:
        if self._can_learn:
            with self._threads.limit(limits=1, user_api="blas"):
                asked = self._batch()
            self._visited.add(asked)
        else:
            asked = self._nsga2.ask()
        self._untold = np.concatenate([self._untold, asked])
        if len(asked):
            self._batches.append(_Batch(len(asked)))
        return [self._problem.space.decode(vector) for vector in asked]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        told, self._untold = np.split(self._untold, [len(outcomes)])
        errors = [outcome.error for outcome in outcomes]
        points = np.column_stack([errors, self._problem.costs(told)])
        if not self._can_learn:
            self._nsga2.tell(points)
        known = len(self._points)
        self._evaluated += len(points)
        self._vectors = np.concatenate([self._vectors, told])
        self._points = np.concatenate([self._points, points])
        self._count_gains(np.isin(np.arange(len(points)) + known, non_dominated(self._points)))
        if len(self._points) > MAX_KEPT:
            kept = self._representative(self._points, MAX_KEPT // 2)
            self._vectors, self._points = self._vectors[kept], self._points[kept]

    def _count_gains(self, improves: NDArray[np.bool_]) -> None:
        """Note which outcomes, shape (n,), improved the front."""
        for each in improves:
            batch = self._batches[0]
            batch.left -= 1
            batch.has_gained |= bool(each)
            if not batch.left:
                self._batches.popleft()
                self._batches_without_gain = 0 if batch.has_gained else self._batches_without_gain + 1

    @property
    def _can_learn(self) -> bool:
        return len(self._points) >= MIN_EVALUATIONS and bool(np.ptp(self._points[:, 0]) > 0)

    def _batch(self) -> Vectors:
        size = min(max(1, int(BATCH_SHARE * self._evaluated)), LARGEST_BATCH)
        random_count = self._rng.binomial(
            size, min(MAX_RANDOM_SHARE, RANDOM_SHARE_STEP * self._batches_without_gain)
        )
        drawn = self._candidates.random(random_count)
        surrogate = self._surrogate()
        pool = self._candidates.promising(partial(_optimistic, surrogate), self._vectors, self._points)
        chosen = self._most_promising(surrogate, pool, size - random_count)
        batch = np.concatenate([chosen, drawn])
        return batch[self._visited.new(batch)]

    def _surrogate(self) -> Surrogate:
        known = self._representative(self._points, MAX_FITTED)
        if self._evaluated >= RESELECTION_GROWTH * self._kernels_selected_at:
            self._kernels, self._kernels_selected_at = None, self._evaluated
        space, vectors, errors = self._problem.space, self._vectors[known], self._points[known, 0]
        surrogate = Surrogate(space, vectors, errors, self._kernels, self._prior)
        self._kernels = surrogate.components
        return surrogate

    def _surrogate_of_prior(self) -> Surrogate | None:
        prior = self._problem.prior
        if prior is None:
            return None
        costs = self._problem.costs(prior.vectors)
        known = self._representative(np.column_stack([prior.errors, costs]), MAX_FITTED)
        return Surrogate(self._problem.space, prior.vectors[known], prior.errors[known])

    def _representative(self, points: Floats, count: int) -> NDArray[np.int64]:
        """Indices of at most `count` points: half of them the best, the others random."""
        if len(points) <= count:
            return np.arange(len(points))
        best = fittest(points, count // 2, self._rng)
        others = np.setdiff1d(np.arange(len(points)), best)
        return np.concatenate([best, self._rng.choice(others, count - len(best), replace=False)])

    def _most_promising(self, surrogate: Surrogate, pool: Vectors, count: int) -> Vectors:
        """Choose the most promising candidates greedily, each as if those before it turned out as expected."""
        if not (len(pool) and count):
            return pool[:0]
        remaining = self._improvement_by_then(surrogate)
        samples, weights = surrogate.sample(pool)
        costs = self._problem.costs(pool)
        improvement = _expected_improvement(samples, float(self._points[:, 0].min()))
        # Gains hardly ever grow within a batch: a candidate of little gain now will not gain much later.
        shortlists = [_shortlist(gains) for gains in (remaining.of(samples, weights, costs), *improvement)]
        listed = np.unique(np.concatenate(shortlists))
        samples, costs, improvement = samples[listed], costs[listed], improvement[:, listed]
        chosen: list[int] = []
        for _ in range(min(count, len(listed))):
            if self._rng.random() < ACCURACY_SHARE and improvement.any():
                gain = self._rng.choice(improvement).copy()
            else:
                gain = remaining.of(samples, weights, costs)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            remaining = remaining.after(float(samples[best] @ weights), costs[best])
        return pool[listed[chosen]]

    def _improvement_by_then(self, surrogate: Surrogate) -> Improvement:
        """The improvement once all that is under way has turned out as expected."""
        points = self._points
        if len(self._untold):
            samples, weights = surrogate.sample(self._untold)
            expected = np.column_stack([samples @ weights, self._problem.costs(self._untold)])
            points = np.concatenate([points, expected])
        return Improvement(points[:, 0], points[:, 1:], self._corner)


@dataclass(slots=True)
class _Batch:
    """Proposals of one `ask`: how many have no outcome yet, and whether any improved the front."""

    left: int
    has_gained: bool = False


def _expected_improvement(samples: Floats, best: float) -> Floats:
    """Expected improvement of each candidate on the best error, by each process; shape (processes, n)."""
    by_process = samples.reshape(len(samples), -1, QUANTILES)
    expected: Floats = np.maximum(best - by_process, 0).mean(2).T
    return expected


def _shortlist(gains: Floats) -> NDArray[np.int64]:
    """Indices of the candidates with the greatest gains."""
    return np.argsort(-gains, kind="stable")[:SHORT_LIST]


def _optimistic(surrogate: Surrogate, vectors: Vectors) -> Floats:
    """The expected error minus one standard deviation, shape (n, variables) to (n,)."""
    samples, weights = surrogate.sample(vectors)
    mean = samples @ weights
    deviation: Floats = np.sqrt((samples - mean[:, None]) ** 2 @ weights)
    return mean - deviation
