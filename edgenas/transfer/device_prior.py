"""What is believed of a device before it was measured: what an operation costs on the devices that were.

Latency is taken as a sum over features. Devices share how it is divided, not how fast they are: costs are relative, an
average network takes 1. Their mean and covariance over known devices are a Gaussian prior for the next one (a
hierarchical, or multi-task, linear model: Bakker and Heskes, JMLR 2003). HELP (Lee et al., NeurIPS 2021) and BRP-NAS
(Dudziak et al., NeurIPS 2020) carry over what networks learn instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from edgenas.transfer.cell_features import Views

OUTLYING = 0.03
"""Relative residual beyond which a network's time counts less and less: published ones are disturbed here and there."""

PACE_SD = 0.3
"""Of the whole device's pace, which is first guessed from the median of its samples."""

SLACK = 0.05
"""By how much of its error a simpler view may be worse and is still preferred."""

CONSTANT_BREADTH = 5
"""The constant, stem and head and all, is a larger share than an operation, and as much less certain."""


@dataclass(frozen=True, eq=False)
class Prior:
    """A Gaussian over relative costs: `mean` of shape (features,), `covariance` of shape (features, features)."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def widened(self, breadth: float) -> "Prior":
        """For a device that need not be like the known ones: each cost may differ by `breadth` besides."""
        spread = np.full(len(self.mean), breadth)
        spread[0] *= CONSTANT_BREADTH
        pace = PACE_SD**2 * np.outer(self.mean, self.mean)
        return Prior(self.mean, self.covariance + pace + np.diag(spread**2))


def prior_from_costs(costs: NDArray[np.float64]) -> Prior:
    """Mean and covariance of relative costs over known devices, shape (devices, features).

    Without a device, every network is expected to take as long as every other, until `widened`.
    """
    if not len(costs):
        features = costs.shape[1]
        return Prior(np.eye(features)[0], np.zeros((features, features)))
    return Prior(costs.mean(axis=0), np.cov(costs.T, bias=True))


def relative_costs(features: NDArray[np.float64], latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each feature costs on each device, as a share of an average network's time; shape (devices, features).

    Args:
        features: of the networks, shape (n, features), the first of them 1.
        latencies_ms: positive milliseconds on each device, shape (n, devices).
    """
    costs = [_relative_costs(features, each) for each in latencies_ms.T]
    return np.array(costs).reshape(len(costs), features.shape[1])


def _relative_costs(features: NDArray[np.float64], latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs of least relative error, shape (features,); Cauchy's loss, so that disturbed times count little."""
    scaled = features / latencies_ms[:, None]
    start = np.linalg.lstsq(scaled, np.ones(len(scaled)), rcond=None)[0]
    found = least_squares(
        lambda costs: scaled @ costs - 1, start, jac=lambda _: scaled, loss="cauchy", f_scale=OUTLYING
    )
    costs: NDArray[np.float64] = found.x / (features @ found.x).mean()
    return costs


def view_probabilities(
    views: Views, costs: Mapping[str, NDArray[np.float64]], latencies_ms: NDArray[np.float64]
) -> dict[str, float]:
    """How probable it is of the next device that its times follow each view: by Laplace's rule of succession.

    A known device counts for the first view that explains its times about as well as the best.

    Args:
        views: of the networks, each of shape (n, features); simpler ones first.
        costs: of each view, `relative_costs`.
        latencies_ms: shape (n, devices).
    """
    errors = np.array([_median_errors(views[name] @ costs[name].T, latencies_ms) for name in views])
    chosen = (errors <= (1 + SLACK) * errors.min(axis=0)).argmax(axis=0)
    counts = np.bincount(chosen, minlength=len(views)) + 1 / len(views)
    return dict(zip(views, (counts / counts.sum()).tolist(), strict=True))


def _median_errors(relative: NDArray[np.float64], latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each device, relative, at its own pace; shape (devices,)."""
    ratios = relative / latencies_ms
    errors: NDArray[np.float64] = np.median(np.abs(ratios / np.median(ratios, axis=0) - 1), axis=0)
    return errors
