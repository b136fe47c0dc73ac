"""An evaluator that needs no supernet: it trains only a linear classifier on each candidate's features."""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeClassifier
from torch import nn
from typing_extensions import override

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.accuracy.network_predictions import batch_slices, recalibrate
from edgenas.accuracy.standalone import fresh_network
from edgenas.space import Architecture, SearchSpace

TRAINING_IMAGES = 2000
"""At most; the first of the training split, which is in random order."""


class RandomFeaturesEvaluator(Evaluator):
    """Accuracy of a linear classifier on the features of the candidate with random weights.

    The classifier is fitted to training images and scored on the validation split, so `kind` is `validation`: the
    accuracy of a network whose last layer is trained and whose other weights are random. It serves to rank
    candidates; trained networks are far more accurate.
    """

    kind: AccuracyKind = "validation"

    def __init__(self, space: SearchSpace, dataset: Dataset, seed: int) -> None:
        self._space, self._dataset, self._seed = space, dataset, seed
        train = dataset.train
        self._train = Split(train.images[:TRAINING_IMAGES], train.labels[:TRAINING_IMAGES])

    @override
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        network = fresh_network(self._space, architecture, self._seed, torch.device("cpu"))
        recalibrate(network, self._dataset)
        classifier = RidgeClassifier().fit(self._features(network, self._train), self._train.labels.numpy())
        held_out = self._dataset.validation
        return float(classifier.score(self._features(network, held_out), held_out.labels.numpy()))

    def _features(self, network: nn.Module, split: Split) -> NDArray[np.float32]:
        """Input of the network's last layer, (N, features)."""
        *_, last = (module for module in network.modules() if isinstance(module, nn.Linear))
        seen: list[NDArray[np.float32]] = []
        hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numpy()))
        with torch.inference_mode(), hook:
            for part in batch_slices(split):
                network(self._dataset.normalise(split.images[part]))
        return np.concatenate(seen)
