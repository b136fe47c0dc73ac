"""What tells a search how good its candidates are: the supernet, a training each, or an evaluator handed in."""

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import Evaluator, MakeEvaluator, SupernetEvaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.trained_evaluator import TrainedEvaluator
from edgenas.errors import InputError, UnknownNameError
from edgenas.pipeline.session import Session
from edgenas.plugins import EVALUATORS, load_plugin, may_make, plugin_names
from edgenas.settings.search import SUPERNET, TRAINED, SearchSettings
from edgenas.space import SearchSpace

PROXY_SHARE = 0.25
"""Epochs of a finalist that the `trained` evaluator trains a candidate for."""


def own_evaluator_maker(asked: SearchSettings) -> MakeEvaluator | None:
    """What makes the evaluator handed in or brought by another package; None for those of edgenas.

    Raises:
        InputError: no such evaluator, or an object that neither is nor makes one.
    """
    given = asked.evaluator
    if isinstance(given, str):
        if given in (SUPERNET, TRAINED):
            return None
        if given not in plugin_names(EVALUATORS):
            raise UnknownNameError("evaluator", given, (SUPERNET, TRAINED, *plugin_names(EVALUATORS)))
        given = load_plugin(EVALUATORS, given)

    def make(space: SearchSpace, dataset: Dataset, seed: int) -> Evaluator:
        return given if isinstance(given, Evaluator) else given(space, dataset, seed)

    if not isinstance(given, Evaluator) and not may_make(given, Evaluator):
        raise InputError(
            f"evaluator: {asked.evaluator!r:.60} neither is nor makes an Evaluator",
            "give a name, an object, or a function of (space, dataset, seed)",
        )
    return make


def evaluator_for(session: Session, supernet: Supernet | None) -> Evaluator:
    """The evaluator of a session, once its supernet, if it has one, is trained."""
    if session.own_evaluator is not None:
        return session.own_evaluator
    config, metric = session.config, session.settings.metric
    if supernet is not None:
        shifted = config.supernet_recipe.augmentation.crop
        return SupernetEvaluator(supernet, session.placed, metric, shifted)
    recipe = config.finalist_recipe
    return TrainedEvaluator(
        session.space,
        session.placed,
        recipe.model_copy(update={"epochs": max(1, round(PROXY_SHARE * recipe.epochs))}),
        session.settings.seed,
        session.folder.training,
        session.torch_device,
        metric,
        session.progress,
    )
