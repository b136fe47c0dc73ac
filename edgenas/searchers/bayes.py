"""Bayesian optimisation: Optuna's tree-structured Parzen estimator, over all objectives at once.

Optuna is an optional dependency. Without it, importing this module fails, before a search does any work.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.searchers.neighbours import unvisited
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

try:
    import optuna
except ImportError:
    raise InputError("--searcher bayes needs optuna", "pip install 'edgenas[bayes]'") from None


class BayesSearcher(Searcher):
    """Proposes what Optuna's multi-objective TPE suggests (Ozaki et al., GECCO 2020), one architecture at a time.

    A suggestion above the limit is repaired; one that was visited before is replaced by an unvisited neighbour.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
    """

    name = "bayes"
    runs_ahead = True

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._study = _quiet_study(seed, len(problem.objectives))
        self._visited: set[Architecture] = set()
        self._suggested: dict[Architecture, optuna.Trial] = {}
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            str(variable): optuna.distributions.CategoricalDistribution(choices)
            for variable, choices in enumerate(problem.space.variables)
        }

    @override
    def ask(self) -> Sequence[Architecture]:
        trial = self._study.ask(self._distributions)
        suggestion = self._problem.space.architecture(
            [trial.params[variable] for variable in self._distributions]
        )
        architecture = self._problem.repaired(suggestion, self._rng)
        if architecture not in self._visited:
            self._suggested[architecture] = trial
            self._visited.add(architecture)
            return [architecture]
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # the sampler ignores failed trials
        other = unvisited(self._problem, architecture, self._visited, self._rng)
        if other is None:
            return []
        self._visited.add(other)
        return [other]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        for outcome, point in zip(outcomes, points_of(self._problem, outcomes), strict=True):
            self._tell(outcome.architecture, point.tolist())

    def _tell(self, architecture: Architecture, values: list[float]) -> None:
        if trial := self._suggested.pop(architecture, None):
            self._study.tell(trial, values)
            return
        params = dict(zip(self._distributions, architecture.choices, strict=True))
        found = optuna.trial.create_trial(params=params, distributions=self._distributions, values=values)
        self._study.add_trial(found)


def _quiet_study(seed: int, objectives: int) -> optuna.Study:
    """An in-memory study, created without Optuna's log messages and warnings."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        return optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)
