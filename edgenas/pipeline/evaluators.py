"""The evaluator of a search: the supernet, training each candidate, or an evaluator from outside edgenas."""

from functools import partial

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import Candidate, Evaluator, MakeEvaluator, SupernetEvaluator
from edgenas.accuracy.probe_evaluator import ProbeEvaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.trained_evaluator import TrainedEvaluator
from edgenas.device.target import searched_scheme_of
from edgenas.errors import InputError, UnknownNameError
from edgenas.pipeline.initial_networks import initial_network
from edgenas.pipeline.session import Session
from edgenas.plugins import EVALUATORS, load_plugin, may_make, plugin_names
from edgenas.precision.arithmetic import EXACT, Int8Arithmetic
from edgenas.settings.search import SUPERNET, TRAINED, SearchSettings
from edgenas.space import Architecture, NetworkSpace

PROXY_SHARE = 0.25
"""Training of a candidate by the `trained` evaluator, as a share of a finalist's epochs."""


def custom_evaluator_maker(settings: SearchSettings) -> MakeEvaluator | None:
    """What makes the evaluator passed as an object or provided by another package; None for those of edgenas.

    Raises:
        InputError: an unknown name, or an object that neither is nor makes an evaluator.
    """
    given = settings.evaluator
    if isinstance(given, str):
        if given in (SUPERNET, TRAINED):
            return None
        if given not in plugin_names(EVALUATORS):
            raise UnknownNameError("evaluator", given, (SUPERNET, TRAINED, *plugin_names(EVALUATORS)))
        given = load_plugin(EVALUATORS, given)

    refused = InputError(
        f"evaluator: {settings.evaluator!r:.60} is not an Evaluator and does not make one",
        "give a name, an object, or a function of (space, dataset, seed)",
    )
    if not isinstance(given, Evaluator) and not may_make(given, Evaluator, 3):
        raise refused

    def make(space: NetworkSpace, dataset: Dataset, seed: int) -> Evaluator:
        evaluator = given if isinstance(given, Evaluator) else given(space, dataset, seed)
        if not isinstance(evaluator, Evaluator):
            raise refused
        return evaluator

    return make


def _candidate(session: Session, architecture: Architecture) -> Candidate:
    """The network, computing as its file will; fp16 is as good as exact."""
    precision, network = session.in_precision(architecture)
    return network, Int8Arithmetic(
        searched_scheme_of(session.config.device)
    ) if precision == "int8" else EXACT


def evaluator_for(session: Session, supernet: Supernet | None) -> Evaluator:
    """The evaluator of a session; for `supernet` see `supernet_training.Trained`."""
    if session.custom_evaluator is not None:
        return session.custom_evaluator
    config, metric = session.config, session.settings.metric
    make_network = partial(initial_network, session, supernet)
    if session.settings.tune == "classifier":
        return ProbeEvaluator(
            make_network,
            lambda architecture: session.dataset_on_device_at(session.space.resolution_of(architecture)),
            metric,
        )
    if supernet is not None and session.trains_supernet:
        shifts = config.supernet_recipe.augmentation.crop
        return SupernetEvaluator(
            supernet, session.dataset_on_device, metric, shifts, partial(_candidate, session)
        )
    recipe = config.finalist_recipe
    return TrainedEvaluator(
        session.space,
        make_network,
        session.dataset_on_device,
        recipe.model_copy(update={"epochs": max(1, round(PROXY_SHARE * recipe.epochs))}),
        session.settings.seed,
        lambda architecture_id: session.checkpoint(session.folder.training(architecture_id)),
        metric,
        session.progress,
    )
