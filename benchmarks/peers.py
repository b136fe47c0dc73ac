"""Searchers of other libraries, behind one small function each; used by `search_quality.py`.

A peer gets the space, a function that looks up a network's (error, milliseconds), and a seed. It looks up whatever it
likes until that raises `Spent`: only networks it has not seen count. It has the settings its library proposes, where it
proposes any.
"""

import contextlib
import io
import logging
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from edgenas.space import Architecture, ArchitectureSpace

REPEATS = 30
"""Lookups a peer has for every network it may evaluate; one that only repeats itself has to end some time."""

LookUp = Callable[[Architecture], tuple[float, float]]
Peer = Callable[[ArchitectureSpace, LookUp, int], None]


class Spent(Exception):  # noqa: N818 - what happened, not what went wrong
    """The evaluations are used up."""


class Ledger:
    """Looks up figures, and keeps in order which distinct networks were asked for."""

    def __init__(self, figures: dict[Architecture, tuple[float, float]], evaluations: int) -> None:
        self._figures = figures
        self._evaluations = evaluations
        self._lookups = 0
        self.evaluated: dict[Architecture, tuple[float, float]] = {}

    def look_up(self, architecture: Architecture) -> tuple[float, float]:
        """Error and milliseconds of a network.

        Raises:
            Spent: it is one too many.
        """
        self._lookups += 1
        if architecture not in self.evaluated:
            if len(self.evaluated) == self._evaluations:
                raise Spent
            self.evaluated[architecture] = self._figures[architecture]
        if self._lookups > REPEATS * self._evaluations:
            raise Spent
        return self.evaluated[architecture]


def evaluated_by(
    peer: str,
    space: ArchitectureSpace,
    figures: dict[Architecture, tuple[float, float]],
    seed: int,
    evaluations: int,
) -> list[tuple[float, float]]:
    """Figures of the distinct networks a peer evaluates, in order.

    Raises:
        ImportError: its library is not installed, or does not work with what is.
    """
    ledger = Ledger(figures, evaluations)
    random.seed(seed)
    np.random.seed(seed)
    with contextlib.suppress(Spent), _silence():
        PEERS[peer](space, ledger.look_up, seed)
    return list(ledger.evaluated.values())


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Nothing of what other libraries print, draw as progress or log."""
    nowhere = io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with (
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def optuna_tpe(space: ArchitectureSpace, look_up: LookUp, seed: int) -> None:
    """Optuna's multi-objective TPE."""
    from optuna.samplers import TPESampler

    _optuna(space, look_up, TPESampler(seed=seed))


def optuna_nsga2(space: ArchitectureSpace, look_up: LookUp, seed: int) -> None:
    """Optuna's NSGA-II, with a population of 20 as pymoo's here: its own of 50 learns too late."""
    from optuna.samplers import NSGAIISampler

    _optuna(space, look_up, NSGAIISampler(seed=seed, population_size=20))


def _optuna(space: ArchitectureSpace, look_up: LookUp, sampler: object) -> None:
    import optuna

    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)

    def objective(trial: "optuna.Trial") -> tuple[float, float]:
        choices = [trial.suggest_categorical(str(i), known) for i, known in enumerate(space.variables)]
        return look_up(space.architecture(choices))

    study.optimize(objective)


