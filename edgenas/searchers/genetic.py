"""pymoo's genetic algorithms over encodings of architectures, through its ask and tell.

pymoo (Blank and Deb, IEEE Access 2020) does selection, mating and survival; `genetic_operators` adapts it to
architectures. All randomness comes from one generator passed to it, so that a search replayed from the start with the
same outcomes makes the same proposals.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.config import Config
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
)
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.visited import Visited
from edgenas.space import Architecture

Vectors = NDArray[np.int64]
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
        self._visited = visited
        self._variables = len(problem.sizes)
        self._pending = Population.empty()
        self._scale: Points | None = None

    def ask(self) -> Vectors:
        """New canonical encodings within the limit, shape (m, variables); empty if none were found."""
        self._pending = self.algorithm.ask()
        if self._pending is None:
            return np.empty((0, self._variables), np.int64)
        vectors = encodings(self._pending).reshape(-1, self._variables)
        self._visited.add(vectors)
        return vectors

    def tell(self, points: Points) -> None:
        """Pass on the objectives of the last `ask`, shape (m, objectives), minimised, finite."""
        if self._scale is None:  # pymoo's NSGA-III has absolute tolerances
            span = np.ptp(points, axis=0)
            self._scale = np.where(span > 0, span, 1.0)
        for individual, point in zip(self._pending, points / self._scale, strict=True):
            individual.F = point
        algorithm = self.algorithm
        with warnings.catch_warnings():  # pymoo's NSGA-III disables warnings globally
            algorithm.tell(infills=self._pending)
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

    def __init__(self, problem: Problem, genetic: Genetic) -> None:
        self._problem = problem
        self._genetic = genetic
        self._costs = np.empty((0, 0))

    @override
    def ask(self) -> Sequence[Architecture]:
        vectors = self._genetic.ask()
        self._costs = self._problem.costs(vectors)
        return [self._problem.space.decode(vector) for vector in vectors]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes]
        self._genetic.tell(np.column_stack([errors, self._costs]))
