"""Latency of any network from a few that were timed: Bayesian linear regression under several hypotheses.

A hypothesis states which feature set explains the latency, how far the device's costs may deviate from those of known
devices, and how noisy its timings are. Each has a closed-form posterior and an evidence, the marginal likelihood of the
measurements (MacKay, Neural Computation 1992); predictions are averaged over hypotheses, weighted by evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from edgenas.transfer.cell_features import FeatureSets
from edgenas.transfer.device_prior import Prior, feature_set_probabilities, prior_from_costs, relative_costs

BREADTHS = (0.005, 0.02, 0.08, 0.25)
"""Prior standard deviations of a cost's deviation from known devices, as shares of an average network's time.

Prior weights are inversely proportional: outlier timings are likelier than atypical devices.
"""

NOISES = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
"""Relative noise of an average network's timing (standard deviation); the variance is proportional to the latency."""

MIN_RELATIVE = 0.05
"""Lower bound of the expected latency, as a share of an average network's."""

INTERVAL_SDS = 1.645
"""Standard deviations to either side that hold 90 % of a normal distribution."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A feature set, a prior over its costs, the relative noise of an average network's timing, and a prior weight."""

    feature_set: str
    prior: Prior
    noise: float
    weight: float

    def typical(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative latency expected under the prior, shape (n,); positive."""
        return np.maximum(features @ self.prior.mean, MIN_RELATIVE)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Milliseconds and their 90 % interval, each of shape (n,).

    Arrays, not `Latency` records: a benchmark predicts some 15,000 networks at once, and all share one provenance.
    """

    latency_ms: NDArray[np.float64]
    low_ms: NDArray[np.float64]
    high_ms: NDArray[np.float64]


def hypotheses_from_devices(feature_sets: FeatureSets, latencies_ms: NDArray[np.float64]) -> list[Hypothesis]:
    """Every combination of feature set, breadth and noise; known devices determine the weights of the feature sets.

    Args:
        feature_sets: of networks that were timed on known devices.
        latencies_ms: positive milliseconds, shape (n, devices); any number of devices, also none.
    """
    costs = {
        feature_set: relative_costs(features, latencies_ms) for feature_set, features in feature_sets.items()
    }
    found: list[Hypothesis] = []
    for feature_set, probability in feature_set_probabilities(feature_sets, costs, latencies_ms).items():
        learnt = prior_from_costs(costs[feature_set])
        for breadth in BREADTHS:
            prior, weight = learnt.widened(breadth), probability / breadth
            found += [Hypothesis(feature_set, prior, noise, weight) for noise in NOISES]
    return found


class FewSamples:
    """Posterior of a device's costs after a few networks were timed on it.

    Args:
        hypotheses: to average over.
        feature_sets: of the timed networks.
        latencies_ms: their positive milliseconds, shape (n,), n at least 1.
        uncertainties: additional relative standard deviation of each timing, shape (n,); None for none.
    """

    def __init__(
        self,
        hypotheses: Sequence[Hypothesis],
        feature_sets: FeatureSets,
        latencies_ms: NDArray[np.float64],
        uncertainties: NDArray[np.float64] | None = None,
    ) -> None:
        self._step_ms = resolution_ms(latencies_ms)
        off_ms = latencies_ms * (0.0 if uncertainties is None else uncertainties)
        variance = self._step_ms**2 / 12 + off_ms**2
        self._posteriors = [
            _posterior(each, feature_sets[each.feature_set], latencies_ms, variance) for each in hypotheses
        ]
        likely = [each.log_evidence + np.log(each.hypothesis.weight) for each in self._posteriors]
        self._weights = softmax(likely)

    @property
    def feature_set_weights(self) -> Mapping[str, float]:
        """Posterior probability of each feature set, 0..1."""
        weights: dict[str, float] = {}
        for weight, each in zip(self._weights.tolist(), self._posteriors, strict=True):
            weights[each.hypothesis.feature_set] = weights.get(each.hypothesis.feature_set, 0) + weight
        return weights

    @property
    def noise(self) -> float:
        """Relative noise of an average network's timing (standard deviation), averaged over hypotheses."""
        return float(self._weights @ [each.hypothesis.noise for each in self._posteriors])

    def costs_ms(self, feature_sets: FeatureSets) -> NDArray[np.float64]:
        """Posterior mean cost of each row, a whole network or a part of one, ms, shape (n,); may be negative."""
        means = [each.mean_ms(feature_sets) for each in self._posteriors]
        total: NDArray[np.float64] = self._weights @ np.array(means)
        return total

    def draw(self, feature_sets: FeatureSets, rng: np.random.Generator) -> NDArray[np.float64]:
        """Sample plausible timings from the posterior, ms, shape (n,); one hypothesis is drawn for all networks."""
        number = rng.choice(len(self._posteriors), p=self._weights)
        drawn = self._posteriors[number].draw(feature_sets, rng)
        positive: NDArray[np.float64] = np.maximum(drawn, MIN_RELATIVE * drawn.mean())
        return positive

    def predict(self, feature_sets: FeatureSets) -> Prediction:
        """Predict timings: the interval covers the posterior's uncertainty and the noise of a single timing."""
        means, variances = zip(*(each.predict(feature_sets) for each in self._posteriors), strict=True)
        mean = self._weights @ np.array(means)
        between = (np.array(means) - mean) ** 2
        variance = self._weights @ (np.array(variances) + between) + self._step_ms**2 / 12
        half = INTERVAL_SDS * np.sqrt(variance)
        return Prediction(np.maximum(mean, 0), np.maximum(mean - half, 0), mean + half)


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Costs under one hypothesis, in units of the average network's time."""

    hypothesis: Hypothesis
    unit_ms: float
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    log_evidence: float

    def mean_ms(self, feature_sets: FeatureSets) -> NDArray[np.float64]:
        """Mean cost of each row, ms, shape (n,)."""
        return self.unit_ms * (feature_sets[self.hypothesis.feature_set] @ self.mean)

    def noise_ms2(self, feature_sets: FeatureSets) -> NDArray[np.float64]:
        """Variance of one timing of each network, ms², shape (n,)."""
        return (
            self.unit_ms**2
            * self.hypothesis.noise**2
            * self.hypothesis.typical(feature_sets[self.hypothesis.feature_set])
        )

    def draw(self, feature_sets: FeatureSets, rng: np.random.Generator) -> NDArray[np.float64]:
        """One timing of each network, ms, shape (n,)."""
        costs = rng.multivariate_normal(self.mean, self.covariance, method="eigh", check_valid="ignore")
        off = np.sqrt(self.noise_ms2(feature_sets)) * rng.standard_normal(
            len(feature_sets[self.hypothesis.feature_set])
        )
        drawn: NDArray[np.float64] = self.unit_ms * (feature_sets[self.hypothesis.feature_set] @ costs) + off
        return drawn

    def predict(self, feature_sets: FeatureSets) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of a timing, ms and ms², each of shape (n,)."""
        features = feature_sets[self.hypothesis.feature_set]
        variance = np.einsum("ij,jk,ik->i", features, self.covariance, features)
        return self.mean_ms(feature_sets), self.unit_ms**2 * variance + self.noise_ms2(feature_sets)


def _posterior(
    hypothesis: Hypothesis,
    features: NDArray[np.float64],
    latencies_ms: NDArray[np.float64],
    variance_ms2: NDArray[np.float64],
) -> _Posterior:
    prior, typical = hypothesis.prior, hypothesis.typical(features)
    unit_ms = float(np.median(latencies_ms / typical))
    noise = hypothesis.noise**2 * typical + variance_ms2 / unit_ms**2
    shared = features @ prior.covariance
    total = shared @ features.T + np.diag(noise)
    off = latencies_ms / unit_ms - features @ prior.mean
    gain = np.linalg.solve(total, shared).T
    misfit = np.linalg.slogdet(total)[1] + off @ np.linalg.solve(total, off)
    return _Posterior(
        hypothesis,
        unit_ms,
        prior.mean + gain @ off,
        prior.covariance - gain @ shared,
        -0.5 * float(misfit) - len(off) * np.log(unit_ms),
    )


def resolution_ms(latencies_ms: NDArray[np.float64]) -> float:
    """Rounding step of the latencies, inferred from their decimal places: 1 for whole milliseconds."""
    exponents = [Decimal(repr(each)).normalize().as_tuple().exponent for each in latencies_ms.tolist()]
    return 10.0 ** min(0, *(int(each) for each in exponents))
