"""How well a supernet with pretrained weights ranks: Kendall's tau against networks that are fine-tuned on their own.

    python benchmarks/pretrained_ranking.py --data FOLDER [--resolution 96..160] [--architectures 16] [--seeds 2]
        [--supernet-seeds 2] [--keep FILE.json]

Networks spread evenly over the space's range of MACs begin as parts of EfficientNet-Lite0, with a classifier fitted
to each, and are trained with the recipe of finalists, a few seeds each; their mean test accuracy is the truth. The
supernet evaluates them on the validation images, after the training that a search gives it without a time budget.

With `--keep`, each figure is written to a file as it comes, and figures in the file are not made again.

The noise ceiling is the tau of one seed against the mean of the others. The bar: the supernet's mean tau is no lower
than the ceiling less 0.1.
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pretrained_parts import accuracy, fine_tune, recipes, refit, started, trained_supernet, untrained_part
from ranking import spread_by_macs, tau

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.supernet import Supernet
from edgenas.space import Architecture


def main() -> None:
    """Fine-tune the networks, train the supernets, and print how they rank."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--resolution", default="96..160")
    parser.add_argument("--architectures", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--supernet-seeds", type=int, default=2)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    dataset, start = started(options.data, options.resolution)
    architectures = spread_by_macs(start.space, options.architectures)

    kept = _Kept(options.keep)

    def ranking(seed: int) -> list[float]:
        began = time.monotonic()
        supernet = trained_supernet(start, dataset, recipes(dataset)[0], seed)
        print(f"supernet, seed {seed}: trained in {time.monotonic() - began:.0f} s", flush=True)
        evaluator = SupernetEvaluator(supernet, dataset, shifted=False)
        return [evaluator.evaluate(each) for each in architectures]

    rankings = [
        np.array(kept(f"supernet {seed}", partial(ranking, seed))) for seed in range(options.supernet_seeds)
    ]
    found = {
        (each, seed): kept(f"{each.id} {seed}", partial(_fine_tuned, start, dataset, each, seed))
        for seed in range(options.seeds)
        for each in architectures
    }
    truth = np.array([[found[each, seed] for seed in range(options.seeds)] for each in architectures])
    mean, macs = truth.mean(1), np.array([start.space.macs(each) for each in architectures])
    print(f"{len(architectures)} networks, test accuracy {mean.min():.3f} to {mean.max():.3f}")
    if options.seeds > 1:
        ceilings = [tau(truth[:, seed], np.delete(truth, seed, 1).mean(1)) for seed in range(options.seeds)]
        print(f"one seed against the others (noise ceiling): tau {_listed(ceilings)}")
    print(f"MACs alone: tau {tau(macs, mean):.3f}")
    print(f"supernet: tau {_listed([tau(found, mean) for found in rankings])}")


class _Kept:
    """Figures by name, each made once and written to a file, if there is one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self._known:
            self._known[name] = make()
            if self._path:
                self._path.write_text(json.dumps(self._known))
        return self._known[name]


def _fine_tuned(start: Supernet, dataset: Dataset, architecture: Architecture, seed: int) -> float:
    """Test accuracy of a part of the pretrained network, trained on its own."""
    _, recipe = recipes(dataset)
    network = untrained_part(start, dataset, architecture, fits=True)
    fine_tune(network, dataset, recipe, seed)
    if recipe.refits_classifier:
        refit(network, dataset)
    found = accuracy(network, dataset, [dataset.test])
    print(
        f"{architecture.id}, seed {seed}: {start.space.macs(architecture) / 1e6:.0f} MMACs, {found:.3f}",
        flush=True,
    )
    return found


def _listed(figures: list[float]) -> str:
    return ", ".join(f"{each:.3f}" for each in figures)


if __name__ == "__main__":
    main()
