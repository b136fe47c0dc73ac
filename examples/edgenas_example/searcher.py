"""A searcher: simulated annealing from several starts, each with its own idea of what a millisecond is worth."""

from collections.abc import Sequence

import numpy as np

from edgenas.searchers.neighbours import samples, unmet
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

LATENCY_WEIGHTS = (0.0, 0.33, 0.67, 1.0)
"""What latency, as a share of the limit, counts for each walker; error counts for the rest."""

TEMPERATURE, COOLING = 0.02, 0.95
"""Increase of the energy that is usually still accepted at the start; its factor at every step."""


class AnnealingSearcher(Searcher):
    """Walkers step in turn to a neighbour nobody has met; worse ones are accepted less and less often.

    (Kirkpatrick, Gelatt and Vecchi, "Optimization by Simulated Annealing", Science 1983.)
    """

    name = "annealing"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._walkers: list[Outcome] = []
        self._met: set[Architecture] = set()
        self._step = 0

    def ask(self) -> Sequence[Architecture]:
        """First where the walkers start, then one neighbour of the walker whose turn it is."""
        if not self._walkers:
            asked = samples(self._problem, len(LATENCY_WEIGHTS), self._met, self._rng)
        else:
            found = unmet(self._problem, self._walkers[self._turn].architecture, self._met, self._rng)
            asked = [found] if found else []  # everything is met: the search ends
        self._met.update(asked)
        return asked

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Go there or stay: an increase d of the energy is accepted with probability exp(-d / temperature)."""
        if not self._walkers:
            self._walkers = list(outcomes)
            return
        (there,) = outcomes
        increase = self._energy(there) - self._energy(self._walkers[self._turn])
        if increase < self._rng.exponential(TEMPERATURE * COOLING**self._step):
            self._walkers[self._turn] = there
        self._step += 1

    @property
    def _turn(self) -> int:
        return self._step % len(self._walkers)

    def _energy(self, outcome: Outcome) -> float:
        """What the walker whose turn it is wants small."""
        weight = LATENCY_WEIGHTS[self._turn]
        return (1 - weight) * outcome.error + weight * outcome.latency_ms / self._problem.max_latency_ms
