"""NSGA-II (Deb et al., IEEE TEC 2002): survival by non-dominated rank, then by crowding distance."""

import numpy as np
from moocore import pareto_rank
from numpy.typing import NDArray
from pymoo.operators.survival.rank_and_crowding.metrics import calc_crowding_distance

from edgenas.searchers.evolution import EvolutionSearcher, Points
from edgenas.searchers.problem import Problem

POPULATION = 24


class NSGA2Searcher(EvolutionSearcher):
    """NSGA-II over error and all costs of the problem; see `evolution.offspring` for its children.

    The first population holds the fastest architecture, the slowest where it keeps the limit, and samples.
    """

    name = "nsga2"

    def __init__(self, problem: Problem, seed: int, population: int = POPULATION) -> None:
        super().__init__(problem, seed, population, rank_and_crowding)


def rank_and_crowding(
    points: Points, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The best fronts, the last of them thinned where it is most crowded; a `Survive`.

    Args:
        points: shape (n, objectives), minimised.
        size: how many survive.
        rng: decides between those equally crowded.

    Returns:
        Indices, best first, and their merits, which say so.
    """
    ranks = pareto_rank(points)
    crowding = np.zeros(len(points))
    for rank in range(ranks.max() + 1):
        front = np.flatnonzero(ranks == rank)
        crowding[front] = calc_crowding_distance(points[front])
        if (ranks <= rank).sum() >= size:
            break
    order = np.lexsort([rng.random(len(points)), -crowding, ranks])[:size]
    return order, -np.arange(len(order), dtype=float)
