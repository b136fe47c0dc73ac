"""The steps of ProxylessNAS: weights on training images, the architecture on validation images, in turn.

Both are in one module, `Learner`, trained by the ordinary training loop: checkpoints, resuming, time budgets and
learning rates work as for any supernet.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.path_sampling import ANCHORED_SHARE, path_losses
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

    Calling it yields the losses of a step, as `accuracy.training.train` expects. During `recipe.warm_up`, only weights
    are trained, on paths sampled by `weights.sampling`. After that, every step picks one of the targets at random and
    trains the weights on a path sampled for it (in a quarter of the steps on the largest path, as `anchored` does);
    one step in `recipe.every` also updates the logits by the gradient on a batch of validation images. Multipliers
    are updated at every step, which needs no images.

    Args:
        supernet: on the training device.
        distribution: over the choices of the same space.
        dataset: provides the validation images that the architecture is learnt on.
        weights: recipe of the weights.
        recipe: recipe of the architecture.
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
        self._largest = supernet.space.encode(supernet.space.largest)

    def forward(
        self, images: Tensor, labels: Tensor, rng: np.random.Generator, done: float
    ) -> Iterator[Tensor]:
        """The losses of one step; see `accuracy.training.Losses`."""
        if done < self._recipe.warm_up:
            yield from self._warm_up(images, labels, rng, done)
            return
        progress = (done - self._recipe.warm_up) / (1 - self._recipe.warm_up)
        target = int(rng.integers(len(self.distribution.targets_ms)))
        yield self._weight_loss(target, images, labels, progress, rng)
        loss = None
        if rng.random() * self._recipe.every < 1:
            with torch.autocast(
                images.device.type, enabled=False
            ):  # slopes are small differences of large sums
                loss = self._architecture_step(target, progress, rng)
        if self._recipe.latency_loss == "constraint":
            self.distribution.learn_multipliers(DAMPING * _decay(progress))
        if loss is not None:
            self.recorder.record(done, target, loss, self.distribution)

    def _weight_loss(
        self, target: int, images: Tensor, labels: Tensor, progress: float, rng: np.random.Generator
    ) -> Tensor:
        drawn = self.distribution.drawn(target, rng)
        largest = rng.random() < ANCHORED_SHARE
        if self._recipe.gates not in MIXED or largest:
            vector = self._largest if largest else drawn
            return self._loss(self.supernet(images, self.supernet.space.decode(vector)), labels)
        logits, unused = self._leaf_logits(target, images.device), np.stack([drawn, drawn], 1)
        return self._loss(
            relaxed(self.supernet, images, logits, self._recipe.gates, drawn, unused, progress, rng), labels
        )

    def _architecture_step(self, target: int, progress: float, rng: np.random.Generator) -> float:
        """Take one architecture step and return its validation loss."""
        distribution = self.distribution
        images, labels = self._validation_batch(rng)
        drawn = distribution.drawn(target, rng)
        before = distribution.logits()[target]
        pairs = _pairs(distribution.split(before), rng)
        leaves = self._leaf_logits(target, images.device)
        with frozen(self.supernet):
            output = relaxed(self.supernet, images, leaves, self._recipe.gates, drawn, pairs, progress, rng)
            loss = self._loss(output, labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergenceError(
                f"supernet: the loss on validation images is {value}",
                "look for blank or mislabelled images, or try another --seed",
            )
        slopes = torch.autograd.grad(loss, leaves)
        gradient = with_latency(
            self._recipe.latency_loss, value, _padded(slopes, before), distribution, target
        )
        distribution.descend(target, gradient, self._recipe.learning_rate * _decay(progress))
        if self._recipe.gates == "two-path" and self._recipe.latency_loss == "constraint":
            distribution.keep_mass(target, before, pairs)
        return value

    def _leaf_logits(self, target: int, device: torch.device) -> list[Tensor]:
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


def _decay(progress: float) -> float:
    """Factor of a learning rate: a cosine from 1 to 0 as `progress` goes from 0 to 1."""
    return (1 + math.cos(math.pi * progress)) / 2


def _pairs(logits: list[Tensor], rng: np.random.Generator) -> NDArray[np.int64]:
    """Sample two choices of each variable without replacement; the same one twice if there is only one.

    The largest logits after adding Gumbel noise are such a sample (Kool et al., "Stochastic Beams", ICML 2019).
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
