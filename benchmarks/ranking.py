"""How well the supernet ranks: Kendall's tau and top-k regret against accuracies of networks trained on their own.

    python benchmarks/ranking.py                                     # digits, trained from scratch here
    python benchmarks/ranking.py --sampling anchored uniform fair sandwich  # the ways to sample paths, compared
    python benchmarks/ranking.py --data FOLDER --macro ../shared/data/nasbench_macro_cifar10.csv.gz --epochs 60

On digits, networks spread evenly over the space's range of MACs are trained with the recipe of finalists, three seeds
each; their mean test accuracy is the truth. The noise ceiling is the tau of one seed against the mean of the others.
With `--macro` the truth are the published accuracies of NAS-Bench-Macro (minus the number of identities alone ranks
at 0.693, MACs alone at 0.556, the noise ceiling is 0.896).

The bars: tau >= 0.6 on digits with the default settings; >= 0.80 on all 6,561 networks of NAS-Bench-Macro with full
CIFAR-10, regret of the top 10 <= 0.3 points (with a GPU).
"""

import argparse
import csv
import gzip
import hashlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.network_predictions import five_positions, predictions
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.standalone import fresh_network, network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train, training_device
from edgenas.accuracy.training_recipe import Recipe, default_recipes
from edgenas.space import Architecture, NetworkSpace, SearchSpace, mbconv
from edgenas.space.nasbench_macro import NASBenchMacroSpace, nasbench_macro


