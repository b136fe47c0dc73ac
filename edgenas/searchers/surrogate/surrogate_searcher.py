"""NSGA-II assisted by a surrogate: a model learnt from the evaluations says what is worth evaluating next."""

from collections.abc import Sequence
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

FIRST = 16
"""Architectures evaluated to begin with."""

LEAST = 10
"""Architectures that have to be known before anything is learnt."""

BATCH_SHARE = 0.05
"""Of what was evaluated, how much more is asked for at once."""

LARGEST_BATCH = 50

FOR_THE_BEST = 0.2
"""Share of the choices made for the best accuracy alone: under a limit that is what many look for."""

BORED = 0.05
"""By how much the share of chance draws grows with each batch that did not improve the front."""

MOST_BORED = 0.5

LEARNT_FROM = 512
"""Evaluations a model is learnt from; beyond, the best and a random choice of the others."""

REMEMBERED = 4 * LEARNT_FROM
"""Evaluations that are kept; where there are more, half of them go, so that time and memory stay bounded."""

RECHOSEN_AFTER = 1.1
"""Kernels are chosen anew when the evaluations have grown by this factor."""

SHORT_LIST = 256
"""Candidates of each kind that are looked at again for the rest of a batch."""


class SurrogateSearcher(Searcher):
    """Begins with a spread over latencies, then asks for what promises the greatest gain of hypervolume.

    A prior decides half of the first architectures, and the model learns how far to follow it.
    Candidates are what an inner NSGA-II finds on the model, all costs exact; in a small space everything. Batches
    are chosen one by one, each as if the model were right about those before; some go to what may be more accurate
    than all that is known, by one of the model's processes. A part of each batch, greater the longer nothing has
    improved, is drawn by chance, so that a model that is wrong cannot end the search. Where the outcomes
    do not differ there is nothing to learn, and plain NSGA-II goes on.

    Args:
        problem: what is searched.
        seed: decides everything random.
    """

    name = "nsga2-surrogate"
    uses_prior = True

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._corner = problem.corner[1:].copy()
        self._corner[0] = min(self._corner[0], problem.latency_ms(problem.predictor.slowest()))
        # Small matrices: a thread for each core costs more than it brings, and the sums would depend on their number.
        self._threads = ThreadpoolController()
        self._rng = np.random.default_rng(seed)
        self._asked = Visited(problem.sizes)
        self._candidates = Candidates(problem, self._asked, self._rng)
        with self._threads.limit(limits=1, user_api="blas"):
            self._prior = self._surrogate_of_prior()
        start = self._candidates.first(FIRST)
        self._plain = nsga2(problem, self._rng, FIRST, self._asked, start)
        self._vectors = np.empty((0, len(problem.sizes)), np.int64)
        self._points = np.empty((0, len(problem.objectives)))
        self._pending = self._vectors
        self._choices: tuple[MixtureComponent, ...] | None = None
        self._chosen_at = 0
        self._evaluated = 0
        self._idle = 0

    @override
    def ask(self) -> Sequence[Architecture]:
        if self._can_learn:
            with self._threads.limit(limits=1, user_api="blas"):
                self._pending = self._batch()
            self._asked.add(self._pending)
        else:
            self._pending = self._plain.ask()
        return [self._problem.space.decode(vector) for vector in self._pending]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes]
        points = np.column_stack([errors, self._problem.costs(self._pending)])
        if not self._can_learn:
            self._plain.tell(points)
        known = len(self._points)
        self._evaluated += len(points)
        self._vectors = np.concatenate([self._vectors, self._pending])
        self._points = np.concatenate([self._points, points])
        improved = (non_dominated(self._points) >= known).any()
        self._idle = 0 if improved else self._idle + 1
        if len(self._points) > REMEMBERED:
            kept = self._representative(self._points, REMEMBERED // 2)
            self._vectors, self._points = self._vectors[kept], self._points[kept]

    @property
    def _can_learn(self) -> bool:
        return len(self._points) >= LEAST and bool(np.ptp(self._points[:, 0]) > 0)

    def _batch(self) -> Vectors:
        size = min(max(1, int(BATCH_SHARE * self._evaluated)), LARGEST_BATCH)
        by_chance = self._rng.binomial(size, min(MOST_BORED, BORED * self._idle))
        drawn = self._candidates.by_chance(by_chance)
        surrogate = self._surrogate()
        pool = self._candidates.promising(partial(_optimistic, surrogate), self._vectors, self._points)
        chosen = self._best_of(surrogate, pool, size - by_chance)
        batch = np.concatenate([chosen, drawn])
        return batch[self._asked.new(batch)]

    def _surrogate(self) -> Surrogate:
        known = self._representative(self._points, LEARNT_FROM)
        if self._evaluated >= RECHOSEN_AFTER * self._chosen_at:
            self._choices, self._chosen_at = None, self._evaluated
        space, vectors, errors = self._problem.space, self._vectors[known], self._points[known, 0]
        surrogate = Surrogate(space, vectors, errors, self._choices, self._prior)
        self._choices = surrogate.components
        return surrogate

    def _surrogate_of_prior(self) -> Surrogate | None:
        prior = self._problem.prior
        if prior is None:
            return None
        costs = self._problem.costs(prior.vectors)
        known = self._representative(np.column_stack([prior.errors, costs]), LEARNT_FROM)
        return Surrogate(self._problem.space, prior.vectors[known], prior.errors[known])

    def _representative(self, points: Floats, count: int) -> NDArray[np.int64]:
        """Indices of at most so many: half of them the best, the others drawn from the rest."""
        if len(points) <= count:
            return np.arange(len(points))
        best = fittest(points, count // 2, self._rng)
        others = np.setdiff1d(np.arange(len(points)), best)
        return np.concatenate([best, self._rng.choice(others, count - len(best), replace=False)])

    def _best_of(self, surrogate: Surrogate, pool: Vectors, count: int) -> Vectors:
        """The candidates that promise most, one by one, each as if those before it turned out as expected."""
        if not (len(pool) and count):
            return pool[:0]
        left = Improvement(self._points[:, 0], self._points[:, 1:], self._corner)
        samples, weights = surrogate.sample(pool)
        costs = self._problem.costs(pool)
        leads = _leads(samples, float(self._points[:, 0].min()))
        # Gains hardly ever grow with a batch: what promises little now will not promise much later.
        looked_at = [_greatest(gains) for gains in (left.of(samples, weights, costs), *leads)]
        listed = np.unique(np.concatenate(looked_at))
        samples, costs, leads = samples[listed], costs[listed], leads[:, listed]
        chosen: list[int] = []
        for _ in range(min(count, len(listed))):
            if self._rng.random() < FOR_THE_BEST and leads.any():
                gain = self._rng.choice(leads).copy()
            else:
                gain = left.of(samples, weights, costs)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            left = left.after(float(samples[best] @ weights), costs[best])
        return pool[listed[chosen]]


def _leads(samples: Floats, best: float) -> Floats:
    """By how much each candidate may be expected to beat the best error, by each process: shape (processes, n)."""
    by_process = samples.reshape(len(samples), -1, QUANTILES)
    expected: Floats = np.maximum(best - by_process, 0).mean(2).T
    return expected


def _greatest(gains: Floats) -> NDArray[np.int64]:
    """Indices of the candidates worth a second look."""
    return np.argsort(-gains, kind="stable")[:SHORT_LIST]


def _optimistic(surrogate: Surrogate, vectors: Vectors) -> Floats:
    """A standard deviation less than the expected error, shape (n, variables) to (n,)."""
    samples, weights = surrogate.sample(vectors)
    mean = samples @ weights
    deviation: Floats = np.sqrt((samples - mean[:, None]) ** 2 @ weights)
    return mean - deviation
