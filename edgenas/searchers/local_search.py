"""Pareto local search: neighbours of non-dominated architectures until none are new, then a restart."""

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
"""Samples at the beginning of each restart."""

BATCH = 2
"""Neighbours proposed before another architecture is chosen: in a large space, each has a hundred."""


class LocalSearcher(Searcher):
    """Evaluates the one-variable neighbours of non-dominated architectures (Paquete, Chiarandini and Stützle, 2004).

    It begins with a few samples and repeatedly picks a random architecture of the front that still has unvisited
    neighbours, a few at a time. When none has, the front is a Pareto local optimum, and the search restarts from other
    samples with an empty front.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
    """

    name = "local-search"
    runs_ahead = True

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._visited: set[Architecture] = set()
        self._untold = 0
        self._unexplored: dict[Architecture, list[Architecture]] = {}
        self.front: dict[Architecture, NDArray[np.float64]] = {}
        """The non-dominated architectures since the last restart, with their objectives."""

    @override
    def ask(self) -> Sequence[Architecture]:
        asked = self._step()
        if not asked and self._untold:  # may lead on
            return []
        asked = asked or self._restart()
        self._untold += len(asked)
        self._visited.update(asked)
        return asked

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._untold -= len(outcomes)
        proposed = (outcome.architecture for outcome in outcomes)
        candidates = [*self.front.items(), *zip(proposed, points_of(self._problem, outcomes), strict=True)]
        kept = non_dominated(np.array([point for _, point in candidates]))
        self.front = dict(candidates[index] for index in kept)
        self._unexplored = {one: left for one, left in self._unexplored.items() if one in self.front}

    def _step(self) -> list[Architecture]:
        """A few unvisited neighbours of a random member of the front; empty at a local optimum."""
        members = list(self.front)
        for index in self._rng.permutation(len(members)):
            if unexplored := self._neighbours(members[index])[:BATCH]:
                return unexplored
        return []

    def _neighbours(self, member: Architecture) -> list[Architecture]:
        """Unvisited neighbours, in a random order that is drawn once."""
        if member not in self._unexplored:
            found = neighbours(self._problem, member)
            self._unexplored[member] = [found[index] for index in self._rng.permutation(len(found))]
        left = [one for one in self._unexplored[member] if one not in self._visited]
        self._unexplored[member] = left
        return left

    def _restart(self) -> list[Architecture]:
        self.front.clear()
        self._unexplored.clear()
        return samples(self._problem, STARTS, self._visited, self._rng)
