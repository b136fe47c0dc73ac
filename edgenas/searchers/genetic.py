"""pymoo's genetic algorithms over encodings of architectures, through its ask and tell.

pymoo (Blank and Deb, IEEE Access 2020) does selection, mating and survival; `genetic_operators` adapts it to
architectures. All randomness comes from one generator passed to it, so that a search replayed from the start with the
same outcomes makes the same proposals.
"""

import warnings
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.config import Config
from pymoo.core.individual import Individual
from pymoo.core.population import Population
from pymoo.core.selection import Selection
from pymoo.core.termination import NoTermination
from typing_extensions import override

from edgenas.searchers.genetic_operators import (
    ExcludeVisited,
    InitialPopulation,
    LimitedProblem,
    MatingThenSampling,
    RepairTowardsParent,
    encodings,
    new_samples,
)
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.visited import Visited
from edgenas.space import Architecture

Vectors = NDArray[np.int64]
Point = NDArray[np.float64]
Points = NDArray[np.float64]

Config.warnings["not_compiled"] = (
    False  # where pymoo has no compiled wheel, it would print a notice on stdout
)


def operators(selection: Selection, visited: Visited, start: Vectors | None = None) -> dict[str, Any]:
    """Arguments that make a pymoo `GeneticAlgorithm` work on architectures.

    Args:
        selection: the algorithm's selection of parents.
        visited: encodings not to propose again.
        start: the initial population, canonical and within the limit, shape (n, variables); None for
            `InitialPopulation`.
    """
    return {
        "sampling": InitialPopulation(visited) if start is None else start,
        "repair": RepairTowardsParent(),
        "eliminate_duplicates": ExcludeVisited(visited),
        "mating": MatingThenSampling(selection, visited),
    }


class Genetic:
    """One of pymoo's algorithms through ask and tell; knows only encodings and points, whatever the points mean.

    Args:
        algorithm: made with `operators`.
        problem: space and limit.
        rng: for everything random.
        visited: the one passed to `operators`; proposals are added to it.
    """

    def __init__(
        self, algorithm: GeneticAlgorithm, problem: Problem, rng: np.random.Generator, visited: Visited
    ) -> None:
        self.algorithm = algorithm
        """pymoo's algorithm; `algorithm.pop` is the surviving population."""
        algorithm.setup(LimitedProblem(problem), seed=rng, termination=NoTermination())
        self._problem = problem
        self._rng = rng
        self._visited = visited
        self._untold: deque[Individual] = deque()
        self._initial: int | None = None
        self._first: list[tuple[Individual, Point]] = []
        self._scale: Point | None = None

    def ask(self) -> Vectors:
        """New canonical encodings within the limit, shape (m, variables); empty if none were found.

        While the initial population is evaluated, there is nothing to mate yet: each further `ask` is for a sample.
        """
        nothing = np.empty((0, len(self._problem.sizes)), np.int64)
        if self._initial is not None and self._scale is None:
            asked = Population.new("X", new_samples(self._problem, 1, self._visited, nothing, self._rng))
        elif (asked := self.algorithm.ask()) is None:
            return nothing
        if self._initial is None:
            self._initial = len(asked)
        vectors = encodings(asked).reshape(-1, nothing.shape[1])
        self._visited.add(vectors)
        self._untold.extend(asked)
        return vectors

    def tell(self, points: Points) -> None:
        """Pass on the objectives of the earliest proposals without any, shape (m, objectives), minimised, finite."""
        told = [(self._untold.popleft(), point) for point in points]
        if self._scale is None:
            self._first += told
            if len(self._first) < (self._initial or 0):
                return
            told, self._first = self._first, []
            span = np.ptp([point for _, point in told], axis=0)
            self._scale = np.where(span > 0, span, 1.0)  # pymoo's NSGA-III has absolute tolerances
        for individual, point in told:
            individual.F = point / self._scale
        algorithm = self.algorithm
        with warnings.catch_warnings():  # pymoo's NSGA-III disables warnings globally
            algorithm.tell(infills=Population.create(*(individual for individual, _ in told)))
            if len(algorithm.pop) > algorithm.pop_size:
                # pymoo lets the whole initial population survive, however large.
                algorithm.pop = algorithm.survival.do(
                    algorithm.problem,
                    algorithm.pop,
                    n_survive=algorithm.pop_size,
                    algorithm=algorithm,
                    random_state=algorithm.random_state,
                )


class GeneticSearcher(Searcher):
    """Proposes what a genetic algorithm over (error, costs) proposes.

    Args:
        problem: space, costs and limit.
        genetic: a new one, for the same problem.
    """

    uses_prior = True
    runs_ahead = True

    def __init__(self, problem: Problem, genetic: Genetic) -> None:
        self._problem = problem
        self._genetic = genetic

    @override
    def ask(self) -> Sequence[Architecture]:
        return [self._problem.space.decode(vector) for vector in self._genetic.ask()]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._genetic.tell(points_of(self._problem, outcomes))
