"""What benchmarks of pretrained weights share: the start, and the trainings of a supernet and of a part of it."""

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import nn

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import classifier_of, fit_linear, refit_linear
from edgenas.accuracy.network_predictions import predictions, recalibrate
from edgenas.accuracy.path_sampling import largest_path_losses, path_losses
from edgenas.accuracy.pretrained_start import start_from
from edgenas.accuracy.standalone import Teacher, network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses, train, training_device
from edgenas.accuracy.training_recipe import FinalistRecipe, Recipe, SupernetRecipe, fine_tuning_recipes
from edgenas.inputs.pretrained import pretrained_for
from edgenas.inputs.run_data import data_of
from edgenas.inputs.spaces import space_for_images
from edgenas.pipeline.time_budget import LARGEST_FIRST_SHARE
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture


def started(data: str, resolution: str) -> tuple[Dataset, Supernet]:
    """Images at the largest size, and a supernet with EfficientNet-Lite0's weights that is not trained yet."""
    settings = SearchSettings("cpu", "1s", data=data, resolution=resolution)
    sizes = settings.resolutions
    assert sizes is not None
    found = pretrained_for(settings, sizes[0])
    assert found is not None, "images of 96 px or more"
    dataset = data_of(settings).normalised(found.mean, found.std).largest.on(training_device())
    supernet = Supernet(space_for_images(settings, sizes, len(dataset.classes)), 0).to(training_device())
    largest = supernet.extract(supernet.space.largest)
    start_from(largest, found.read().tensors, dataset)
    supernet.places.load_state_dict(largest.state_dict())
    return dataset, supernet


def recipes(dataset: Dataset) -> tuple[SupernetRecipe, FinalistRecipe]:
    """Those of a search with these images."""
    return fine_tuning_recipes(len(dataset.train), augmentation_from_text("resized-crop"))


def trained_supernet(
    start: Supernet, dataset: Dataset, recipe: SupernetRecipe, seed: int, seconds: float | None = None
) -> Supernet:
    """A copy of the supernet, trained as in a search, for so many seconds if given."""
    supernet, first, left_s = copy.deepcopy(start), recipe.largest_first, seconds
    if first is not None:
        largest_s = None if seconds is None else LARGEST_FIRST_SHARE * seconds
        left_s = None if seconds is None else (1 - LARGEST_FIRST_SHARE) * seconds
        trained(supernet, largest_path_losses(supernet, first), dataset, first, seed, largest_s)
    trained(supernet, path_losses(supernet, recipe), dataset, recipe, seed, left_s)
    return supernet


def untrained_part(
    supernet: Supernet, dataset: Dataset, architecture: Architecture, fits: bool
) -> nn.Sequential:
    """A part as a network of its own for images of the largest size; its classifier is fitted if `fits`."""
    part = supernet.extract(architecture)
    network = nn.Sequential(Resize(supernet.space.resolution_of(architecture)), part)
    recalibrate(network, dataset)
    if fits:
        fit_linear(network, classifier_of(part), dataset)
    return network


def fine_tune(
    network: nn.Sequential,
    dataset: Dataset,
    recipe: FinalistRecipe,
    seed: int,
    seconds: float | None = None,
    teacher: Teacher | None = None,
) -> None:
    """Train a part on its own, as a finalist; its classifier is not fitted again."""
    losses = network_losses(network, recipe, teacher, recipe.distillation)
    trained(network, losses, dataset, recipe, seed, seconds)


def refit(network: nn.Sequential, dataset: Dataset) -> None:
    """Fit the classifier of a part again, as a finalist's."""
    refit_linear(network, classifier_of(network[1]), dataset)


def accuracy(network: nn.Module, dataset: Dataset, splits: Sequence[Split]) -> float:
    """Share of the images of all splits together that are classified correctly."""
    correct = [predictions(network, dataset, split) == split.labels.cpu().numpy() for split in splits]
    return float(np.concatenate(correct).mean())


def trained(
    model: nn.Module,
    losses: Losses,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    seconds: float | None = None,
) -> None:
    """Train a model in place."""
    with tempfile.TemporaryDirectory() as folder:
        train(model, losses, dataset, recipe, seed, Checkpoint(Path(folder, "checkpoint")), seconds=seconds)
