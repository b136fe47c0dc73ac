"""A network begins with pretrained weights and a classifier of its own."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.pretrained_start import start_from
from edgenas.space import MBConvSpace
from edgenas.space.modules import Network


@pytest.fixture
def network(tiny_space: MBConvSpace) -> Network:
    return tiny_space.build(tiny_space.largest)


@pytest.fixture
def weights(network: Network) -> dict[str, Tensor]:
    """Of a classifier for other classes; with statistics of other images."""
    found = {name: tensor.clone() for name, tensor in copy.deepcopy(network).state_dict().items()}
    for name, tensor in found.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    last = f"{len(network) - 1}.layers.2"
    return found | {f"{last}.weight": torch.zeros(77, 3), f"{last}.bias": torch.zeros(77)}


def features(network: Network, images: Tensor) -> Tensor:
    with torch.no_grad():
        return nn.Sequential(*list(network)[:-1], *network[-1].layers[:-1])(images)


def test_features_are_those_of_the_weights(
    network: Network, weights: dict[str, Tensor], tiny_dataset: Dataset
) -> None:
    classifier = {name: t for name, t in network.state_dict().items() if t.shape != weights[name].shape}
    like = copy.deepcopy(network)
    like.load_state_dict(weights | classifier)
    images = tiny_dataset.normalise(tiny_dataset.validation.images)
    start_from(network, weights, tiny_dataset)
    torch.testing.assert_close(features(network, images), features(like.eval(), images), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("elastic", [False, True])
def test_classes_are_told_apart_at_once(
    elastic: bool, network: Network, weights: dict[str, Tensor], tiny_dataset: Dataset
) -> None:
    start_from(network, weights, tiny_dataset, elastic)
    right = predictions(network, tiny_dataset, tiny_dataset.train) == tiny_dataset.train.labels.numpy()
    assert np.mean(right) > 0.5


def test_weights_of_a_supernet_stay_in_order_and_go_by_the_statistics_of_the_images(
    network: Network, weights: dict[str, Tensor], tiny_dataset: Dataset
) -> None:
    start_from(network, weights, tiny_dataset, elastic=True)
    for name, tensor in network.state_dict().items():
        if tensor.shape == weights[name].shape and not name.endswith("num_batches_tracked"):
            assert torch.equal(tensor, weights[name]) != ("running" in name)
