"""Regularised evolution, which found AmoebaNet: tournament selection, mutation, and removal of the oldest."""

from collections import deque
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.searchers.neighbours import samples, unvisited
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import Scalarisation, points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

POPULATION = 50
TOURNAMENT = 10


class RegularizedEvolutionSearcher(Searcher):
    """Mutates the best of a random few and removes the oldest of all (Real et al., AAAI 2019).

    Each tournament uses the next weights of a sweep. The initial population consists of samples.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
        population: its size.
        tournament: entrants per tournament, drawn with replacement.
    """

    name = "regularized-evolution"
    runs_ahead = True

    def __init__(
        self, problem: Problem, seed: int, population: int = POPULATION, tournament: int = TOURNAMENT
    ) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._tournament = tournament
        self._scalarisation = Scalarisation(len(problem.objectives))
        self._weights = cycle(self._scalarisation.weights)
        self._visited: set[Architecture] = set()
        self.population: deque[tuple[Architecture, NDArray[np.float64]]] = deque(maxlen=population)
        """Its members with their objectives, oldest first."""

    @override
    def ask(self) -> Sequence[Architecture]:
        proposed = self._mutant() if self.population else self._initial_population()
        self._visited.update(proposed)
        return proposed

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        points = points_of(self._problem, outcomes)
        self._scalarisation.see(points)
        self.population.extend((o.architecture, point) for o, point in zip(outcomes, points, strict=True))

    def _initial_population(self) -> list[Architecture]:
        return samples(self._problem, self.population.maxlen or 1, self._visited, self._rng)

    def _mutant(self) -> list[Architecture]:
        entrants = self._rng.integers(len(self.population), size=self._tournament)
        points = np.stack([self.population[index][1] for index in entrants])
        best = entrants[self._scalarisation.values(points, next(self._weights)).argmin()]
        mutant = unvisited(self._problem, self.population[best][0], self._visited, self._rng)
        return [] if mutant is None else [mutant]
