"""How much to train: from the size of the data, or from a time budget and how fast this machine is."""

import time
from collections.abc import Callable

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.recipe import Recipe
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import training_device
from edgenas.formats import Document
from edgenas.run.config import RunConfig
from edgenas.space import SearchSpace

SUPERNET_IMAGES = 45_000
FINALIST_IMAGES = 24_000
"""Images a training sees in all, unless that is too few or too many epochs."""

SHARES = {"supernet": 0.35, "search": 0.15}
"""Of a time budget; finalists get what is left when they begin."""

RESERVE = 0.05
"""Share of a time budget kept for export, measuring and the report."""

WARM_UP, TIMED = 2, 8
"""Steps of a timing; the first only allocate memory and choose kernels."""


class Plan(Document):
    """What a run will do; recorded once, so that an interrupted run goes on with the same plan."""

    supernet: Recipe
    finalist: Recipe
    evaluations: int = Field(ge=1)


def default_recipes(training_images: int) -> tuple[Recipe, Recipe]:
    """Recipes of the supernet and of a finalist for a number of training images."""
    batch_size = int(np.clip(training_images // 16, 8, 64))
    supernet = int(np.clip(round(SUPERNET_IMAGES / training_images), 8, 60))
    finalist = int(np.clip(round(FINALIST_IMAGES / training_images), 4, 30))
    return Recipe(epochs=supernet, batch_size=batch_size), Recipe(epochs=finalist, batch_size=batch_size)


def plan_from_config(config: RunConfig, space: SearchSpace, dataset: Dataset, device: torch.device) -> Plan:
    """The configuration's own figures, or, under a time budget, what this machine can do in that time."""
    supernet = config.supernet_recipe
    plan = Plan(supernet=supernet, finalist=config.finalist_recipe, evaluations=config.evaluations)
    if config.time_budget_s is None:
        return plan
    image_s, evaluation_s = _speeds(space, dataset, supernet.batch_size, device)
    seconds = {phase: share * config.time_budget_s for phase, share in SHARES.items()}
    epochs = _whole(seconds["supernet"] / (image_s * len(dataset.train)), most=200)
    evaluations = _whole(seconds["search"] / evaluation_s, most=config.evaluations)
    return plan.model_copy(
        update={"supernet": supernet.model_copy(update={"epochs": epochs}), "evaluations": evaluations}
    )


def finalist_recipe_within(recipe: Recipe, left_s: float, epoch_s: float, finalists: int) -> Recipe:
    """The recipe with as many epochs as what is left of a time budget allows, shared among the finalists.

    Args:
        recipe: how finalists are trained without a budget.
        left_s: seconds left when the finalists begin.
        epoch_s: one epoch of one finalist.
        finalists: how many are trained.
    """
    return recipe.model_copy(update={"epochs": _whole(left_s / epoch_s / finalists, most=100)})


def image_seconds(forward: Callable[[Tensor], Tensor], dataset: Dataset, batch_size: int) -> float:
    """Seconds that training takes for one image: forward and backward passes, median over batches.

    The gradients it leaves on the parameters are the caller's to drop.

    Args:
        forward: the forward pass, (N, C, H, W) to logits; each call may take another path.
        dataset: gives a batch of training images; placed where the parameters are by `forward`'s owner.
        batch_size: images a batch.
    """
    device = training_device()
    images = dataset.normalise(dataset.train.images[:batch_size].to(device))
    labels = dataset.train.labels[:batch_size].to(device)
    times_s = []
    for _ in range(WARM_UP + TIMED):
        start = time.monotonic()
        functional.cross_entropy(forward(images), labels).backward()  # type: ignore[no-untyped-call]
        _wait_for(device)
        times_s.append(time.monotonic() - start)
    return float(np.median(times_s[WARM_UP:])) / len(labels)


def _speeds(
    space: SearchSpace, dataset: Dataset, batch_size: int, device: torch.device
) -> tuple[float, float]:
    """Seconds for one training image and for one evaluation, medians over random architectures."""
    rng = np.random.default_rng(0)
    supernet = Supernet(space, seed=0).to(device)
    image_s = image_seconds(lambda images: supernet(images, space.sample(rng)), dataset, batch_size)
    evaluator = SupernetEvaluator(supernet, dataset)
    times_s = []
    for _ in range(WARM_UP + TIMED):
        start = time.monotonic()
        evaluator.evaluate(space.sample(rng))
        times_s.append(time.monotonic() - start)
    return image_s, float(np.median(times_s[WARM_UP:]))


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _whole(value: float, most: int) -> int:
    return int(np.clip(value, 1, most))
