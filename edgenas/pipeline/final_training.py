"""Where the training of a final model begins, and who teaches it."""

from functools import partial

from torch import nn

from edgenas.accuracy.standalone import Teacher, fresh_network
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.pipeline.baselines import is_pretrained, pretrained_network
from edgenas.pipeline.final_model import FinalModel, TrainingOutcome, outcome_of_training
from edgenas.pipeline.initial_networks import initial_network
from edgenas.pipeline.session import Session


def trained(
    session: Session,
    supernet: Supernet | None,
    final_model: FinalModel,
    recipe: FinalistRecipe,
    phase: str,
    seconds: float | None,
) -> TrainingOutcome:
    """Train a final model; see `outcome_of_training`."""
    make_network = partial(network_of, session, supernet, final_model)
    teacher = teacher_of(supernet, final_model)
    return outcome_of_training(session, final_model, make_network, recipe, phase, seconds, teacher)


def network_of(
    session: Session, supernet: Supernet | None, final_model: FinalModel, fitted: bool = True
) -> nn.Module:
    """The network with its initial weights, on the training device; see `pretrained_network` for `fitted`."""
    if not final_model.name:
        return initial_network(session, supernet, final_model.architecture)
    if is_pretrained(final_model):
        dataset = final_model.dataset_on_device(session)
        return pretrained_network(final_model.network, dataset, session.torch_device, fitted)
    return fresh_network(
        final_model.space, final_model.architecture, session.settings.seed, session.torch_device
    )


def teacher_of(supernet: Supernet | None, final_model: FinalModel) -> Teacher | None:
    """The supernet's largest network at the image size of a finalist; None for a baseline."""
    size = final_model.resolution
    if supernet is None or final_model.name:
        return None
    largest = supernet.space.joined(size, supernet.space.at(size).largest)
    return lambda images: supernet(images, largest)
