"""A searcher: several simulated annealing walks, each with its own trade-off between accuracy and latency."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from edgenas.searchers.neighbours import samples, unvisited
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

LATENCY_WEIGHTS = (0.0, 0.33, 0.67, 1.0)
"""Weight of latency, as a share of the limit, in the energy of each walker; error has the remaining weight."""

TEMPERATURE, COOLING = 0.02, 0.95
"""Initial temperature, in units of the energy, and its factor per step."""


class AnnealingSearcher(Searcher):
    """Walkers take turns in moving to an architecture not visited before; worse ones are accepted ever less often.

    (Kirkpatrick, Gelatt and Vecchi, "Optimization by Simulated Annealing", Science 1983.)
    """

    name = "annealing"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._walkers: list[Outcome] = []
        self._visited: set[Architecture] = set()
        self._step = 0

    @override
    def ask(self) -> Sequence[Architecture]:
        """Random starts first, then one neighbour of the current walker."""
        if not self._walkers:
            asked = samples(self._problem, len(LATENCY_WEIGHTS), self._visited, self._rng)
        else:
            found = unvisited(self._problem, self._walkers[self._turn].architecture, self._visited, self._rng)
            asked = [found] if found else []  # all are visited: the search ends
        self._visited.update(asked)
        return asked

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Move or stay: an energy increase d is accepted with probability exp(-d / temperature)."""
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
        """What the current walker minimises."""
        weight = LATENCY_WEIGHTS[self._turn]
        return (1 - weight) * outcome.error + weight * outcome.latency_ms / self._problem.max_latency_ms
