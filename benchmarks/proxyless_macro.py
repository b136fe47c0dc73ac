"""How near the gradient searcher comes to the best network there is, by the published accuracies of NAS-Bench-Macro.

    python benchmarks/proxyless_macro.py --data CIFAR_FOLDER [--table ../shared/data/nasbench_macro_cifar10.csv.gz]
        [--device raspberry-pi-5] [--seeds 3] [--gates full] [--images 5000 --width 0.25 --epochs 20]

A supernet of the space and the distribution over it are trained on CIFAR-10 once for each seed, for five targets; three
limits at the percentiles 25, 50 and 75 of the latencies of all 6,561 networks, the largest that of the training. What
is found for a limit is looked up in the table and stands beside the best network within the limit, the one with most
multiply-accumulates, and the mean of all (what a random one is worth). A network that the table has several times
(identities in another order) is worth the mean of its rows. Latencies are those of the published networks, whatever the
width of what is trained here.

The bar: within 0.5 points of the best at each limit, with a GPU, all images and width 1. With `--images`, `--width` or
few `--epochs` the figures are for plausibility.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
from proxyless_limits import learnt, verdict
from ranking import published

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.training_recipe import default_recipes
from edgenas.device import find_device
from edgenas.latency.predictor import LatencyPredictor, predictor_for
from edgenas.searchers.problem import Problem
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.proxyless.proxyless_searcher import ProxylessSearcher
from edgenas.space import Architecture
from edgenas.space.nasbench_macro import nasbench_macro
from edgenas.vocabulary import Gates

PERCENTILES = (25, 50, 75)
BAR = 0.5
"""Points."""


@dataclass(frozen=True)
class Truth:
    """What is known of each network: published accuracy in percent, predicted milliseconds, multiply-accumulates."""

    architectures: list[Architecture]
    accuracy: np.ndarray
    latency_ms: np.ndarray
    macs: np.ndarray
    limits_ms: np.ndarray


def main() -> None:
    """Train for each seed and print what is found at each limit."""
    options = arguments()
    predictor = predictor_for(nasbench_macro(), find_device(options.device))
    truth = truth_from(options.table, predictor)
    dataset = subset(load_dataset(options.data), options.images)
    recipe, _ = default_recipes(len(dataset.train))
    if options.epochs:
        recipe = recipe.model_copy(update={"epochs": options.epochs})
    space = nasbench_macro(dataset.resolution, len(dataset.classes), options.width)
    gradient = GradientRecipe(gates=options.gates)
    print(
        f"{options.device}, {len(dataset.train)} images, width {options.width:g}, {recipe.epochs} epochs, {gradient}"
    )
    gaps = []
    for seed in range(options.seeds):
        start = time.monotonic()
        distribution = learnt(
            dataset, predictor, float(truth.limits_ms.max()), recipe, gradient, seed, space
        ).distribution
        print(f"seed {seed}, trained in {time.monotonic() - start:.0f} s", flush=True)
        for percentile, limit_ms in zip(PERCENTILES, truth.limits_ms.tolist(), strict=True):
            problem = Problem(predictor.space, predictor, limit_ms)
            found = ProxylessSearcher(problem, seed, distribution).best(limit_ms)
            gaps.append(report(truth, found, percentile, limit_ms, predictor))
    print(
        f"gap in points: mean {np.mean(gaps):.2f}, largest {max(gaps):.2f}  {verdict(max(gaps) <= BAR)} (<= {BAR})"
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder with CIFAR-10, or cifar10")
    parser.add_argument(
        "--table", type=Path, default=Path("../shared/data/nasbench_macro_cifar10.csv.gz"),
        help="published accuracies",
    )  # fmt: skip
    parser.add_argument("--device", default="raspberry-pi-5")
    parser.add_argument("--images", type=int, help="training images; default all")
    parser.add_argument("--width", type=float, default=1.0, help="of the networks that are trained")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--gates", default=GradientRecipe().gates, choices=get_args(Gates))
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args()


def truth_from(table: Path, predictor: LatencyPredictor) -> Truth:
    """Every distinct network of the table; the limits are percentiles over all its rows."""
    space = predictor.space
    rows, accuracies = published(space, table, None)
    of_network: dict[Architecture, list[float]] = {}
    for architecture, (accuracy,) in zip(rows, accuracies.tolist(), strict=True):
        of_network.setdefault(architecture, []).append(100 * accuracy)
    latencies_ms = predictor.predict_encoded(np.array([space.encode(row) for row in rows]))
    architectures = list(of_network)
    return Truth(
        architectures,
        np.array([np.mean(values) for values in of_network.values()]),
        predictor.predict_encoded(np.array([space.encode(each) for each in architectures])),
        np.array([space.macs(each) for each in architectures]),
        np.percentile(latencies_ms, PERCENTILES),
    )


def subset(dataset: Dataset, images: int | None) -> Dataset:
    """The first training images; they lie in mixed order."""
    if images is None:
        return dataset
    train = Split(dataset.train.images[:images], dataset.train.labels[:images])
    return replace(dataset, train=train)


def report(
    truth: Truth, found: Architecture, percentile: int, limit_ms: float, predictor: LatencyPredictor
) -> float:
    """Print what was found beside what there is; points behind the best."""
    feasible = truth.latency_ms <= limit_ms
    place = truth.architectures.index(found)
    accuracies = truth.accuracy[feasible]
    best, largest = accuracies.max(), accuracies[truth.macs[feasible].argmax()]
    gap = float(best - truth.accuracy[place])
    better = (accuracies > truth.accuracy[place]).mean()
    print(f"  percentile {percentile}, {limit_ms:.3f} ms: {predictor.space.text(found)} at"
          f" {truth.latency_ms[place] / limit_ms:.1%} of the limit, {truth.accuracy[place]:.2f} %; best {best:.2f} %,"
          f" most MACs {largest:.2f} %, random {accuracies.mean():.2f} %; {better:.1%} are better;"
          f" gap {gap:.2f}  {verdict(gap <= BAR)}", flush=True)  # fmt: skip
    return gap


if __name__ == "__main__":
    main()
