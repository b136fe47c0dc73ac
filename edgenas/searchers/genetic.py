"""pymoo's genetic algorithms over encodings of architectures, through its ask and tell.

pymoo (Blank and Deb, IEEE Access 2020) selects, mates and lets survive; `genetic_operators` is what it is given to know
of architectures. Everything random comes from one generator that it is handed, so that a search asked again from the
start, and told the same, asks the same.
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
    EndsLeadersAndSamples,
    LimitedProblem,
    MatingOrSampling,
    NeverAskedFor,
    TowardsParent,
    encodings,
)
from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.searchers.visited import Visited
from edgenas.space import Architecture

Vectors = NDArray[np.int64]
Points = NDArray[np.float64]

Config.warnings["not_compiled"] = False  # where pymoo has no wheel it would say so on stdout, among results


def operators(selection: Selection, asked: Visited, start: Vectors | None = None) -> dict[str, Any]:
    """Arguments of a `GeneticAlgorithm` that make it one over architectures.

    Args:
        selection: the algorithm's own, of parents.
        asked: what is not to be asked for.
        start: the first population, canonical and within the limit, shape (n, variables); None for
            `EndsLeadersAndSamples`.
    """
    return {
        "sampling": EndsLeadersAndSamples(asked) if start is None else start,
        "repair": TowardsParent(),
        "eliminate_duplicates": NeverAskedFor(asked),
        "mating": MatingOrSampling(selection, asked),
    }


class Genetic:
    """One of pymoo's algorithms, asked and told, of encodings alone; what the points mean is the caller's affair.

    Args:
        algorithm: made with `operators`.
        problem: space and limit.
        rng: decides everything random.
        asked: what is not to be asked for, the archive that `operators` has; it is added to.
    """

    def __init__(
        self, algorithm: GeneticAlgorithm, problem: Problem, rng: np.random.Generator, asked: Visited
    ) -> None:
        self.algorithm = algorithm
        """pymoo's own; `algorithm.pop` is what survived."""
        algorithm.setup(LimitedProblem(problem), seed=rng, termination=NoTermination())
        self._asked = asked
        self._variables = len(problem.sizes)
        self._pending = Population.empty()
        self._unit: Points | None = None

    def ask(self) -> Vectors:
        """Canonical encodings within the limit that are new, shape (m, variables); none where none were found."""
        self._pending = self.algorithm.ask()
        if self._pending is None:
            return np.empty((0, self._variables), np.int64)
        vectors = encodings(self._pending).reshape(-1, self._variables)
        self._asked.add(vectors)
        return vectors

    def tell(self, points: Points) -> None:
        """What became of the last ask, shape (m, objectives), minimised, finite."""
        if self._unit is None:  # tolerances of pymoo's NSGA-III are absolute
            span = np.ptp(points, axis=0)
            self._unit = np.where(span > 0, span, 1.0)
        for individual, point in zip(self._pending, points / self._unit, strict=True):
            individual.F = point
        algorithm = self.algorithm
        with warnings.catch_warnings():  # pymoo's NSGA-III turns all off, for good
            algorithm.tell(infills=self._pending)
            if (
                len(algorithm.pop) > algorithm.pop_size
            ):  # pymoo lets all of a first population survive, however large
                algorithm.pop = algorithm.survival.do(
                    algorithm.problem,
                    algorithm.pop,
                    n_survive=algorithm.pop_size,
                    algorithm=algorithm,
                    random_state=algorithm.random_state,
                )


class GeneticSearcher(Searcher):
    """Asks for what a genetic algorithm over (error, costs) asks for.

    Args:
        problem: what is searched.
        genetic: fresh, of the same problem.
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
