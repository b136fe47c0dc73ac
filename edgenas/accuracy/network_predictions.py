"""Predictions of trained modules, and the batch-norm statistics they depend on."""

import math
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.errors import DivergenceError

RECALIBRATION_IMAGES = 512

BATCH_PIXELS = 500 * 32 * 32
"""Pixels of an evaluation batch; bounds memory for small images."""

LEAST_BATCH = 48
"""Images of a batch, however large they are: supernets go by batch statistics in evaluation too."""


def batch_slices(split: Split) -> tuple[slice, ...]:
    """Slices that cut a split into batches of nearly equal size, with at least two images each if possible."""
    pixels = split.images.shape[-1] * split.images.shape[-2]
    count = math.ceil(len(split) / max(LEAST_BATCH, BATCH_PIXELS // pixels))
    ends = [len(split) * i // count for i in range(count + 1)]
    return tuple(slice(start, end) for start, end in pairwise(ends))


def five_positions(split: Split) -> Split:
    """Each image unchanged and shifted by an eighth of its side up, down, left and right, padded with zeros.

    That is the largest shift in training. The five copies of an image are adjacent.
    """
    height, width = split.images.shape[-2:]
    far = max(1, height // 8)
    padded = functional.pad(split.images, (far, far, far, far))
    corners = ((far, far), (0, far), (2 * far, far), (far, 0), (far, 2 * far))
    shifted = [padded[..., y : y + height, x : x + width] for y, x in corners]
    images = torch.stack(shifted, 1).flatten(0, 1)
    return Split(images, split.labels.repeat_interleave(len(corners)))


def require_predictions(predicted: NDArray[np.int64], what: str) -> NDArray[np.int64]:
    """The predictions, (N,), unchanged.

    Raises:
        DivergenceError: none of them is valid, as weights or activations are NaN or infinite.
    """
    if (predicted < 0).all():
        raise DivergenceError(f"{what}: no image has finite logits", "try another --seed")
    return predicted


def predicted_classes(logits: Tensor) -> Tensor:
    """The class of the largest logit, int64 (N,); -1 where logits, (N, classes), are not all finite."""
    return torch.where(logits.isfinite().all(1), logits.argmax(1), -1)


def predictions(model: nn.Module, dataset: Dataset, split: Split) -> NDArray[np.int64]:
    """Predicted classes, (N,), of a module, which is put into evaluation mode; -1 for non-finite logits.

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode(), out_of_memory_named("evaluating a network"):
        found = [
            predicted_classes(model(dataset.normalise(split.images[part].to(device))))
            for part in batch_slices(split)
        ]
    return torch.cat(found).cpu().numpy()


def recalibrate(model: nn.Module, dataset: Dataset) -> None:
    """Set batch-norm statistics to their mean over the first training images, which are in random order.

    All images have equal weight; the variance is the mean of the within-batch variances.

    A supernet's inherited statistics mix all paths and would ruin the accuracy of any single one
    (Guo et al., "Single Path One-Shot", ECCV 2020).

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    device = next(model.parameters()).device
    first = Split(dataset.train.images[:RECALIBRATION_IMAGES], dataset.train.labels[:RECALIBRATION_IMAGES])
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
    model.train()
    seen = 0
    with torch.inference_mode(), out_of_memory_named("setting batch-norm statistics"):
        for part in batch_slices(first):
            images = first.images[part]
            seen += len(images)
            for norm in norms:
                norm.momentum = len(images) / seen  # a cumulative average
            model(dataset.normalise(images.to(device)))
    for norm in norms:
        norm.momentum = 0.1
    model.eval()
