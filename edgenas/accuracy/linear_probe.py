"""A linear classifier on the features of a network whose other weights stay as they are."""

import time
import warnings
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.network_predictions import batch_slices
from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.errors import DivergenceError
from edgenas.space.modules import BlockModule, Network

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FIT_WEIGHT = 30.0
"""Weight of the mean loss against half the squared weights, for features of unit size. Between 10 and 100, accuracy on
photographs of five flowers changes by less than a point (EfficientNet-Lite0, 1,200 images)."""

MAX_IMAGES = 5_000
MAX_ITERATIONS = 200
"""Bounds on the time of a fit. On 5,000 images it takes seconds; more of them are for training to learn from."""

TIMED_ITERATIONS = 5


def fit_classifier(network: Network, dataset: Dataset) -> None:
    """Set the classifier of one of edgenas's networks; see `fit_linear`."""
    fit_linear(network, classifier_of(network), dataset)


def fit_linear(network: nn.Module, last: nn.Linear, dataset: Dataset) -> None:
    """Set a classifier to a logistic regression on the features of the training images, not augmented.

    Args:
        network: on the training device; left in evaluation mode. Only `last` changes.
        last: its layer that computes the logits.
        dataset: images of the size the network is meant for; at most `MAX_IMAGES` are used.

    Raises:
        DivergenceError: features that are NaN or infinite.
        OutOfMemoryError: a batch does not fit into memory.
    """
    count = min(len(dataset.train), MAX_IMAGES)
    split = Split(dataset.train.images[:count], dataset.train.labels[:count])
    inputs, labels = features(network, last, dataset, split), split.labels.cpu().numpy()
    if not np.isfinite(inputs).all():
        raise DivergenceError(
            "the features of the images are not all finite", "use other weights, or --pretrained none"
        )
    if len(shown := np.unique(labels)) == 1:  # nothing to tell apart
        _set(last, shown, np.zeros((1, inputs.shape[1])), np.ones(1))
        return
    # The penalty is for features of unit size; centred ones converge sooner.
    centre, scale = inputs.mean(0), max(float(inputs.std()), 1e-12)
    regression = _fitted((inputs - centre) / scale, labels)
    weights, biases = _by_class(regression)
    weights = weights / scale
    biases = biases - weights @ centre
    _set(last, regression.classes_, weights, biases)


def refit_linear(network: nn.Module, last: nn.Linear, dataset: Dataset) -> None:
    """Set a trained classifier to the mean of itself and one that is fitted; arguments and errors as of `fit_linear`.

    The mean of two linear classifiers is their ensemble. One was trained on augmented images, the other is fitted to
    images as the network will see them when deployed.
    """
    trained = last.weight.detach().clone(), last.bias.detach().clone()
    fit_linear(network, last, dataset)
    with torch.no_grad():
        for parameter, before in zip((last.weight, last.bias), trained, strict=True):
            parameter.lerp_(before, 0.5)


def regression_seconds(last: nn.Linear, images: int) -> float:
    """Seconds that a fit takes at most without its features, extrapolated from a few iterations on random ones."""
    inputs = np.random.default_rng(0).standard_normal((images, last.in_features), np.float32)
    start = time.monotonic()
    _fitted(inputs, np.arange(images) % last.out_features, TIMED_ITERATIONS)
    return (time.monotonic() - start) * MAX_ITERATIONS / TIMED_ITERATIONS


def _set(
    last: nn.Linear,
    classes: NDArray[np.int64],
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
) -> None:
    """Set the rows of some classes; none of the images shows the others."""
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(min(0.0, float(biases.min())))
        last.weight[classes] = torch.from_numpy(weights).to(last.weight)
        last.bias[classes] = torch.from_numpy(biases).to(last.bias)


def classifier_of(network: Network) -> nn.Linear:
    """The layer that computes the logits."""
    return cast(nn.Linear, cast(BlockModule, network[-1]).layers[-1])


def features(network: nn.Module, last: nn.Linear, dataset: Dataset, split: Split) -> NDArray[np.float32]:
    """What the layer `last` reads, (N, features), for each image of a split; leaves the network in evaluation mode.

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    device = next(network.parameters()).device
    found: list[NDArray[np.float32]] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].cpu().numpy()))
    network.eval()
    try:
        with torch.inference_mode(), out_of_memory_named("computing features"):
            for part in batch_slices(split):
                network(dataset.normalise(split.images[part].to(device)))
    finally:
        hook.remove()
    return np.concatenate(found)


def _fitted(
    inputs: NDArray[np.float32], labels: NDArray[np.int64], iterations: int = MAX_ITERATIONS
) -> "LogisticRegression":
    from sklearn.exceptions import ConvergenceWarning  # here, as the import takes a second
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=FIT_WEIGHT / len(labels), max_iter=iterations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close to the optimum is enough
        return regression.fit(inputs, labels)


def _by_class(regression: "LogisticRegression") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights, (classes, features), and biases, (classes,); two classes share one row in scikit-learn."""
    weights, biases = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    return weights, biases
