"""Proposals from a learnt distribution: the best architecture within each of many limits, then random variations."""

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
"""Limits, evenly spaced from the fastest network to the problem's limit, whose optima are proposed first."""

_HALVING = sorted(range(SWEEP), key=lambda i: f"{i:05b}"[::-1])
ORDER = tuple(dict.fromkeys([0, SWEEP - 1, *_HALVING]))
"""Order of those limits, 0 being the largest: both ends, then finer and finer halves, so that an early end still
leaves a spread front."""

BATCH = 8
"""Random variations proposed at a time."""

MIN_UTILISATION = 0.92
"""Smallest share of a limit that its optimum should use, if any network does. A limit is there to be used; if a much
faster network is as probable, their difference was not learnt."""

SLACK = 1e-12
"""Relative tolerance: a latency summed in canonical order may differ this much from the sum over variables."""

NOISE_GROWTH = 1.25
"""Growth of the noise after a batch without new architectures."""


class ProxylessSearcher(Searcher):
    """Proposes probable architectures of a distribution learnt by gradient (ProxylessNAS, Cai et al., ICLR 2019).

    Choices are independent and latency is a sum over them, so the most probable architecture within a limit is the
    exact solution of a small knapsack problem. First come the optima of a sweep of limits, starting with the problem's
    own. After that, Gumbel noise is added to the log-probabilities before solving; without a limit that would be a
    sample from the distribution (Papandreou and Yuille, ICCV 2011).

    Args:
        problem: with the predictor that the distribution was learnt with.
        seed: for the noise.
        distribution: the learnt distribution.
    """

    name = "proxyless"
    runs_ahead = True

    def __init__(self, problem: Problem, seed: int, distribution: Distribution) -> None:
        self._problem = problem
        self._distribution = distribution
        self._rng = np.random.default_rng(seed)
        self._proposed: set[Architecture] = set()
        self._noise_scale = 1.0
        ends = (problem.predictor.fastest(), problem.predictor.slowest())
        fastest_ms, self._slowest_ms = map(problem.latency_ms, ends)
        self._range_ms = (fastest_ms, max(fastest_ms, min(problem.max_latency_ms, self._slowest_ms)))

    @override
    def ask(self) -> Sequence[Architecture]:
        if not self._proposed:
            limits = np.linspace(*self._range_ms[::-1], SWEEP)
            proposed = [self.best(float(limits[i])) for i in ORDER]
        else:
            proposed = [self._noisy_best(float(self._rng.uniform(*self._range_ms))) for _ in range(BATCH)]
        found = list(dict.fromkeys(proposed))
        if self._proposed.issuperset(found):
            self._noise_scale *= NOISE_GROWTH
        self._proposed.update(found)
        return found

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass

    def best(self, limit_ms: float, utilisation: float = MIN_UTILISATION) -> Architecture:
        """The most probable architecture that makes use of a limit, or is within it if none does.

        Args:
            limit_ms: at least the latency of the fastest network.
            utilisation: smallest share of the limit to use; ignored if no network exceeds the limit.
        """
        values = self._distribution.log_probabilities(limit_ms)
        floor_ms = utilisation * limit_ms if limit_ms < self._slowest_ms else -np.inf
        return (
            self._most_probable(values, limit_ms, floor_ms)
            or self._most_probable(values, limit_ms)
            or self._fastest
        )

    def _noisy_best(self, limit_ms: float) -> Architecture:
        values = self._distribution.log_probabilities(limit_ms)
        noisy = [row + self._noise_scale * self._rng.gumbel(size=len(row)) for row in values]
        return self._most_probable(noisy, limit_ms) or self._fastest

    def _most_probable(
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
