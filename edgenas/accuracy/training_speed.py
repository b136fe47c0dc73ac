"""How fast training is on this machine."""

import time

import numpy as np
import torch
from torch import nn

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.network_predictions import batch_parts, predictions
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.accuracy.training import Losses, one_step
from edgenas.accuracy.training_recipe import Recipe

WARM_UP, TIMED = 2, 5
"""Steps of a timing; the first only allocate memory and choose kernels."""


def step_seconds(model: nn.Module, losses: Losses, dataset: Dataset, recipe: Recipe) -> float:
    """Seconds of one training step, median over a few. Changes the model's weights, so give one that is not used.

    Args:
        model: on the device to train on.
        losses: of the steps.
        dataset: whose training images are used.
        recipe: how it is trained.

    Raises:
        OutOfMemoryError: a step does not fit into memory.
    """
    device = next(model.parameters()).device
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate)
    rng = np.random.default_rng(0)
    chosen = torch.arange(min(recipe.batch_size, len(dataset.train)))
    model.train()
    times_s = []
    for _ in range(WARM_UP + TIMED):
        start = time.monotonic()
        with out_of_memory_named("timing a training step"):
            one_step(optimizer, losses, dataset, chosen, recipe, rng, device)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times_s.append(time.monotonic() - start)
    return float(np.median(times_s[WARM_UP:]))


def judging_seconds(model: nn.Module, dataset: Dataset) -> float:
    """Seconds that looking at all validation and test images takes, from one batch of them; see `predictions`.

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    part = batch_parts(dataset.validation)[0]
    batch = Split(dataset.validation.images[part], dataset.validation.labels[part])
    start = time.monotonic()
    predictions(model, dataset, batch)
    return (time.monotonic() - start) * (len(dataset.validation) + len(dataset.test)) / len(batch)
