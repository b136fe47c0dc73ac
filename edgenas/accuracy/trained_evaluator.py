"""The evaluator that trains every candidate on its own."""

from collections.abc import Callable

from torch import nn
from typing_extensions import override

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.accuracy.image_sizes import Resize
from edgenas.accuracy.linear_probe import classifier_of, refit_linear
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import predictions, require_predictions
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.errors import RUN_TROUBLE, EdgenasError
from edgenas.progress import Progress, silent
from edgenas.space import Architecture, NetworkSpace
from edgenas.space.modules import Network
from edgenas.vocabulary import Metric


class TrainedEvaluator(Evaluator):
    """Score on the validation split after training: slow, but not a proxy.

    Args:
        space: the space of the architectures.
        make_network: from architecture to a network with its initial weights, on the training device.
        dataset: on the training device.
        recipe: how to train each network.
        seed: of everything random; the same for every architecture.
        checkpoint_at: from architecture id to the checkpoint of an interrupted training.
        metric: the score to return.
        progress: receives the progress of each training.
    """

    kind: AccuracyKind = "validation"

    def __init__(
        self,
        space: NetworkSpace,
        make_network: Callable[[Architecture], Network],
        dataset: Dataset,
        recipe: FinalistRecipe,
        seed: int,
        checkpoint_at: Callable[[str], Checkpoint],
        metric: Metric = "top-1",
        progress: Progress = silent,
    ) -> None:
        self._space = space
        self._dataset = dataset
        self._recipe = recipe
        self._seed = seed
        self._checkpoint_at = checkpoint_at
        self._make_network = make_network
        self._metric = metric
        self._progress = progress

    @override
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        """Train and evaluate; `to_beat` is ignored, as training curves cross.

        Raises:
            DivergenceError: the loss is NaN or infinite.
            OutOfMemoryError: the network is too large for this machine.
        """
        inner = self._make_network(architecture)
        network = nn.Sequential(Resize(self._space.resolution_of(architecture)), inner)
        checkpoint = self._checkpoint_at(architecture.id)
        try:
            train(
                network,
                network_losses(network, self._recipe),
                self._dataset,
                self._recipe,
                self._seed,
                checkpoint,
                self._progress,
                f"training {architecture.id}",
            )
            if self._recipe.refits_classifier:
                refit_linear(network, classifier_of(inner), self._dataset)
            found = predictions(network, self._dataset, self._dataset.validation)
            predicted = require_predictions(found, f"training {architecture.id}")
        except RUN_TROUBLE:  # as after any interruption, it goes on from its checkpoint
            raise
        except EdgenasError:  # never retried
            checkpoint.path.unlink(missing_ok=True)
            raise
        checkpoint.path.unlink(missing_ok=True)
        labels = self._dataset.validation.labels.cpu().numpy()
        return score(confusion(predicted, labels, len(self._dataset.classes)), self._metric)
