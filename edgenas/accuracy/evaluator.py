"""Evaluators: from an architecture to its accuracy."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import sqrt
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import (
    batch_slices,
    five_positions,
    predicted_classes,
    require_predictions,
)
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.accuracy.supernet import Supernet
from edgenas.precision.arithmetic import EXACT, Arithmetic
from edgenas.space import Architecture
from edgenas.vocabulary import Metric

AccuracyKind = Literal["supernet", "validation", "test"]

CACHED_BYTES = 1 << 30
"""Normalised validation images are cached up to this size; larger sets are normalised for each evaluation."""

SMALL_SPLIT_IMAGES = 1000
"""Fewer validation images are evaluated in five positions each. 287 digits alone resolve no better than half a point,
and two training seeds rank candidates with a tau of only 0.55 to each other; with five positions it is 0.69."""

EARLY_STOP_DEVIATIONS = 3.0
"""An evaluation is stopped early once it is more than this many standard deviations below the accuracy to beat."""


class Evaluator(ABC):
    """Determines the accuracy of architectures of one space.

    The contract:
      - `evaluate` returns a fraction 0..1 that depends only on the architecture and `to_beat`, not on earlier
        evaluations. This makes searches repeatable and resumable.
      - `to_beat` is the best accuracy among architectures that cost no more. One clearly below is not chosen, so an
        evaluator may stop early and return the accuracy on the images seen so far. It may ignore `to_beat`.
      - It may be slow; it is called from one thread, once for each distinct architecture. With `--workers`, each
        process has one.
      - A failure of this architecture alone is an `EdgenasError`; the search records the reason and continues.
      - `kind` says which kind of accuracy it is.

    Checked by `edgenas.testing.EvaluatorConformance`.
    """

    kind: AccuracyKind

    @abstractmethod
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        """Accuracy of one architecture, 0..1."""


MakeEvaluator = Callable[[Any, Dataset, int], Evaluator]
"""Makes an evaluator from the space, the data set (it may look at `train` and `validation`) and the seed.

The space is a `SearchSpace`, or a `ResolutionSpace` if several image sizes are searched; the data set then has the
largest. `Any` accepts what was written for the former.
"""


Candidate = tuple[Architecture, Arithmetic]
"""A network of a supernet's space, and how it computes where it is deployed."""


class SupernetEvaluator(Evaluator):
    """Score on the validation split with weights inherited from a trained supernet.

    One pass over the validation images, whose batches (in random order) also give the batch-norm statistics. With
    `top-1`, a candidate clearly below the accuracy to beat is stopped early. The images of a small split are evaluated
    in five positions each, without early stopping.

    Args:
        supernet: trained, on the evaluation device.
        dataset: provides the validation split.
        metric: the score to return.
        shifted: whether training shifts images, which is what makes other positions informative.
        candidate_of: from an architecture of the search to a candidate; by default, it is one of the supernet's space.
    """

    kind: AccuracyKind = "supernet"

    def __init__(
        self,
        supernet: Supernet,
        dataset: Dataset,
        metric: Metric = "top-1",
        shifted: bool = True,
        candidate_of: Callable[[Architecture], Candidate] = lambda architecture: (architecture, EXACT),
    ) -> None:
        self._supernet = supernet
        self._candidate_of = candidate_of
        self._dataset = dataset
        self._metric = metric
        small = shifted and len(dataset.validation) < SMALL_SPLIT_IMAGES
        self._split = five_positions(dataset.validation) if small else dataset.validation
        self._may_stop_early = metric == "top-1" and not small
        self._labels = self._split.labels.cpu().numpy()
        self._parts = batch_slices(self._split)
        self._device = next(supernet.parameters()).device
        self._cached = None
        if 4 * self._split.images.nelement() <= CACHED_BYTES:
            with out_of_memory_named("keeping the validation images"):
                self._cached = [self._normalised(part) for part in self._parts]

    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        """See the class.

        Raises:
            DivergenceError: no image has finite logits.
            OutOfMemoryError: a batch does not fit into memory.
        """
        found = []
        network, arithmetic = self._candidate_of(architecture)
        with torch.inference_mode(), out_of_memory_named(f"evaluating {architecture.id}"):
            for i, part in enumerate(self._parts):
                images = self._cached[i] if self._cached else self._normalised(part)
                found.append(predicted_classes(self._supernet(images, network, arithmetic)).cpu().numpy())
                seen = self._labels[: part.stop]
                if self._may_stop_early and to_beat is not None and part.stop < len(self._labels):
                    correct = int((np.concatenate(found) == seen).sum())
                    if _is_clearly_worse(correct, len(seen), to_beat):
                        break
        predicted = require_predictions(np.concatenate(found), f"evaluating {architecture.id}")
        labels = self._labels[: len(predicted)]
        return float(score(confusion(predicted, labels, len(self._dataset.classes)), self._metric))

    def _normalised(self, part: slice) -> Tensor:
        return self._dataset.normalise(self._split.images[part].to(self._device))


def _is_clearly_worse(correct: int, seen: int, to_beat: float) -> bool:
    """Whether this few correct predictions would be very unlikely if the true accuracy were `to_beat`.

    Uses Bernstein's inequality: the normal approximation stops too early where few errors are expected.
    """
    allowed = EARLY_STOP_DEVIATIONS * sqrt(seen * to_beat * (1 - to_beat)) + EARLY_STOP_DEVIATIONS**2 / 3
    return correct < to_beat * seen - allowed
