"""The steps of ProxylessNAS: weights on training images, the architecture on validation images, in turn.

Both live in one module, `Learner`, that the ordinary training loop trains: checkpoints, resuming, time budgets and
learning rates are those of any supernet.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.path_sampling import ANCHORED_SHARE, path_losses, smallest_and_largest
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import augmented_batch
from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.errors import DivergenceError
from edgenas.searchers.proxyless.curve_recorder import Recorder
from edgenas.searchers.proxyless.distribution import DAMPING, Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.searchers.proxyless.latency_losses import with_latency
from edgenas.searchers.proxyless.relaxations import MIXED, frozen, relaxed


class Learner(nn.Module):
    """A supernet and the distribution over its architectures, trained together.

    Calling it gives the losses of a step, as `accuracy.training.train` wants them. While `recipe.warm_up` lasts,
    weights alone are trained, on paths that `weights.sampling` draws. Then every step draws one of the targets,
    trains weights on a path drawn for it (a quarter of the steps on the largest path, as `anchored` does), and one
    step in `recipe.every` moves the logits by the gradient on a batch of validation images. Multipliers follow at
    every step: that takes no images.

    Args:
        supernet: on the device to train on.
        distribution: over the choices of the same space.
        dataset: whose validation images the architecture learns from.
        weights: how weights are trained.
        recipe: how the architecture is learnt.
    """

    def __init__(
        self,
        supernet: Supernet,
        distribution: Distribution,
        dataset: Dataset,
        weights: SupernetRecipe,
        recipe: GradientRecipe,
    ) -> None:
        super().__init__()
        self.supernet = supernet
        self.distribution = distribution
        self.recorder = Recorder(len(distribution.targets_ms))
        self._dataset = dataset
        self._weights = weights
        self._recipe = recipe
        self._warm_up = path_losses(supernet, weights)
        self._largest = supernet.space.encode(smallest_and_largest(supernet.space)[1])

    def forward(
        self, images: Tensor, labels: Tensor, rng: np.random.Generator, done: float
    ) -> Iterator[Tensor]:
        """The losses of one step; see `accuracy.training.Losses`."""
        if done < self._recipe.warm_up:
            yield from self._warm_up(images, labels, rng, done)
            return
        learnt = (done - self._recipe.warm_up) / (1 - self._recipe.warm_up)
        target = int(rng.integers(len(self.distribution.targets_ms)))
        yield self._weight_loss(target, images, labels, learnt, rng)
        loss = None
        if rng.random() * self._recipe.every < 1:
            with torch.autocast(images.device.type, enabled=False):  # slopes: small differences of large sums
                loss = self._learn(target, learnt, rng)
        if self._recipe.latency_loss == "constraint":
            self.distribution.learn_multipliers(DAMPING * _decayed(learnt))
        if loss is not None:
            self.recorder.record(done, target, loss, self.distribution)

    def _weight_loss(
        self, target: int, images: Tensor, labels: Tensor, learnt: float, rng: np.random.Generator
    ) -> Tensor:
        drawn = self.distribution.drawn(target, rng)
        largest = rng.random() < ANCHORED_SHARE
        if self._recipe.gates not in MIXED or largest:
            vector = self._largest if largest else drawn
            return self._loss(self.supernet(images, self.supernet.space.decode(vector)), labels)
        logits, unused = self._leaves(target, images.device), np.stack([drawn, drawn], 1)
        return self._loss(
            relaxed(self.supernet, images, logits, self._recipe.gates, drawn, unused, learnt, rng), labels
        )

    def _learn(self, target: int, learnt: float, rng: np.random.Generator) -> float:
        """One step of the architecture; gives the loss it saw."""
        distribution = self.distribution
        images, labels = self._validation_batch(rng)
        drawn = distribution.drawn(target, rng)
        before = distribution.logits()[target]
        pairs = _pairs(distribution.split(before), rng)
        leaves = self._leaves(target, images.device)
        with frozen(self.supernet):
            found = relaxed(self.supernet, images, leaves, self._recipe.gates, drawn, pairs, learnt, rng)
            loss = self._loss(found, labels)
        seen = float(loss.detach())
        if not math.isfinite(seen):
            raise DivergenceError(
                f"supernet: the loss on validation images is {seen}",
                "look for blank or mislabelled images, or try another --seed",
            )
        slopes = torch.autograd.grad(loss, leaves)
        gradient = with_latency(
            self._recipe.latency_loss, seen, _padded(slopes, before), distribution, target
        )
        distribution.descend(target, gradient, self._recipe.learning_rate * _decayed(learnt))
        if self._recipe.gates == "two-path" and self._recipe.latency_loss == "constraint":
            distribution.keep_mass(target, before, pairs)
        return seen

    def _leaves(self, target: int, device: torch.device) -> list[Tensor]:
        rows = self.distribution.split(self.distribution.logits()[target])
        return [row.to(device, torch.float32).requires_grad_() for row in rows]

    def _validation_batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        split = self._dataset.validation
        size = min(self._weights.batch_size, len(split))
        chosen = torch.from_numpy(rng.choice(len(split), size, replace=False))
        device = next(self.supernet.parameters()).device
        return augmented_batch(self._dataset, split, chosen, self._weights, rng, device)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=self._weights.label_smoothing)


def _decayed(learnt: float) -> float:
    """What is left of a rate once so much is learnt: from 1 to 0 as a cosine."""
    return (1 + math.cos(math.pi * learnt)) / 2


def _pairs(logits: list[Tensor], rng: np.random.Generator) -> NDArray[np.int64]:
    """Two choices of each variable, by their probabilities without replacement; a lone choice twice.

    The largest logits after Gumbel noise are such a draw (Kool et al., "Stochastic Beams", ICML 2019).
    """
    pairs = []
    for row in logits:
        noisy = row.numpy() + rng.gumbel(size=len(row))
        pairs.append((noisy.argsort()[::-1].tolist() * 2)[:2])
    return np.array(pairs)


def _padded(slopes: tuple[Tensor, ...], like: Tensor) -> Tensor:
    padded = torch.zeros_like(like)
    for row, slope in zip(padded, slopes, strict=True):
        row[: len(slope)] = slope.to(row)
    return padded
