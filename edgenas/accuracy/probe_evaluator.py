"""The evaluator that fits a classifier to the features of every candidate."""

from collections.abc import Callable

from typing_extensions import override

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.accuracy.linear_probe import fit_classifier
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import predictions, require_predictions
from edgenas.space import Architecture
from edgenas.space.modules import Network
from edgenas.vocabulary import Metric


class ProbeEvaluator(Evaluator):
    """Score on the validation split of a pretrained network of which only the classifier is trained.

    It is what the deployed model will have, so its kind is `validation`.

    Args:
        make_network: from architecture to a network with pretrained weights, on the training device.
        dataset_of: from architecture to the images at its size, on the training device.
        metric: the score to return.
    """

    kind: AccuracyKind = "validation"

    def __init__(
        self,
        make_network: Callable[[Architecture], Network],
        dataset_of: Callable[[Architecture], Dataset],
        metric: Metric = "top-1",
    ) -> None:
        self._make_network = make_network
        self._dataset_of = dataset_of
        self._metric = metric

    @override
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        """Fit and evaluate; `to_beat` is ignored.

        Raises:
            DivergenceError: no image has finite logits.
            OutOfMemoryError: the network is too large for this machine.
        """
        dataset, network = self._dataset_of(architecture), self._make_network(architecture)
        fit_classifier(network, dataset)
        found = predictions(network, dataset, dataset.validation)
        predicted = require_predictions(found, f"evaluating {architecture.id}")
        labels = dataset.validation.labels.cpu().numpy()
        return score(confusion(predicted, labels, len(dataset.classes)), self._metric)
