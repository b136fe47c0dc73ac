"""NSGA-II (Deb et al., IEEE TEC 2002) from pymoo over (error, latency), the limit as a constraint."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem as PymooProblem
from pymoo.core.repair import Repair
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.ux import UniformCrossover
from typing_extensions import override

from edgenas.search.problem import Problem
from edgenas.search.searcher import Outcome, Searcher
from edgenas.space import Architecture, ArchitectureSpace

POPULATION = 24


class NSGA2Searcher(Searcher):
    """Evolves integer encodings: uniform crossover, one resampled choice a child on average.

    The first population holds the fastest architecture, the slowest where it keeps the limit, and samples.
    """

    name = "nsga2"

    def __init__(self, problem: Problem, seed: int, population: int = POPULATION) -> None:
        space = problem.space
        self._space = space
        self._pending: Any = None
        self._algorithm = NSGA2(
            pop_size=population,
            sampling=_first_population(problem, seed, population),
            crossover=UniformCrossover(prob=0.9),
            mutation=_ResampleChoice(),
            repair=_Canonical(space),
            eliminate_duplicates=True,
        )
        self._algorithm.setup(_integer_problem(space), termination=NoTermination(), seed=seed, verbose=False)

    @override
    def ask(self) -> Sequence[Architecture]:
        self._pending = self._algorithm.ask()
        if self._pending is None or len(self._pending) == 0:
            return []
        return [self._space.decode(vector) for vector in self._pending.get("X")]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        self._pending.set("F", np.array([[outcome.error, outcome.latency_ms] for outcome in outcomes]))
        self._pending.set("G", np.array([[outcome.excess_ms] for outcome in outcomes]))
        for individual in self._pending:
            individual.evaluated.update({"F", "G", "H"})
        self._algorithm.tell(infills=self._pending)


def _integer_problem(space: ArchitectureSpace) -> PymooProblem:
    upper = np.array([len(choices) - 1 for choices in space.variables])
    return PymooProblem(
        n_var=len(upper), n_obj=2, n_ieq_constr=1, xl=np.zeros_like(upper), xu=upper, vtype=int
    )


def _first_population(problem: Problem, seed: int, size: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    space, predictor = problem.space, problem.predictor
    ends = [predictor.fastest(), predictor.slowest()]
    chosen = {a.id: a for a in ends if problem.latency_ms(a) <= problem.max_latency_ms}
    for _ in range(20 * size):  # a small feasible set may not hold `size` distinct ones
        if len(chosen) >= size:
            break
        architecture = problem.sample(rng)
        chosen.setdefault(architecture.id, architecture)
    return np.array([space.encode(architecture) for architecture in chosen.values()])


class _ResampleChoice(Mutation):  # type: ignore[misc]
    """Each variable takes a random choice with probability 1 / variables."""

    def _do(
        self, problem: Any, X: NDArray[np.int64], *args: Any, random_state: Any = None, **kwargs: Any
    ) -> Any:
        resampled = random_state.random(X.shape) < 1 / problem.n_var
        drawn = (random_state.random(X.shape) * (problem.xu + 1)).astype(X.dtype)
        return np.where(resampled, drawn, X)


class _Canonical(Repair):  # type: ignore[misc]
    """Brings every encoding to the one form of its network, so that duplicates are seen as such."""

    def __init__(self, space: ArchitectureSpace) -> None:
        super().__init__()
        self._space = space

    def _do(self, problem: Any, X: NDArray[np.int64], **kwargs: Any) -> Any:
        return np.array([self._space.encode(self._space.decode(row)) for row in X])
