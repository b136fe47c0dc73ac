"""How true the gradient searcher's gradients are, on a supernet of digits after a warm-up of 25 epochs.

    python benchmarks/proxyless_gradients.py [--paths 60] [--draws 2000] [--seed 0]

At the uniform distribution the gradient of the expected loss by each choice's logit is estimated from true losses: for
each of `--paths` random paths every layer's every choice is put in its place and run. Beside it are the forms of
`--gates`, and `own-pair`: it compares only pairs that hold the path's own choice, as ProxylessNAS draws its two paths.
Printed: correlation with the truth, relative error (norm of the difference by the norm of the truth) of the mean over
paths, and the spread of a single draw by the same norm. All on one batch of validation images.

The mean of `two-path` and `full` is exact where the loss is linear in each layer's output (tests prove that); this says
how far a real network is from it.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset_sources import load_dataset
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import default_recipes
from edgenas.searchers.proxyless.relaxations import frozen, relaxed
from edgenas.space import mbconv

IMAGES, WARM_UP_EPOCHS = 128, 25
FORMS = ("full", "two-path", "own-pair", "single-path", "darts")

Vector = NDArray[np.int64]


class Bench:
    """A warmed-up supernet and a batch: the true gradient along a path, and what each form makes of it."""

    def __init__(self, seed: int) -> None:
        dataset = load_dataset("digits")
        self.space = mbconv(dataset.resolution, len(dataset.classes))
        self.supernet = Supernet(self.space, seed)
        recipe = default_recipes(len(dataset.train))[0].model_copy(update={"epochs": WARM_UP_EPOCHS})
        with tempfile.TemporaryDirectory() as folder:
            train(self.supernet, path_losses(self.supernet, recipe), dataset, recipe, seed,
                  Checkpoint(Path(folder) / "c"))  # fmt: skip
        self.images = dataset.normalise(dataset.validation.images[:IMAGES])
        self.labels = dataset.validation.labels[:IMAGES]
        self.sizes = [len(names) for names in self.space.variables]

    def drawn(self, rng: np.random.Generator) -> Vector:
        """A path of the uniform distribution."""
        return rng.integers(self.sizes)

    def truth(self, path: Vector) -> NDArray[np.float64]:
        """The gradient of the expected loss by all logits, with the rest of the network as on this path."""
        rows = []
        for layer, size in enumerate(self.sizes):
            losses = np.array([self._loss(path, layer, choice) for choice in range(size)])
            rows.append((losses - losses.mean()) / size)
        return np.concatenate(rows)

    def estimate(self, form: str, path: Vector, rng: np.random.Generator) -> NDArray[np.float64]:
        """What a form makes of one draw."""
        leaves = [torch.zeros(size, requires_grad=True) for size in self.sizes]
        pairs = np.array([rng.permutation(size)[:2] for size in self.sizes])
        if form == "own-pair":
            others = [
                (own + 1 + rng.integers(size - 1)) % size for own, size in zip(path, self.sizes, strict=True)
            ]
            pairs = np.stack([path, others], axis=1)
        gates = "two-path" if form == "own-pair" else form
        with frozen(self.supernet):
            found = relaxed(self.supernet, self.images, leaves, gates, path, pairs, 0.0, rng)  # type: ignore[arg-type]
            loss = functional.cross_entropy(found, self.labels)
        return np.concatenate([slope.numpy() for slope in torch.autograd.grad(loss, leaves)]).astype(float)

    def _loss(self, path: Vector, layer: int, choice: int) -> float:
        changed = path.copy()
        changed[layer] = choice
        with torch.no_grad():
            logits = self.supernet(self.images, self.space.decode(changed))
            return float(functional.cross_entropy(logits, self.labels))


def main() -> None:
    """Print how each form compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--paths", type=int, default=60, help="for the truth")
    parser.add_argument("--draws", type=int, default=2000, help="of each form")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    bench = Bench(options.seed)
    truths = mean_of(options.paths, options.seed, lambda rng: bench.truth(bench.drawn(rng)))
    truth = truths.mean(0)
    halves = truths[::2].mean(0), truths[1::2].mean(0)
    print(f"{len(truth)} logits; the two halves of the truth correlate at {correlation(*halves):.3f}, "
          f"differ by {distance(*halves):.2f}")  # fmt: skip
    for form in FORMS:
        draws = 1 if form == "darts" else options.draws  # nothing is drawn
        found = mean_of(
            draws, options.seed, lambda rng, form=form: bench.estimate(form, bench.drawn(rng), rng)
        )
        spread = np.linalg.norm(found.std(0)) / np.linalg.norm(truth)
        mean = found.mean(0)
        print(f"{form:12} correlation {correlation(mean, truth):.3f}  relative error {distance(mean, truth):.2f}  "
              f"spread of a draw {spread:5.1f}", flush=True)  # fmt: skip


def mean_of(
    count: int, seed: int, draw: Callable[[np.random.Generator], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """All draws, shape (count, logits); the same paths for every form."""
    return np.array([draw(np.random.default_rng([seed, number])) for number in range(count)])


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of two gradients."""
    return float(np.corrcoef(one, other)[0, 1])


def distance(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Norm of the difference, by that of the truth."""
    return float(np.linalg.norm(found - truth) / np.linalg.norm(truth))


if __name__ == "__main__":
    main()