def main() -> None:
    """Get the truth, train a supernet each way, and print how each ranks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--macro", type=Path, help="published accuracies of NAS-Bench-Macro")
    parser.add_argument("--width", type=float, default=1.0, help="of the networks of NAS-Bench-Macro")
    parser.add_argument("--architectures", type=int, help="default 26; all of NAS-Bench-Macro")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sampling", nargs="+", default=[None])
    parser.add_argument("--supernet-seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of the supernet, whatever its sampling")
    parser.add_argument("--truth", type=Path, help="file that keeps what was trained from scratch")
    options = parser.parse_args()

    dataset = load_dataset(options.data)
    if options.macro:
        macro = nasbench_macro(dataset.resolution, len(dataset.classes), options.width)
        space: SearchSpace = macro
        architectures, truth = published(macro, options.macro, options.architectures)
    else:
        space = mbconv(dataset.resolution, len(dataset.classes))
        architectures = spread_by_macs(space, options.architectures or 26)
        truth = trained_from_scratch(space, dataset, architectures, options.seeds, options.truth)
    report_truth(space, architectures, truth)
    for sampling in options.sampling:
        for seed in range(options.supernet_seeds):
            rank(space, dataset, architectures, truth.mean(1), sampling, seed, options.epochs)


def published(
    space: NASBenchMacroSpace, path: Path, count: int | None
) -> tuple[list[Architecture], np.ndarray]:
    """All rows of the table, or some drawn at random: architectures, and accuracies of shape (rows, 1).

    Rows that are one network (identities in another order) each keep the accuracy published for them.
    """
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    if count is not None:
        rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:count]]
    accuracies = np.array([[float(row["accuracy_percent"]) / 100] for row in rows])
    return [space.architecture_from_text(row["arch"]) for row in rows], accuracies


def spread_by_macs(space: NetworkSpace, count: int) -> list[Architecture]:
    """Architectures nearest to points spread evenly over the logarithm of MACs, from the smallest to the largest."""
    rng = np.random.default_rng(0)
    drawn = {a.id: a for a in (space.smallest, space.largest, *(space.sample(rng) for _ in range(2000)))}
    logs = {id_: np.log(space.macs(architecture)) for id_, architecture in drawn.items()}
    chosen = []
    for point in np.linspace(min(logs.values()), max(logs.values()), count):
        nearest = min(logs, key=lambda id_: abs(logs[id_] - point))
        chosen.append(drawn[nearest])
        del logs[nearest]
    return chosen


def trained_from_scratch(
    space: SearchSpace, dataset: Dataset, architectures: list[Architecture], seeds: int, path: Path | None
) -> np.ndarray:
    """Test accuracy of each architecture and seed, shape (architectures, seeds)."""
    known = json.loads(path.read_text()) if path and path.is_file() else {}
    _, recipe = default_recipes(len(dataset.train))
    start = time.monotonic()
    for seed in range(seeds):
        for architecture in architectures:
            key = truth_key(space, dataset, recipe, architecture, seed)
            if key not in known:
                known[key] = from_scratch(space, dataset, architecture, recipe, seed)
                if path:
                    path.write_text(json.dumps(known))
    print(f"from scratch: {recipe.epochs} epochs each, {time.monotonic() - start:.0f} s in this run")
    return np.array(
        [[known[truth_key(space, dataset, recipe, a, seed)] for seed in range(seeds)] for a in architectures]
    )


def truth_key(
    space: SearchSpace, dataset: Dataset, recipe: Recipe, architecture: Architecture, seed: int
) -> str:
    """What a training from scratch is known by."""
    digest = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:8]
    return f"{space.signature}/{dataset.fingerprint}/{digest}/{architecture.id}/{seed}"


def from_scratch(
    space: SearchSpace, dataset: Dataset, architecture: Architecture, recipe: Recipe, seed: int
) -> float:
    """Accuracy of one network trained on its own from random weights, on the test images in five positions."""
    network = fresh_network(space, architecture, seed, training_device())
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(Path(folder) / "c")
        train(network, network_losses(network, recipe), dataset, recipe, seed, checkpoint)
    test = five_positions(dataset.test)
    return float((predictions(network, dataset, test) == test.labels.numpy()).mean())


def report_truth(space: SearchSpace, architectures: list[Architecture], truth: np.ndarray) -> None:
    """Range and noise of the truth, and what needs no supernet at all."""
    mean = truth.mean(1)
    print(f"{len(architectures)} architectures, true accuracy {mean.min():.4f} to {mean.max():.4f}")
    seeds = range(truth.shape[1])
    if len(seeds) > 1:
        ceilings = [tau(truth[:, s], np.delete(truth, s, 1).mean(1)) for s in seeds]
        print(f"noise ceiling: {np.mean(ceilings):.3f} ({', '.join(f'{c:.3f}' for c in ceilings)})")
    print(f"MACs alone: {tau(np.array([space.macs(a) for a in architectures]), mean):.3f}", flush=True)


def rank(
    space: SearchSpace, dataset: Dataset, architectures: list[Architecture], truth: np.ndarray,
    sampling: str | None, seed: int, epochs: int | None,
) -> None:  # fmt: skip
    """Train one supernet, rank, print."""
    device = training_device()
    recipe, _ = default_recipes(len(dataset.train))
    changed = {"sampling": sampling, "epochs": epochs}
    recipe = recipe.model_copy(update={key: value for key, value in changed.items() if value is not None})
    supernet, placed = Supernet(space, seed).to(device), dataset.on(device)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        train(supernet, path_losses(supernet, recipe), placed, recipe, seed, Checkpoint(Path(folder) / "c"))
    trained_s, start = time.monotonic() - start, time.monotonic()
    evaluator = SupernetEvaluator(supernet, placed)
    distinct = {architecture.id: architecture for architecture in architectures}
    values = {id_: evaluator.evaluate(architecture) for id_, architecture in distinct.items()}
    found = np.array([values[architecture.id] for architecture in architectures])
    evaluated_s = time.monotonic() - start
    order = np.argsort(-found, kind="stable")
    regrets = ", ".join(f"top {k} {100 * (truth.max() - truth[order[:k]].max()):.2f}" for k in (1, 5, 10))
    print(f"{recipe.sampling}, {recipe.epochs} epochs, seed {seed}: tau {tau(found, truth):.3f}; "
          f"regret in points: {regrets};"
          f" supernet accuracy {found.min():.3f} to {found.max():.3f}; trained in {trained_s:.0f} s,"
          f" {1e3 * evaluated_s / len(distinct):.0f} ms an evaluation", flush=True)  # fmt: skip


def tau(one: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b."""
    return float(kendalltau(one, other).statistic)


if __name__ == "__main__":
    main()
