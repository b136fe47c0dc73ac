"""How well a supernet with pretrained weights ranks: Kendall's tau against networks that are fine-tuned on their own.

    python benchmarks/pretrained_ranking.py --data FOLDER [--resolution 96..160] [--architectures 16] [--seeds 2]
        [--supernet-seeds 2] [--epochs N]

Networks spread evenly over the space's range of MACs begin as parts of EfficientNet-Lite0, with a classifier fitted
to each, and are trained with the recipe of finalists, a few seeds each; their mean test accuracy is the truth. The
supernet evaluates them on the validation images, after the training that a search gives it without a time budget.

The noise ceiling is the tau of one seed against the mean of the others. The bar: a mean tau of the supernet no lower
than the ceiling less 0.1.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from ranking import spread_by_macs, tau
from torch import nn

from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import classifier_of, fit_linear, refit_linear
from edgenas.accuracy.network_predictions import predictions, recalibrate
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.pretrained_start import start_from
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses, train, training_device
from edgenas.accuracy.training_recipe import FinalistRecipe, Recipe, SupernetRecipe, fine_tuning_recipes
from edgenas.pipeline.pretrained import pretrained_for
from edgenas.pipeline.run_data import data_of
from edgenas.pipeline.spaces import space_for_images
from edgenas.settings.search import SearchSettings
from edgenas.space import Architecture, NetworkSpace


def main() -> None:
    """Fine-tune the networks, train the supernets, and print how they rank."""
    options = _options()
    dataset, space, start = _start(options)
    augmentation = augmentation_from_text("resized-crop")
    supernet_recipe, recipe = fine_tuning_recipes(len(dataset.train), augmentation)
    if options.epochs:
        supernet_recipe = supernet_recipe.model_copy(update={"epochs": options.epochs})
    architectures = spread_by_macs(space, options.architectures)
    truth = np.array(
        [[_fine_tuned(start, dataset, each, recipe, seed) for seed in range(options.seeds)]
         for each in architectures]
    )  # fmt: skip
    mean = truth.mean(1)
    macs = np.array([space.macs(each) for each in architectures])
    print(f"{len(architectures)} networks, test accuracy {mean.min():.3f} to {mean.max():.3f}")
    print(f"MACs alone: tau {tau(macs, mean):.3f}")
    ceilings = [tau(truth[:, seed], np.delete(truth, seed, 1).mean(1)) for seed in range(options.seeds)]
    print(
        f"one seed against the others (noise ceiling): {', '.join(f'{each:.3f}' for each in ceilings)}",
        flush=True,
    )
    for seed in range(options.supernet_seeds):
        found, seconds = _ranked(start, dataset, architectures, supernet_recipe, seed)
        print(f"supernet, seed {seed}: tau {tau(found, mean):.3f}, accuracy {found.min():.3f} to {found.max():.3f}, "
              f"{supernet_recipe.epochs} epochs in {seconds:.0f} s", flush=True)  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--resolution", default="96..160")
    parser.add_argument("--architectures", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--supernet-seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, help="of the supernet")
    return parser.parse_args()


def _start(options: argparse.Namespace) -> tuple[Dataset, NetworkSpace, Supernet]:
    """The data, the space, and a supernet with pretrained weights that is not trained."""
    settings = SearchSettings("cpu", "1s", data=options.data, resolution=options.resolution)
    sizes = settings.resolutions
    assert sizes is not None
    found = pretrained_for(settings, sizes[0])
    assert found is not None, "images of 96 px or more"
    dataset = data_of(settings).normalised(found.mean, found.std).largest.on(training_device())
    space = space_for_images(settings, sizes, len(dataset.classes))
    supernet = Supernet(space, 0).to(training_device())
    largest = supernet.extract(space.largest)
    start_from(largest, found.read().tensors, dataset)
    supernet.places.load_state_dict(largest.state_dict())
    return dataset, space, supernet


def _fine_tuned(
    start: Supernet, dataset: Dataset, architecture: Architecture, recipe: FinalistRecipe, seed: int
) -> float:
    """Test accuracy of a part of the pretrained network, trained on its own."""
    part = start.extract(architecture)
    network = nn.Sequential(Resize(start.space.resolution_of(architecture)), part)
    recalibrate(network, dataset)
    fit_linear(network, classifier_of(part), dataset)
    _train(network, network_losses(network, recipe), dataset, recipe, seed)
    if recipe.refits_classifier:
        refit_linear(network, classifier_of(part), dataset)
    return float((predictions(network, dataset, dataset.test) == dataset.test.labels.cpu().numpy()).mean())


def _ranked(
    start: Supernet, dataset: Dataset, architectures: list[Architecture], recipe: SupernetRecipe, seed: int
) -> tuple[np.ndarray, float]:
    """Validation accuracies with the weights of a supernet that is trained for it, and how many seconds that took."""
    supernet = Supernet(start.space, seed).to(training_device())
    supernet.load_state_dict(start.state_dict())
    began = time.monotonic()
    _train(supernet, path_losses(supernet, recipe), dataset, recipe, seed)
    seconds = time.monotonic() - began
    evaluator = SupernetEvaluator(supernet, dataset, shifted=False)
    return np.array([evaluator.evaluate(each) for each in architectures]), seconds


def _train(model: nn.Module, losses: Losses, dataset: Dataset, recipe: Recipe, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train(model, losses, dataset, recipe, seed, Checkpoint(Path(folder, "checkpoint")))


if __name__ == "__main__":
    main()
