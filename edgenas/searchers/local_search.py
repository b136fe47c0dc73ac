"""Pareto local search: neighbours of what nothing beats, until there are none, then from another start."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.searchers.front import non_dominated
from edgenas.searchers.neighbours import neighbours, samples
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

STARTS = 10
"""Samples that each restart begins with."""

BATCH = 2
"""Neighbours asked for before the next architecture is chosen: in a large space one has a hundred."""


class LocalSearcher(Searcher):
    """Looks at the one-variable neighbours of non-dominated architectures (Paquete, Chiarandini and Stützle, 2004).

    It begins from a few samples and chooses at random among those that still have neighbours it never asked for, a
    few at a time. Where none has, the front is a Pareto local optimum, and it begins anew from other samples,
    which the fronts of earlier starts do not hold back.

    Args:
        problem: what is searched.
        seed: decides everything random.
    """

    name = "local-search"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._asked: set[Architecture] = set()
        self._unexplored: dict[Architecture, list[Architecture]] = {}
        self.front: dict[Architecture, NDArray[np.float64]] = {}
        """What nothing beats since the last start, with its objectives."""

    @override
    def ask(self) -> Sequence[Architecture]:
        asked = self._step() or self._restart()
        self._asked.update(asked)
        return asked

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        told = (outcome.architecture for outcome in outcomes)
        met = [*self.front.items(), *zip(told, points_of(self._problem, outcomes), strict=True)]
        kept = non_dominated(np.array([point for _, point in met]))
        self.front = dict(met[place] for place in kept)
        self._unexplored = {one: left for one, left in self._unexplored.items() if one in self.front}

    def _step(self) -> list[Architecture]:
        """A few new neighbours of a random member of the front that has some; none at a local optimum."""
        members = list(self.front)
        for place in self._rng.permutation(len(members)):
            if unexplored := self._neighbours(members[place])[:BATCH]:
                return unexplored
        return []

    def _neighbours(self, member: Architecture) -> list[Architecture]:
        """Those never asked for, in an order drawn once."""
        if member not in self._unexplored:
            found = neighbours(self._problem, member)
            self._unexplored[member] = [found[place] for place in self._rng.permutation(len(found))]
        left = [one for one in self._unexplored[member] if one not in self._asked]
        self._unexplored[member] = left
        return left

    def _restart(self) -> list[Architecture]:
        self.front.clear()
        self._unexplored.clear()
        return samples(self._problem, STARTS, self._asked, self._rng)
