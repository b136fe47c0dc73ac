"""Random search: the baseline for every other searcher."""

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from edgenas.searchers.problem import Problem
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

BATCH = 16


class RandomSearcher(Searcher):
    """Samples architectures within the limit by `Problem.sample`."""

    name = "random"
    runs_ahead = True

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)

    @override
    def ask(self) -> Sequence[Architecture]:
        return [self._problem.sample(self._rng) for _ in range(BATCH)]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        pass
