"""Searches from pretrained weights against the pretrained network itself, fine-tuned at several image sizes.

    python benchmarks/pretrained_search.py --data FOLDER [--device raspberry-pi-5] [--max-latency 12ms]
        [--time-budget 15min] [--resolution 96..160] [--sizes 96 112 128 160] [--first-seed 0] [--seeds 3]
        [--finalists 8] [--plain] [--noise] [--keep FOLDER]

Each seed is one search. EfficientNet-Lite0 is then trained at each of the sizes for the time that a finalist had, plus
its share of the supernet's training, with the same start, recipe and images; those above the limit too. With `--plain`,
it is also trained as most would: a random classifier, the weights and statistics as they are, images of its own size,
for the same time. With `--noise`, a search of the same budget from random weights, at the data's own size, follows.

The front's model beside a baseline is the one with the best validation accuracy among those predicted no slower. Bars,
for photographs of five flowers within 12 ms: a test accuracy of 0.90 on the front; at no baseline within the limit
behind by more than the noise of the test set (two standard deviations of the difference); ahead by a point on the mean.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edgenas
from edgenas.accuracy.augmentation import augmentation_from_text
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import classifier_of, refit_linear
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.pretrained_start import load_without_classifier, start_from
from edgenas.accuracy.standalone import fresh_network, network_losses
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import fine_tuning_recipes
from edgenas.device import find_device
from edgenas.latency.predictor import predictor_for
from edgenas.pretrained.sources import source_from_name
from edgenas.pretrained.weights import load_weights
from edgenas.space import MBConvSpace
from edgenas.storage.search_result import Model
from edgenas.units import parse_milliseconds, parse_resolutions

SOURCE = "efficientnet-lite0"


@dataclass(frozen=True)
class Trained:
    """A network on the test images."""

    name: str
    latency_ms: float
    validation: float
    test: float


def main() -> None:
    """Search and train with each seed, and print what came of it."""
    arguments = _arguments()
    data, leads = arguments.data.resolve(), []
    with tempfile.TemporaryDirectory() as folder, chdir(arguments.keep or folder):
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            run = _search(arguments, data, seed, resolution=arguments.resolution)
            front = [_of(model) for model in run.front]
            _show(f"seed {seed}: the front", front)
            if arguments.noise:
                noise = _search(arguments, data, seed, pretrained="none")
                _show(f"seed {seed}: from noise", [_of(model) for model in noise.front])
            count = len(run.front) + len(run.dropped)
            seconds = (run.seconds["finalists"] + run.seconds["supernet"]) / count
            baselines = [_baseline(arguments, data, seed, size, seconds) for size in arguments.sizes]
            _show(f"seed {seed}: {SOURCE}, each trained for {seconds:.0f} s", baselines)
            if arguments.plain:
                plain = [
                    _baseline(arguments, data, seed, size, seconds, plain=True) for size in arguments.sizes
                ]
                _show(f"seed {seed}: {SOURCE}, trained as most would", plain)
            leads += list(_leads(front, baselines, parse_milliseconds(arguments.max_latency, "")))
            print(json.dumps({"seed": seed, "front": [asdict(each) for each in front],
                              "baselines": [asdict(each) for each in baselines]}), flush=True)  # fmt: skip
    print(f"mean lead {100 * np.mean(leads):+.2f} points, worst {100 * min(leads):+.2f} (within the limit)")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--device", default="raspberry-pi-5")
    parser.add_argument("--max-latency", default="12ms")
    parser.add_argument("--time-budget", default="15min")
    parser.add_argument("--resolution", default="96..160")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 112, 128, 160])
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--finalists", type=int, default=8)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--noise", action="store_true")
    parser.add_argument("--keep", type=Path)
    return parser.parse_args()


def _search(arguments: argparse.Namespace, data: Path, seed: int, **settings: object) -> edgenas.Run:
    return edgenas.search(
        arguments.device,
        arguments.max_latency,
        data,
        time_budget=arguments.time_budget,
        finalists=arguments.finalists,
        seed=seed,
        **settings,
    )


def _of(model: Model) -> Trained:
    choices = model.architecture["choices"]
    name = f"{model.id} {choices[0] if choices[0].startswith('r') else ''}"
    return Trained(name, model.latency_ms.predicted, model.accuracies.validation, model.accuracies.test)


def _baseline(
    arguments: argparse.Namespace, data: Path, seed: int, size: int, seconds: float, plain: bool = False
) -> Trained:
    """The pretrained network at one size, trained for a time."""
    source = source_from_name(SOURCE)
    largest = size if plain else parse_resolutions(arguments.resolution, "--resolution")[-1]
    dataset, images = (
        replace(load_dataset(str(data), each), mean=source.mean, std=source.std) for each in (size, largest)
    )
    changes = {"resolution": size, "classes": len(dataset.classes)}
    space = MBConvSpace(source.layout.model_copy(update=changes))
    architecture = space.architecture(source.architecture.choices)
    network = fresh_network(space, architecture, seed, torch.device("cpu"))
    weights = load_weights(source).tensors
    if plain:
        load_without_classifier(network, weights)
    else:
        start_from(network, weights, dataset)
    recipe = fine_tuning_recipes(len(dataset.train), augmentation_from_text("resized-crop"))[1]
    losses = network_losses(nn.Sequential(Resize(size), network), recipe)
    with tempfile.TemporaryDirectory() as folder:
        train(network, losses, images, recipe, seed, Checkpoint(Path(folder, "checkpoint")), seconds=seconds)
    if recipe.refits_classifier and not plain:
        refit_linear(network, classifier_of(network), dataset)
    latency = predictor_for(space, find_device(arguments.device)).predict(architecture)
    accuracies = (_accuracy(network, dataset, split) for split in (dataset.validation, dataset.test))
    return Trained(f"{size} px", latency.predicted, *accuracies)


def _accuracy(network: torch.nn.Module, dataset: Dataset, split: Split) -> float:
    return float((predictions(network, dataset, split) == split.labels.numpy()).mean())


def _leads(front: list[Trained], baselines: list[Trained], limit_ms: float) -> Iterator[float]:
    """Test accuracy of the front less that of each baseline within the limit, at equal latency."""
    for baseline in baselines:
        as_fast = [model for model in front if model.latency_ms <= baseline.latency_ms]
        if not as_fast or baseline.latency_ms > limit_ms:
            print(f"  {baseline.name}: {baseline.latency_ms:.1f} ms, no comparison")
            continue
        best = max(as_fast, key=lambda model: model.validation)
        print(f"  {baseline.name}: front {100 * (best.test - baseline.test):+.1f} points ({best.name})")
        yield best.test - baseline.test


def _show(title: str, found: list[Trained]) -> None:
    print(title)
    for each in sorted(found, key=lambda each: each.latency_ms):
        print(f"  {each.name:20} {each.latency_ms:6.2f} ms  validation {each.validation:.3f}  "
              f"test {each.test:.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
