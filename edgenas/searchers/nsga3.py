"""NSGA-III (Deb and Jain, IEEE TEC 2014), by pymoo: survival by rank, then by niches along reference directions."""

from math import comb

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga3 import NSGA3, comp_by_cv_then_random
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.util.ref_dirs import get_reference_directions

from edgenas.searchers.genetic import Genetic, GeneticSearcher, operators
from edgenas.searchers.problem import Problem
from edgenas.searchers.visited import Visited

POPULATION = 36
"""The number of directions for three objectives with seven partitions; four and five objectives have one fewer."""


class NSGA3Searcher(GeneticSearcher):
    """NSGA-III over error and all costs of the problem; meant for three objectives and more.

    Its initial population and mating are those of NSGA-II.
    """

    name = "nsga3"

    def __init__(self, problem: Problem, seed: int, population: int = POPULATION) -> None:
        rng, visited = np.random.default_rng(seed), Visited(problem.sizes)
        directions = reference_directions(len(problem.objectives), population)
        algorithm = NSGA3(
            directions,
            pop_size=max(population, len(directions)),
            **operators(TournamentSelection(func_comp=comp_by_cv_then_random), visited),
        )
        super().__init__(problem, Genetic(algorithm, problem, rng, visited))


def reference_directions(objectives: int, count: int) -> NDArray[np.float64]:
    """The finest uniform grid of at most `count` directions (Das and Dennis, SIAM J. Optim. 1998), at least the axes.

    Args:
        objectives: number of objectives.
        count: largest number of directions.

    Returns:
        Shape (n, objectives), each of sum 1; n is at most the greater of `count` and `objectives`.
    """
    parts = 1
    while comb(parts + objectives, objectives - 1) <= count:
        parts += 1
    directions: NDArray[np.float64] = get_reference_directions("das-dennis", objectives, n_partitions=parts)
    return directions
