"""Gives a network the weights of a pretrained one, made to fit the user's images."""

from collections.abc import Mapping

from torch import Tensor

from edgenas.accuracy.adopted_statistics import adopt_statistics
from edgenas.accuracy.channel_order import order_channels
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.linear_probe import fit_classifier
from edgenas.accuracy.network_predictions import recalibrate
from edgenas.space.modules import Network


def load_without_classifier(network: Network, tensors: Mapping[str, Tensor]) -> None:
    """Load weights of the same network for other classes; its own classifier stays."""
    own = network.state_dict()
    classifier = (f"{len(network) - 1}.layers.2.weight", f"{len(network) - 1}.layers.2.bias")
    network.load_state_dict(
        {name: own[name] if name in classifier else tensor for name, tensor in tensors.items()}
    )


def start_from(
    network: Network, tensors: Mapping[str, Tensor], dataset: Dataset, elastic: bool = False
) -> None:
    """Load pretrained weights, adopt the statistics of the images, and fit a new classifier.

    Args:
        network: on the training device; left in evaluation mode. A part of it should be as good as can be, so its
            hidden channels are put in order.
        tensors: weights of this network, but for the classifier, which is for classes of its own.
        dataset: normalised as in the pretraining; images of the size the network is meant for.
        elastic: the weights are those of a supernet. They are in order already, and it was trained with batch
            statistics: those of the images take the place of its running ones, which training did not keep up.

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    load_without_classifier(network, tensors)
    if elastic:
        recalibrate(network, dataset)
    else:
        order_channels(network)
        adopt_statistics(network, dataset)
    fit_classifier(network, dataset)
