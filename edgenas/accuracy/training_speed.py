"""How long training and evaluation take on this machine."""

import time

import numpy as np
import torch
from torch import nn

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.network_predictions import batch_slices, predictions
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.accuracy.training import Losses, training_step
from edgenas.accuracy.training_recipe import Recipe

WARM_UP, TIMED = 2, 5
"""Steps; those of the warm-up allocate memory and select kernels, and are not timed."""

ENOUGH_S = 2.0
"""Once steps have taken so long, no more are timed: a short budget is for training."""


def step_seconds(model: nn.Module, losses: Losses, dataset: Dataset, recipe: Recipe) -> float:
    """Seconds per training step, median of a few. Changes the model's weights, so pass a disposable model.

    Args:
        model: on the training device.
        losses: the losses of a step.
        dataset: provides the training images.
        recipe: how to train.

    Raises:
        OutOfMemoryError: a step does not fit into memory.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate)
    rng = np.random.default_rng(0)
    indices = torch.arange(min(recipe.batch_size, len(dataset.train)))
    model.train()
    times_s: list[float] = []
    while len(times_s) < WARM_UP + TIMED and (len(times_s) <= WARM_UP or sum(times_s) < ENOUGH_S):
        start = time.monotonic()
        with out_of_memory_named("timing a training step"):
            training_step(optimizer, losses, dataset, indices, recipe, rng, device)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times_s.append(time.monotonic() - start)
    return float(np.median(times_s[WARM_UP:]))


def evaluation_seconds(model: nn.Module, dataset: Dataset) -> float:
    """Seconds to evaluate all validation and test images, extrapolated from one batch; see `predictions`.

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    part = batch_slices(dataset.validation)[0]
    batch = Split(dataset.validation.images[part], dataset.validation.labels[part])
    start = time.monotonic()
    predictions(model, dataset, batch)
    return (time.monotonic() - start) * (len(dataset.validation) + len(dataset.test)) / len(batch)
