"""An evaluator that trains nothing but a linear classifier: seconds for what a supernet takes minutes."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from torch import nn

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.accuracy.network_predictions import batch_parts, recalibrate
from edgenas.accuracy.standalone import fresh_network
from edgenas.space import Architecture, SearchSpace

TRAINING_IMAGES = 2000
"""At most; the first of the training split, which is in random order."""


class RandomFeaturesEvaluator(Evaluator):
    """Accuracy of a linear classifier on the features of the candidate with random weights.

    The classifier is fitted to training images and judged on the validation split, so the figure is a `validation`
    accuracy, of a network whose last layer alone is trained: it ranks candidates, and is far below what they reach.
    """

    kind: AccuracyKind = "validation"

    def __init__(self, space: SearchSpace, dataset: Dataset, seed: int) -> None:
        self._space, self._dataset, self._seed = space, dataset, seed
        train = dataset.train
        self._train = Split(train.images[:TRAINING_IMAGES], train.labels[:TRAINING_IMAGES])

    def evaluate(self, architecture: Architecture, rival: float | None = None) -> float:
        """See `Evaluator`; all images are looked at, whatever the rival."""
        network = fresh_network(self._space, architecture, self._seed, torch.device("cpu"))
        recalibrate(network, self._dataset)
        classifier = RidgeClassifier().fit(self._features(network, self._train), self._train.labels.numpy())
        held_out = self._dataset.validation
        return float(classifier.score(self._features(network, held_out), held_out.labels.numpy()))

    def _features(self, network: nn.Module, split: Split) -> NDArray[np.float32]:
        """What the last layer of a network sees, (N, features)."""
        *_, last = (module for module in network.modules() if isinstance(module, nn.Linear))
        seen: list[NDArray[np.float32]] = []
        hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numpy()))
        with torch.inference_mode(), hook:
            for part in batch_parts(split):
                network(self._dataset.normalise(split.images[part]))
        return np.concatenate(seen)
