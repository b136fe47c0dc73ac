"""Evaluators: from an architecture to how good it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import sqrt
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import batch_parts, checked, classified, in_five_positions
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.accuracy.supernet import Supernet
from edgenas.space import Architecture, SearchSpace
from edgenas.vocabulary import Metric

AccuracyKind = Literal["supernet", "validation", "test"]

CACHED_BYTES = 1 << 30
"""Normalised validation images are kept up to this size; larger sets are normalised for each evaluation."""

SMALL_SPLIT = 1000
"""Fewer validation images are looked at in five positions each: 287 digits alone tell candidates apart no better than
by half a point, and one seed of a training ranks at a tau of 0.55 with another; in five positions at 0.69."""

DEVIATIONS = 3.0
"""An evaluation is given up once the rival's accuracy is more than this many standard deviations away."""


class Evaluator(ABC):
    """Something that tells the accuracy of architectures of one space.

    The contract:
      - `evaluate` gives a fraction 0..1. It depends on the architecture and the rival alone: not on what was
        evaluated before, nor on how often. That is what makes a search repeatable and an interrupted one
        resumable.
      - `rival` is the accuracy of a faster architecture. One that is clearly below it will not be chosen, so an
        evaluator may stop early and give the accuracy on what it has looked at by then. It may ignore `rival`.
      - It may be slow; it is called from one thread, once for each distinct architecture.
      - A failure that concerns this architecture alone is an `EdgenasError`; the search records its reason and
        goes on.
      - `kind` says what the figure is.

    Checked by `edgenas.testing.EvaluatorConformance`.
    """

    kind: AccuracyKind

    @abstractmethod
    def evaluate(self, architecture: Architecture, rival: float | None = None) -> float:
        """Accuracy of one architecture, 0..1."""


MakeEvaluator = Callable[[SearchSpace, Dataset, int], Evaluator]
"""Makes an evaluator from the space, the data set (it may look at `train` and `validation`) and the seed."""


class SupernetEvaluator(Evaluator):
    """Score on the validation split with weights inherited from a trained supernet.

    One pass over the validation images, which also give the batch-norm statistics, batch by batch (they are in
    random order). With `top-1`, one that is clearly below its rival is given up after part of them. The images of
    a small split are looked at in five positions each, and never given up.

    Args:
        supernet: trained, on the device to evaluate on.
        dataset: whose validation split is looked at.
        metric: what is scored.
        shifted: whether training shifts images, so that other positions tell something.
    """

    kind: AccuracyKind = "supernet"

    def __init__(
        self, supernet: Supernet, dataset: Dataset, metric: Metric = "top-1", shifted: bool = True
    ) -> None:
        self._supernet = supernet
        self._dataset = dataset
        self._metric = metric
        small = shifted and len(dataset.validation) < SMALL_SPLIT
        self._split = in_five_positions(dataset.validation) if small else dataset.validation
        self._may_give_up = metric == "top-1" and not small
        self._labels = self._split.labels.cpu().numpy()
        self._parts = batch_parts(self._split)
        self._device = next(supernet.parameters()).device
        self._cached = None
        if 4 * self._split.images.nelement() <= CACHED_BYTES:
            with out_of_memory_named("keeping the validation images"):
                self._cached = [self._normalised(part) for part in self._parts]

    def evaluate(self, architecture: Architecture, rival: float | None = None) -> float:
        """See the class.

        Raises:
            DivergenceError: its logits are no numbers.
            OutOfMemoryError: a batch does not fit into memory.
        """
        found = []
        with torch.inference_mode(), out_of_memory_named(f"evaluating {architecture.id}"):
            for i, part in enumerate(self._parts):
                images = self._cached[i] if self._cached else self._normalised(part)
                found.append(classified(self._supernet(images, architecture)).cpu().numpy())
                seen = self._labels[: part.stop]
                if self._may_give_up and rival is not None and part.stop < len(self._labels):
                    right = int((np.concatenate(found) == seen).sum())
                    if _is_hopeless(right, len(seen), rival):
                        break
        predicted = checked(np.concatenate(found), f"evaluating {architecture.id}")
        labels = self._labels[: len(predicted)]
        return float(score(confusion(predicted, labels, len(self._dataset.classes)), self._metric))

    def _normalised(self, part: slice) -> Tensor:
        return self._dataset.normalise(self._split.images[part].to(self._device))


def _is_hopeless(right: int, seen: int, rival: float) -> bool:
    """Whether so few right ones of those seen would be a rare accident, were the accuracy the rival's.

    By Bernstein's inequality: the normal approximation gives up too soon where few wrong ones are expected.
    """
    allowed = DEVIATIONS * sqrt(seen * rival * (1 - rival)) + DEVIATIONS**2 / 3
    return right < rival * seen - allowed
