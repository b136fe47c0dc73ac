"""A classifier for the features of each candidate."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import Evaluator
from edgenas.accuracy.linear_probe import fit_classifier
from edgenas.accuracy.network_predictions import predictions, recalibrate
from edgenas.accuracy.probe_evaluator import ProbeEvaluator
from edgenas.accuracy.standalone import fresh_network
from edgenas.errors import DivergenceError
from edgenas.space import Architecture, MBConvSpace, SearchSpace
from edgenas.space.modules import Network
from edgenas.testing import EvaluatorConformance

MakeNetwork = Callable[[Architecture], Network]


@pytest.fixture
def make_network(tiny_space: MBConvSpace, tiny_dataset: Dataset) -> MakeNetwork:
    def make(architecture: Architecture) -> Network:
        network = fresh_network(tiny_space, architecture, 0, torch.device("cpu"))
        recalibrate(network, tiny_dataset)
        return network

    return make


class TestProbeEvaluator(EvaluatorConformance):
    @pytest.fixture
    def space(self, tiny_space: MBConvSpace) -> SearchSpace:
        return tiny_space

    @pytest.fixture
    def evaluator(self, make_network: MakeNetwork, tiny_dataset: Dataset) -> Evaluator:
        return ProbeEvaluator(make_network, lambda _: tiny_dataset)


def test_the_value_is_that_of_a_classifier_fitted_by_hand(
    make_network: MakeNetwork, tiny_space: MBConvSpace, tiny_dataset: Dataset
) -> None:
    network = make_network(tiny_space.largest)
    fit_classifier(network, tiny_dataset)
    right = (
        predictions(network, tiny_dataset, tiny_dataset.validation) == tiny_dataset.validation.labels.numpy()
    )
    evaluator = ProbeEvaluator(make_network, lambda _: tiny_dataset)
    assert evaluator.evaluate(tiny_space.largest) == pytest.approx(np.mean(right))


def test_features_that_are_not_finite_fail_this_candidate_alone(
    make_network: MakeNetwork, tiny_space: MBConvSpace, tiny_dataset: Dataset
) -> None:
    def broken(architecture: Architecture) -> Network:
        network = make_network(architecture)
        with torch.no_grad():
            next(network.parameters()).fill_(float("nan"))
        return network

    with pytest.raises(
        DivergenceError, match=r"^the features of the images are not all finite; use other weights"
    ):
        ProbeEvaluator(broken, lambda _: tiny_dataset).evaluate(tiny_space.largest)