def pymoo_nsga2(space: ArchitectureSpace, look_up: LookUp, seed: int) -> None:
    """NSGA-II as pymoo's pages show it: integers, population 20, uniform crossover, categorical mutation."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.mutation import Mutation
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.operators.crossover.ux import UniformCrossover
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    sizes = np.array([len(choices) for choices in space.variables])

    class Table(ElementwiseProblem):
        def _evaluate(self, x, out, *args, **kwargs):
            out["F"] = look_up(space.decode(x))

    class Resample(Mutation):
        def _do(self, problem, X, *args, random_state=None, **kwargs):  # noqa: N803
            drawn = random_state.integers(0, sizes, X.shape)
            return np.where(random_state.random(X.shape) < 1 / len(sizes), drawn, X)

    algorithm = NSGA2(
        pop_size=20, sampling=IntegerRandomSampling(), crossover=UniformCrossover(), mutation=Resample()
    )
    problem = Table(n_var=len(sizes), n_obj=2, xl=np.zeros_like(sizes), xu=sizes - 1, vtype=int)
    minimize(problem, algorithm, ("n_gen", 10**9), seed=seed)


def archai(space: ArchitectureSpace, look_up: LookUp, seed: int) -> None:
    """Archai's EvolutionPareto with its own settings; one choice resampled a mutation, uniform crossover."""
    from archai.discrete_search.algos.evolution_pareto import EvolutionParetoSearch
    from archai.discrete_search.api import ArchaiModel, SearchObjectives
    from archai.discrete_search.api.model_evaluator import ModelEvaluator
    from archai.discrete_search.api.search_space import EvolutionarySearchSpace

    rng = np.random.default_rng(seed)

    def overrides(method):
        # Stands for `overrides` 3.1, which Archai pins and which cannot read the bytecode of Python 3.11 in a function.
        method.__override__ = True
        return method

    def model(architecture: Architecture) -> ArchaiModel:
        return ArchaiModel(architecture, architecture.id)

    class Space(EvolutionarySearchSpace):
        @overrides
        def save_arch(self, model, path):
            pass

        @overrides
        def load_arch(self, path):
            pass

        @overrides
        def save_model_weights(self, model, path):
            pass

        @overrides
        def load_model_weights(self, model, path):
            pass

        @overrides
        def random_sample(self):
            return model(space.sample(rng))

        @overrides
        def mutate(self, arch):
            choices = list(arch.arch.choices)
            place = int(rng.integers(len(choices)))
            choices[place] = str(rng.choice([c for c in space.variables[place] if c != choices[place]]))
            return model(space.architecture(choices))

        @overrides
        def crossover(self, arch_list):
            pairs = zip(*(parent.arch.choices for parent in arch_list), strict=True)
            return model(space.architecture([str(rng.choice(pair)) for pair in pairs]))

    class Figure(ModelEvaluator):
        def __init__(self, place: int) -> None:
            self.place = place

        @overrides
        def evaluate(self, model, budget=None):
            return look_up(model.arch)[self.place]

    objectives = SearchObjectives()
    objectives.add_objective("error", Figure(0), higher_is_better=False, compute_intensive=True)
    objectives.add_objective("latency", Figure(1), higher_is_better=False, compute_intensive=False)
    with tempfile.TemporaryDirectory() as folder:
        search = EvolutionParetoSearch(
            Space(), objectives, folder, num_iters=10**6, seed=seed, clear_evaluated_models=False
        )
        for saves in (
            "save_search_state",
            "save_pareto_frontier_models",
            "save_all_2d_pareto_evolution_plots",
        ):
            setattr(search.search_state, saves, lambda *args, **kwargs: None)
        search.search()


def botorch(space: ArchitectureSpace, look_up: LookUp, seed: int) -> None:
    """BoTorch: a Gaussian process an objective on one-hot features, and expected hypervolume improvement.

    Ten random networks first, then five at a time, chosen one after another among a thousand random ones.
    """
    import torch
    from botorch.acquisition.multi_objective.monte_carlo import qExpectedHypervolumeImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.models.transforms import Standardize
    from botorch.optim import optimize_acqf_discrete
    from botorch.sampling import SobolQMCNormalSampler
    from botorch.utils.multi_objective.box_decompositions import FastNondominatedPartitioning
    from botorch.utils.multi_objective.hypervolume import infer_reference_point
    from botorch.utils.multi_objective.pareto import is_non_dominated
    from gpytorch.mlls import SumMarginalLogLikelihood

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    found: dict[Architecture, tuple[float, float]] = {}

    def features(architectures: list[Architecture]) -> torch.Tensor:
        vectors = np.array([space.encode(architecture) for architecture in architectures])
        columns = [np.eye(len(known))[vectors[:, i]] for i, known in enumerate(space.variables)]
        return torch.tensor(np.concatenate(columns, axis=1))

    def proposals() -> list[Architecture]:
        pool = [a for a in dict.fromkeys(space.sample(rng) for _ in range(1000)) if a not in found]
        inputs, outputs = features(list(found)), -torch.tensor(list(found.values()), dtype=torch.double)
        models = [SingleTaskGP(inputs, outputs[:, [i]], outcome_transform=Standardize(1)) for i in (0, 1)]
        model = ModelListGP(*models)
        likelihood = SumMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": 75}})
        reference = infer_reference_point(outputs[is_non_dominated(outputs)])
        # Without the logarithm that helps gradients: over a set of choices there are none.
        improvement = qExpectedHypervolumeImprovement(
            model,
            reference,
            FastNondominatedPartitioning(reference, outputs),
            SobolQMCNormalSampler(torch.Size([64]), seed=seed),
        )
        choices = features(pool)
        chosen, _ = optimize_acqf_discrete(improvement, 5, choices)
        return [pool[int((choices == row).all(1).nonzero()[0, 0])] for row in chosen]

    while True:
        for architecture in proposals() if len(found) >= 10 else [space.sample(rng)]:
            found[architecture] = look_up(architecture)


PEERS: dict[str, Peer] = {
    "optuna-tpe": optuna_tpe,
    "optuna-nsga2": optuna_nsga2,
    "pymoo-nsga2": pymoo_nsga2,
    "archai": archai,
    "botorch": botorch,
}
