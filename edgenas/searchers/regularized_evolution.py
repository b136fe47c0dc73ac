"""Regularised evolution, which let AmoebaNet be found: tournaments, mutation and death by age."""

from collections import deque
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.searchers.neighbours import samples, unmet
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import Scalarisation, points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

POPULATION = 50
TOURNAMENT = 10


class RegularizedEvolutionSearcher(Searcher):
    """The best of a random few is mutated, the oldest of all dies (Real et al., AAAI 2019).

    Each tournament is decided under the next weights of a sweep. The first population holds samples.

    Args:
        problem: what is searched.
        seed: decides everything random.
        population: how many live.
        tournament: how many are drawn, with replacement, for each tournament.
    """

    name = "regularized-evolution"

    def __init__(
        self, problem: Problem, seed: int, population: int = POPULATION, tournament: int = TOURNAMENT
    ) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._tournament = tournament
        self._scalarisation = Scalarisation(len(problem.objectives))
        self._weights = cycle(self._scalarisation.weights)
        self._asked: set[Architecture] = set()
        self.population: deque[tuple[Architecture, NDArray[np.float64]]] = deque(maxlen=population)
        """Those alive with their objectives, oldest first."""

    @override
    def ask(self) -> Sequence[Architecture]:
        asked = self._child() if self.population else self._first()
        self._asked.update(asked)
        return asked

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        points = points_of(self._problem, outcomes)
        self._scalarisation.see(points)
        self.population.extend((o.architecture, point) for o, point in zip(outcomes, points, strict=True))

    def _first(self) -> list[Architecture]:
        return samples(self._problem, self.population.maxlen or 1, self._asked, self._rng)

    def _child(self) -> list[Architecture]:
        drawn = self._rng.integers(len(self.population), size=self._tournament)
        points = np.stack([self.population[place][1] for place in drawn])
        best = drawn[self._scalarisation.values(points, next(self._weights)).argmin()]
        child = unmet(self._problem, self.population[best][0], self._asked, self._rng)
        return [] if child is None else [child]
