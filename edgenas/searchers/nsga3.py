"""NSGA-III (Deb and Jain, IEEE TEC 2014): survival by non-dominated rank, then by niches along reference directions."""

import warnings
from math import comb

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival
from pymoo.core.population import Population
from pymoo.util.ref_dirs import get_reference_directions

from edgenas.searchers.evolution import EvolutionSearcher, Points
from edgenas.searchers.problem import Problem

POPULATION = 36
"""As many as three objectives have directions with seven parts to a side; four and five have one direction less."""


class NSGA3Searcher(EvolutionSearcher):
    """NSGA-III over error and all costs of the problem; meant for three objectives and more.

    What it asks for first, and how children are made, is as in NSGA-II.
    """

    name = "nsga3"

    def __init__(self, problem: Problem, seed: int, population: int = POPULATION) -> None:
        super().__init__(problem, seed, population, ReferenceDirections(len(problem.objectives), population))


class ReferenceDirections:
    """NSGA-III's survival, a `Survive`. It remembers the range of the objectives: make one for each evolution.

    Args:
        objectives: how many.
        size: how many directions there may be: the finest even grid with no more (Das and Dennis, SIAM J. Optim. 1998).
    """

    def __init__(self, objectives: int, size: int) -> None:
        parts = 1
        while comb(parts + objectives, objectives - 1) <= size:
            parts += 1
        directions = get_reference_directions("das-dennis", objectives, n_partitions=parts)
        self._survival = ReferenceDirectionSurvival(directions)
        self._survival.filter_infeasible = False  # nothing is
        self._unit: Points | None = None

    def __call__(
        self, points: Points, size: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Indices of those that survive, and their merits, which are all the same."""
        if self._unit is None:  # pymoo's tolerances are absolute
            span = np.ptp(points, axis=0)
            self._unit = np.where(span > 0, span, 1.0)
        population = Population.new("F", points / self._unit, "index", np.arange(len(points)))
        with warnings.catch_warnings():  # pymoo turns all off, for good
            survivors = self._survival.do(None, population, n_survive=size, random_state=rng)
        indices = np.array(survivors.get("index"), np.int64)
        return indices, np.zeros(len(indices))
