"""A classifier on fixed features."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edgenas.accuracy import linear_probe
from edgenas.accuracy.dataset import Dataset, Split, dataset_from_arrays
from edgenas.accuracy.linear_probe import (
    classifier_of,
    features,
    fit_classifier,
    refit_linear,
    regression_seconds,
)
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.standalone import fresh_network
from edgenas.space import mbconv
from edgenas.space.modules import Network


def colours(classes: int, each: int) -> Dataset:
    """Images of a colour a class, with noise."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), each)
    shades = np.stack(np.unravel_index(np.arange(classes), (2, 2, 2)), 1)[:, None, None] * 150 + 50
    images = (shades[labels] + rng.integers(-30, 31, (len(labels), 16, 16, 3))).astype(np.uint8)
    names = [f"class {i}" for i in range(classes)]
    return dataset_from_arrays("colours", names, (images, labels), None, flip=True)


def fresh(classes: int) -> Network:
    space = mbconv(16, classes)
    return fresh_network(space, space.largest, 1, torch.device("cpu")).eval()


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes_that_differ_are_told_apart(classes: int) -> None:
    dataset, network = colours(classes, 20), fresh(classes)
    before = copy.deepcopy(network.state_dict())
    fit_classifier(network, dataset)
    assert np.mean(predictions(network, dataset, dataset.test) == dataset.test.labels.numpy()) > 0.9
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"{len(network) - 1}.layers.2.{name}" for name in ("weight", "bias")}


def test_features_are_what_the_classifier_reads() -> None:
    dataset, network = colours(3, 10), fresh(3)
    found = torch.from_numpy(features(network, classifier_of(network), dataset, dataset.validation))
    with torch.no_grad():
        logits = network(dataset.normalise(dataset.validation.images))
        torch.testing.assert_close(network[-1].layers[2](found), logits, atol=1e-5, rtol=1e-4)


def test_a_class_that_no_image_shows_is_never_predicted() -> None:
    dataset, network = colours(3, 20), fresh(3)
    shown = dataset.train.labels != 1
    train = Split(dataset.train.images[shown], dataset.train.labels[shown])
    fit_classifier(network, replace(dataset, train=train))
    assert 1 not in predictions(network, dataset, dataset.validation)


def test_one_image_of_a_class_is_enough() -> None:
    dataset, network = colours(3, 20), fresh(3)
    keep = torch.cat([(dataset.train.labels == i).nonzero()[:1, 0] for i in range(3)])
    few = replace(dataset, train=Split(dataset.train.images[keep], dataset.train.labels[keep]))
    fit_classifier(network, few)
    assert np.mean(predictions(network, dataset, dataset.test) == dataset.test.labels.numpy()) > 0.6


def test_no_more_images_than_needed_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "MAX_IMAGES", 12)
    dataset, network = colours(2, 40), fresh(2)
    counts = []
    network.register_forward_pre_hook(lambda _, inputs: counts.append(len(inputs[0])))
    fit_classifier(network, dataset)
    assert sum(counts) == 12


def test_a_classifier_that_is_fitted_again_is_the_ensemble_of_both() -> None:
    dataset, network = colours(3, 20), fresh(3)
    images = dataset.normalise(dataset.validation.images)
    fitted = copy.deepcopy(network)
    fit_classifier(fitted, dataset)
    with torch.no_grad():
        expected = (network(images) + fitted(images)) / 2
        refit_linear(network, classifier_of(network), dataset)
        torch.testing.assert_close(network(images), expected, atol=1e-4, rtol=1e-4)


def test_the_time_of_a_fit_is_extrapolated_from_a_few_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = []
    monkeypatch.setattr(linear_probe, "_fitted", lambda *arguments: fitted.append(arguments))
    ticks = iter((10.0, 10.5))
    monkeypatch.setattr(linear_probe, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert regression_seconds(torch.nn.Linear(7, 3), 20) == 0.5 * 200 / 5
    ((inputs, labels, iterations),) = fitted
    assert inputs.shape == (20, 7) and set(labels) == {0, 1, 2} and iterations == 5
