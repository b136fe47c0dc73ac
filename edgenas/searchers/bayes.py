"""Bayesian optimisation: Optuna's tree-structured Parzen estimator, over all objectives at once.

Optuna is an extra, and missed when this module is loaded: before any work is done for a search that needs it.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from edgenas.errors import InputError
from edgenas.searchers.neighbours import unmet
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

try:
    import optuna
except ImportError:
    raise InputError("--searcher bayes needs optuna", 'pip install "edgenas[bayes]"') from None


class BayesSearcher(Searcher):
    """Asks for what Optuna's multi-objective TPE suggests (Ozaki et al., GECCO 2020), one architecture at a time.

    A suggestion above the limit stands for its repaired form. For one met before, one near it is asked for.

    Args:
        problem: what is searched.
        seed: decides everything random.
    """

    name = "bayes"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem = problem
        self._rng = np.random.default_rng(seed)
        self._study = _quiet_study(seed, len(problem.objectives))
        self._met: set[Architecture] = set()
        self._suggested: optuna.Trial | None = None
        self._distributions: dict[str, optuna.distributions.BaseDistribution] = {
            str(place): optuna.distributions.CategoricalDistribution(choices)
            for place, choices in enumerate(problem.space.variables)
        }

    @override
    def ask(self) -> Sequence[Architecture]:
        trial = self._study.ask(self._distributions)
        drawn = self._problem.space.architecture([trial.params[place] for place in self._distributions])
        architecture = self._problem.repaired(drawn, self._rng)
        if architecture not in self._met:
            self._suggested = trial
            return [architecture]
        self._suggested = None
        self._study.tell(trial, state=optuna.trial.TrialState.FAIL)  # which the sampler does not look at
        other = unmet(self._problem, architecture, self._met, self._rng)
        return [] if other is None else [other]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        architecture = outcomes[0].architecture
        values = points_of(self._problem, outcomes)[0].tolist()
        self._met.add(architecture)
        if self._suggested is not None:
            self._study.tell(self._suggested, values)
            return
        params = dict(zip(self._distributions, architecture.choices, strict=True))
        trial = optuna.trial.create_trial(params=params, distributions=self._distributions, values=values)
        self._study.add_trial(trial)


def _quiet_study(seed: int, objectives: int) -> optuna.Study:
    """A study in memory; what Optuna says when one is made is not worth a line on the user's screen."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        return optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)
