"""Evaluators: from an architecture to how good it is."""

from abc import ABC, abstractmethod
from typing import Literal

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import accuracy, recalibrate
from edgenas.space import Architecture

AccuracyKind = Literal["supernet", "validation", "test"]

RECALIBRATION_IMAGES = 512


class Evaluator(ABC):
    """Something that tells the accuracy of architectures of one space.

    The contract:
      - `evaluate` gives a fraction 0..1. It depends on the architecture alone: not on what was evaluated
        before, nor on how often. That is what makes a search repeatable and an interrupted one resumable.
      - It may be slow; it is called from one thread, once for each distinct architecture.
      - `kind` says what the figure is.

    Checked by `edgenas.testing.EvaluatorConformance`.
    """

    kind: AccuracyKind

    @abstractmethod
    def evaluate(self, architecture: Architecture) -> float:
        """Accuracy of one architecture, 0..1."""


class SupernetEvaluator(Evaluator):
    """Accuracy on the validation split with weights inherited from a trained supernet.

    Batch-norm statistics are recalibrated for each architecture, always on the same training images.
    """

    kind: AccuracyKind = "supernet"

    def __init__(self, supernet: Supernet, dataset: Dataset) -> None:
        self._supernet = supernet
        self._dataset = dataset

    def evaluate(self, architecture: Architecture) -> float:
        """One pass over the recalibration images, one over the validation split."""
        network = self._supernet.extract(architecture)
        recalibrate(network, self._dataset, self._dataset.train.images[:RECALIBRATION_IMAGES])
        return accuracy(network, self._dataset, self._dataset.validation)
