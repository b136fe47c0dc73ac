"""Prior over a new device's costs, from the costs of known devices.

Latency is modelled as linear in the features. Devices differ in speed but share how latency is distributed over
features, so costs are normalised to an average network. Their mean and covariance over known devices give a Gaussian
prior for a new one (a hierarchical, or multi-task, linear model: Bakker and Heskes, JMLR 2003). HELP (Lee et al.,
NeurIPS 2021) and BRP-NAS (Dudziak et al., NeurIPS 2020) transfer neural predictors instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from edgenas.transfer.cell_features import FeatureSets

OUTLIER_SCALE = 0.03
"""Scale of the robust loss, as a relative residual: published tables contain outlier timings."""

SPEED_SD = 0.3
"""Prior standard deviation of the device's overall speed, relative to the estimate from the median of its samples."""

TOLERANCE = 0.05
"""A simpler feature set is preferred while its error is at most this share above the best one's."""

CONSTANT_BREADTH = 5
"""How much wider the prior of the constant is: with stem and head it is a larger share than any operation."""


@dataclass(frozen=True, eq=False)
class Prior:
    """A Gaussian over relative costs: `mean` of shape (features,), `covariance` of shape (features, features)."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def widened(self, breadth: float) -> "Prior":
        """The prior for a device that may differ from the known ones: `breadth` is added to each standard deviation."""
        spread = np.full(len(self.mean), breadth)
        spread[0] *= CONSTANT_BREADTH
        speed = SPEED_SD**2 * np.outer(self.mean, self.mean)
        return Prior(self.mean, self.covariance + speed + np.diag(spread**2))


def prior_from_costs(costs: NDArray[np.float64]) -> Prior:
    """Mean and covariance of relative costs over known devices, shape (devices, features).

    Without known devices the prior has equal latencies for all networks, with no uncertainty until `widened`.
    """
    if not len(costs):
        features = costs.shape[1]
        return Prior(np.eye(features)[0], np.zeros((features, features)))
    return Prior(costs.mean(axis=0), np.cov(costs.T, bias=True))


def relative_costs(features: NDArray[np.float64], latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cost of each feature on each device, as a share of an average network's latency; shape (devices, features).

    Args:
        features: of the networks, shape (n, features), the first of them 1.
        latencies_ms: positive milliseconds on each device, shape (n, devices).
    """
    costs = [_relative_costs(features, each) for each in latencies_ms.T]
    return np.array(costs).reshape(len(costs), features.shape[1])


def _relative_costs(features: NDArray[np.float64], latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs that minimise the relative error, shape (features,); with a Cauchy loss, robust to outlier timings."""
    scaled = features / latencies_ms[:, None]
    start = np.linalg.lstsq(scaled, np.ones(len(scaled)), rcond=None)[0]
    found = least_squares(
        lambda costs: scaled @ costs - 1, start, jac=lambda _: scaled, loss="cauchy", f_scale=OUTLIER_SCALE
    )
    costs: NDArray[np.float64] = found.x / (features @ found.x).mean()
    return costs


def feature_set_probabilities(
    feature_sets: FeatureSets, costs: Mapping[str, NDArray[np.float64]], latencies_ms: NDArray[np.float64]
) -> dict[str, float]:
    """Prior probability of each feature set for a new device, by Laplace's rule of succession.

    Each known device votes for the simplest feature set whose error is close to the best.

    Args:
        feature_sets: of the networks, each of shape (n, features); simpler ones first.
        costs: `relative_costs` of each feature set.
        latencies_ms: shape (n, devices).
    """
    errors = np.array(
        [_median_errors(feature_sets[name] @ costs[name].T, latencies_ms) for name in feature_sets]
    )
    chosen = (errors <= (1 + TOLERANCE) * errors.min(axis=0)).argmax(axis=0)
    counts = np.bincount(chosen, minlength=len(feature_sets)) + 1 / len(feature_sets)
    return dict(zip(feature_sets, (counts / counts.sum()).tolist(), strict=True))


def _median_errors(relative: NDArray[np.float64], latencies_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median relative error on each device, its overall speed factored out; shape (devices,)."""
    ratios = relative / latencies_ms
    errors: NDArray[np.float64] = np.median(np.abs(ratios / np.median(ratios, axis=0) - 1), axis=0)
    return errors
