"""The one training loop: supernets, finalists and baselines differ only in the forward pass they hand in."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.augment import random_crop_flip
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.recipe import Recipe
from edgenas.errors import DivergenceError
from edgenas.progress import Progress, silent

Forward = Callable[[Tensor, np.random.Generator], Tensor]
"""Normalised images, (N, C, H, W), to logits, (N, classes); draws whatever is random from the generator."""


def training_device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    model: nn.Module,
    forward: Forward,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    checkpoint: Checkpoint,
    progress: Progress = silent,
    phase: str = "training",
) -> None:
    """Train a model in place, going on from its checkpoint.

    What an epoch draws (order, augmentation, sampled paths) depends on seed and epoch alone, so that an
    interrupted training ends with the very weights of an uninterrupted one (same machine and versions).

    Args:
        model: whose parameters are trained; on the device to train on.
        forward: the forward pass; may use only part of the model.
        dataset: whose training split is used.
        recipe: how to train.
        seed: of everything random.
        checkpoint: written as epochs end.
        progress: told about each epoch.
        phase: what `progress` calls it.

    Raises:
        DivergenceError: the loss is NaN or infinite.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    done = checkpoint.restore(model, optimizer)
    batches = max(1, len(dataset.train) // recipe.batch_size)
    model.train()
    progress(phase, done, recipe.epochs)
    for epoch in range(done, recipe.epochs):
        rng = np.random.default_rng([seed, epoch])
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        order = torch.randperm(len(dataset.train), generator=generator)
        total = torch.zeros((), device=device)
        for i, chosen in enumerate(torch.tensor_split(order, batches)):
            rate = _learning_rate((epoch + i / batches) / recipe.epochs, recipe)
            for group in optimizer.param_groups:
                group["lr"] = rate
            images, labels = _batch(dataset, chosen, generator, device)
            loss = functional.cross_entropy(
                forward(images, rng), labels, label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        mean = float(total) / batches
        if not math.isfinite(mean):
            raise DivergenceError(
                f"{phase}: the loss is {mean} in epoch {epoch + 1}",
                "look for blank or mislabelled images, or try another --seed",
            )
        checkpoint.save(model, optimizer, epoch + 1, last=epoch + 1 == recipe.epochs)
        progress(phase, epoch + 1, recipe.epochs, f"loss {mean:.3f}")


def correct(model: nn.Module, dataset: Dataset, split: Split, batch_size: int = 512) -> Tensor:
    """Which images a module, put into evaluation mode, gets right: bool, (N,); NaN logits count as wrong."""
    device = next(model.parameters()).device
    model.eval()
    right = []
    with torch.inference_mode():
        for start in range(0, len(split), batch_size):
            part = slice(start, start + batch_size)
            logits = model(dataset.normalise(split.images[part].to(device)))
            predicted = torch.where(logits.isfinite().all(1), logits.argmax(1), -1)
            right.append(predicted.cpu() == split.labels[part])
    return torch.cat(right)


def accuracy(model: nn.Module, dataset: Dataset, split: Split) -> float:
    """Top-1 accuracy, 0..1; see `correct`."""
    return float(correct(model, dataset, split).double().mean())


def recalibrate(model: nn.Module, dataset: Dataset, images: Tensor, batch_size: int = 256) -> None:
    """Set batch-norm statistics to their mean over the given training images, uint8 (N, 3, R, R).

    Every image counts the same; the variance is the mean of those within the batches.

    Inherited statistics are those of a mixture of paths and would ruin any single one
    (Guo et al., "Single Path One-Shot", ECCV 2020).
    """
    device = next(model.parameters()).device
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    model.train()
    seen = 0
    with torch.inference_mode():
        # Parts of equal size: a last one of a single image would have no variance.
        for part in torch.tensor_split(images, math.ceil(len(images) / batch_size)):
            seen += len(part)
            for norm in norms:
                norm.momentum = len(part) / seen  # a cumulative average
            model(dataset.normalise(part.to(device)))
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


def _batch(
    dataset: Dataset, chosen: Tensor, generator: torch.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    images = dataset.train.images[chosen].to(device)
    images = random_crop_flip(images, dataset.flip, generator)
    return dataset.normalise(images), dataset.train.labels[chosen].to(device)


def _learning_rate(share: float, recipe: Recipe) -> float:
    """Rate at a share 0..1 of the training."""
    warm_up = recipe.warm_up_share
    if share < warm_up:
        return recipe.learning_rate * max(share / warm_up, 0.01)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * (share - warm_up) / (1 - warm_up)))
