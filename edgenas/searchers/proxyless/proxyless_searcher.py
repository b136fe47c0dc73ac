"""The architectures of a distribution that was learnt: the best within each of many limits, then draws around them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.searchers.problem import Problem
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.knapsack import best_within
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

SWEEP = 32
"""Limits, evenly spaced from the fastest network to the problem's limit, whose best are asked for first."""

_HALVING = sorted(range(SWEEP), key=lambda i: f"{i:05b}"[::-1])
ORDER = tuple(dict.fromkeys([0, SWEEP - 1, *_HALVING]))
"""Of those limits, the largest being 0: both ends, then ever finer halves. However early it ends, a front is spread."""

BATCH = 8
"""Draws asked for at a time."""

CLOSE = 0.92
"""Of a limit: what is asked for it takes at least so much where there is any such network. A limit is there to be
used; that a much faster network is as probable says only that the difference was not learnt."""

SLACK = 1e-12
"""Relative: a latency summed in the order of the canonical form may differ so much from the sum over variables."""

HEATING = 1.25
"""What noise is multiplied by after a batch that held nothing new."""


class ProxylessSearcher(Searcher):
    """Proposes what a distribution says, as learnt by gradient (ProxylessNAS, Cai et al., ICLR 2019).

    Choices are independent given their log-probabilities, and latency is a sum over them: the most probable
    architecture within a limit is the solution of a small knapsack problem, found exactly. First those of a sweep
    of limits are asked for, the problem's own first of all. Then log-probabilities are disturbed by Gumbel noise,
    which without a limit would be a draw from the distribution (Papandreou and Yuille, ICCV 2011), and solved
    likewise.

    Args:
        problem: with the predictor that the distribution was learnt with.
        seed: of the draws.
        distribution: what was learnt.
    """

    name = "proxyless"

    def __init__(self, problem: Problem, seed: int, distribution: Distribution) -> None:
        self._problem = problem
        self._distribution = distribution
        self._rng = np.random.default_rng(seed)
        self._seen: set[Architecture] = set()
        self._heat = 1.0
        ends = (problem.predictor.fastest(), problem.predictor.slowest())
        fastest_ms, self._slowest_ms = map(problem.latency_ms, ends)
        self._range_ms = (fastest_ms, max(fastest_ms, min(problem.max_latency_ms, self._slowest_ms)))

    @override
    def ask(self) -> Sequence[Architecture]:
        if not self._seen:
            limits = np.linspace(*self._range_ms[::-1], SWEEP)
            asked = [self.best(float(limits[i])) for i in ORDER]
        else:
            asked = [self._drawn(float(self._rng.uniform(*self._range_ms))) for _ in range(BATCH)]
        found = list(dict.fromkeys(asked))
        if self._seen.issuperset(found):
            self._heat *= HEATING
        self._seen.update(found)
        return found

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass

    def best(self, limit_ms: float, close: float = CLOSE) -> Architecture:
        """The most probable architecture that uses a limit, or keeps it where none uses it.

        Args:
            limit_ms: at least what the fastest network takes.
            close: share of the limit that it has to take; of a limit that no network exceeds, none.
        """
        values = self._distribution.log_probabilities(limit_ms)
        floor_ms = close * limit_ms if limit_ms < self._slowest_ms else -np.inf
        return self._solved(values, limit_ms, floor_ms) or self._solved(values, limit_ms) or self._fastest

    def _drawn(self, limit_ms: float) -> Architecture:
        values = self._distribution.log_probabilities(limit_ms)
        noisy = [row + self._heat * self._rng.gumbel(size=len(row)) for row in values]
        return self._solved(noisy, limit_ms) or self._fastest

    def _solved(
        self, values: Sequence[NDArray[np.float64]], limit_ms: float, floor_ms: float = -np.inf
    ) -> Architecture | None:
        predictor = self._distribution.predictor
        costs = [np.array([predictor.fixed_ms]), *predictor.choice_ms]
        for slack in (1 + SLACK, 1 - SLACK):
            vector = best_within([np.zeros(1), *values], costs, limit_ms * slack, floor_ms)
            if vector is None:
                return None
            found = self._problem.space.decode(vector[1:])
            if self._problem.latency_ms(found) <= limit_ms:
                return found
        return None

    @property
    def _fastest(self) -> Architecture:
        return self._problem.predictor.fastest()
