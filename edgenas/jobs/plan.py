"""How much to train: from the size of the data, or from a time budget and how fast this machine is."""

import time

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import SupernetEvaluator
from edgenas.accuracy.recipe import Recipe
from edgenas.accuracy.supernet import Supernet
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

WARM_UP = 2


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


def finalist_recipe_within(
    recipe: Recipe, budget_s: float, spent_s: float, epoch_s: float, finalists: int
) -> Recipe:
    """The recipe with as many epochs as what is left of a time budget allows, shared among the finalists.

    Args:
        recipe: how finalists are trained without a budget.
        budget_s: for the whole run.
        spent_s: when the finalists begin.
        epoch_s: one epoch of one finalist, as far as known.
        finalists: how many are trained.
    """
    left_s = (1 - RESERVE) * budget_s - spent_s
    return recipe.model_copy(update={"epochs": _whole(left_s / epoch_s / finalists, most=100)})


def _speeds(
    space: SearchSpace, dataset: Dataset, batch_size: int, device: torch.device, steps: int = WARM_UP + 6
) -> tuple[float, float]:
    """Seconds for one training image and for one evaluation, medians over random architectures.

    The first steps only warm up: they allocate memory and choose kernels.
    """
    rng = np.random.default_rng(0)
    supernet = Supernet(space, seed=0).to(device)
    images = dataset.normalise(dataset.train.images[:batch_size].to(device))
    labels = dataset.train.labels[:batch_size].to(device)
    evaluator = SupernetEvaluator(supernet, dataset)
    step_s, evaluation_s = [], []
    for _ in range(steps):
        start = time.monotonic()
        loss = functional.cross_entropy(supernet(images, space.sample(rng)), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        step_s.append(time.monotonic() - start)
        start = time.monotonic()
        evaluator.evaluate(space.sample(rng))
        evaluation_s.append(time.monotonic() - start)
    return float(np.median(step_s[WARM_UP:])) / len(labels), float(np.median(evaluation_s[WARM_UP:]))


def _whole(value: float, most: int) -> int:
    return int(np.clip(value, 1, most))
