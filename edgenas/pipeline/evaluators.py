"""The evaluator of a search: the supernet, training each candidate, or an evaluator from outside edgenas."""

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import Evaluator, SupernetEvaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.trained_evaluator import TrainedEvaluator
from edgenas.errors import InputError, UnknownNameError
from edgenas.pipeline.session import Session
from edgenas.plugins import EVALUATORS, load_plugin, plugin_names
from edgenas.settings.search import SUPERNET, TRAINED, SearchSettings
from edgenas.space import SearchSpace

PROXY_SHARE = 0.25
"""Training of a candidate by the `trained` evaluator, as a share of a finalist's epochs."""


def custom_evaluator(settings: SearchSettings, space: SearchSpace, dataset: Dataset) -> Evaluator | None:
    """The evaluator passed as an object or provided by another package; None for those of edgenas.

    Raises:
        InputError: an unknown name, or an object that neither is nor makes an evaluator.
    """
    make = settings.evaluator
    if isinstance(make, str):
        if make in (SUPERNET, TRAINED):
            return None
        if make not in plugin_names(EVALUATORS):
            raise UnknownNameError("evaluator", make, (SUPERNET, TRAINED, *plugin_names(EVALUATORS)))
        make = load_plugin(EVALUATORS, make)
    evaluator = (
        make if isinstance(make, Evaluator) or not callable(make) else make(space, dataset, settings.seed)
    )
    if not isinstance(evaluator, Evaluator):
        raise InputError(
            f"evaluator: {settings.evaluator!r:.60} is not an Evaluator and does not make one",
            "give a name, an object, or a function of (space, dataset, seed)",
        )
    return evaluator


def evaluator_for(session: Session, supernet: Supernet | None) -> Evaluator:
    """The evaluator of a session; `supernet` is trained, or None if the session has none."""
    if session.custom_evaluator is not None:
        return session.custom_evaluator
    config, metric = session.config, session.settings.metric
    if supernet is not None:
        shifts = config.supernet_recipe.augmentation.crop
        return SupernetEvaluator(supernet, session.dataset_on_device, metric, shifts)
    recipe = config.finalist_recipe
    return TrainedEvaluator(
        session.space,
        session.dataset_on_device,
        recipe.model_copy(update={"epochs": max(1, round(PROXY_SHARE * recipe.epochs))}),
        session.settings.seed,
        session.folder.training,
        session.torch_device,
        metric,
        session.progress,
    )
