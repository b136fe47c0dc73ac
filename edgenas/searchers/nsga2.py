"""NSGA-II (Deb et al., IEEE TEC 2002), by pymoo: survival by non-dominated rank, then by crowding distance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.population import Population
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from edgenas.searchers.genetic import Genetic, GeneticSearcher, operators
from edgenas.searchers.problem import Problem
from edgenas.searchers.visited import Visited

POPULATION = 24


class NSGA2Searcher(GeneticSearcher):
    """NSGA-II over error and all costs of the problem; see `genetic_operators` for its start and mating."""

    name = "nsga2"

    def __init__(self, problem: Problem, seed: int, population: int = POPULATION) -> None:
        rng = np.random.default_rng(seed)
        super().__init__(problem, nsga2(problem, rng, population, Visited(problem.sizes)))


def nsga2(
    problem: Problem,
    rng: np.random.Generator,
    population: int,
    visited: Visited,
    start: NDArray[np.int64] | None = None,
) -> Genetic:
    """pymoo's NSGA-II over encodings.

    Args:
        problem: space and limit.
        rng: for everything random.
        population: survivors, and proposals, per generation.
        visited: encodings not to propose again; proposals are added to it.
        start: the initial population, canonical and within the limit, shape (n, variables).
    """
    selection = TournamentSelection(func_comp=by_rank_then_crowding)
    algorithm = NSGA2(pop_size=population, **operators(selection, visited, start))
    return Genetic(algorithm, problem, rng, visited)


def by_rank_then_crowding(
    pop: Population, pairs: NDArray[np.int64], *, random_state: np.random.Generator, **kwargs: Any
) -> NDArray[np.int64]:
    """Winners of binary tournaments: the lower rank, then the greater crowding distance, then at random.

    As pymoo's `comp_by_rank_and_crowding`, but for all pairs at once: pair by pair it takes as long as everything
    else together.

    Args:
        pop: the population, ranked.
        pairs: indices, shape (n, 2).
        random_state: breaks ties.

    Returns:
        Indices, shape (n, 1).
    """
    rank, crowding = np.zeros((2, len(pop)))
    for i in np.unique(pairs):
        known = pop[i].data
        rank[i], crowding[i] = known["rank"], known["crowding"]
    one, other = random_state.permuted(pairs, axis=1).T  # the first wins a tie
    tied = rank[one] == rank[other]
    better = np.where(tied, crowding[other] > crowding[one], rank[other] < rank[one])
    winners: NDArray[np.int64] = np.where(better, other, one)
    return winners[:, None]


def fittest(points: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Survivors by NSGA-II: the best fronts, the last of them thinned where it is most crowded.

    Args:
        points: shape (n, objectives), minimised.
        count: how many survive, at most n.
        rng: breaks ties between equally crowded points.

    Returns:
        Indices, shape (count,), front by front.
    """
    survival = RankAndCrowding()
    survival.filter_infeasible = False  # all are feasible
    kept = survival.do(
        None, Population.new("F", points), n_survive=count, random_state=rng, return_indices=True
    )
    return np.array(kept, np.int64)
