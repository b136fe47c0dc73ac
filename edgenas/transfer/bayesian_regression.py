"""Latency of any network from a few that were timed: Bayesian linear regression under several hypotheses.

A hypothesis says which view of a network costs time, how far the device may be from the known ones and how noisy its
times are. Each gives a posterior in closed form and an evidence, the probability of what was measured (MacKay, Neural
Computation 1992); predictions are averaged over all by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from edgenas.transfer.cell_features import Views
from edgenas.transfer.device_prior import Prior, prior_from_costs, relative_costs, view_probabilities

BREADTHS = (0.005, 0.02, 0.08, 0.25)
"""How far costs may differ from those of the known devices, as shares of an average network's time.

Each is as probable as it is small: a disturbed timing is a lesser wonder than a device like no other.
"""

NOISES = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
"""Standard deviations of an average network's time; the variance grows with the time, as that of a sum does."""

LEAST = 0.05
"""Relative latency, of the average network's, that a prior's mean is kept above."""

INTERVAL_SDS = 1.645
"""Standard deviations to either side that hold 90 % of a normal distribution."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A view of networks, a prior of its costs, the noise of an average network's time; their weight beforehand."""

    view: str
    prior: Prior
    noise: float
    weight: float

    def typical(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative latency expected before anything was measured, shape (n,); positive."""
        return np.maximum(features @ self.prior.mean, LEAST)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Milliseconds and their 90 % interval, each of shape (n,)."""

    latency_ms: NDArray[np.float64]
    low_ms: NDArray[np.float64]
    high_ms: NDArray[np.float64]


def hypotheses_from_devices(views: Views, latencies_ms: NDArray[np.float64]) -> list[Hypothesis]:
    """Every view with every breadth and noise; views are as probable as known devices make them.

    Args:
        views: of networks that were timed on known devices.
        latencies_ms: positive milliseconds, shape (n, devices); any number of devices, also none.
    """
    costs = {view: relative_costs(features, latencies_ms) for view, features in views.items()}
    found: list[Hypothesis] = []
    for view, probability in view_probabilities(views, costs, latencies_ms).items():
        learnt = prior_from_costs(costs[view])
        for breadth in BREADTHS:
            prior, weight = learnt.widened(breadth), probability / breadth
            found += [Hypothesis(view, prior, noise, weight) for noise in NOISES]
    return found


class FewSamples:
    """What is believed of a device once a few networks were timed on it.

    Args:
        hypotheses: what it may be like.
        views: of the timed networks.
        latencies_ms: their positive milliseconds, shape (n,), n at least 1.
        uncertainties: how far each of them may be off besides, as a share of it, shape (n,); None for not at all.
    """

    def __init__(
        self,
        hypotheses: Sequence[Hypothesis],
        views: Views,
        latencies_ms: NDArray[np.float64],
        uncertainties: NDArray[np.float64] | None = None,
    ) -> None:
        self._step_ms = resolution_ms(latencies_ms)
        off_ms = latencies_ms * (0.0 if uncertainties is None else uncertainties)
        variance = self._step_ms**2 / 12 + off_ms**2
        self._posteriors = [_posterior(each, views[each.view], latencies_ms, variance) for each in hypotheses]
        likely = [each.log_evidence + np.log(each.hypothesis.weight) for each in self._posteriors]
        self._weights = softmax(likely)

    @property
    def view_weights(self) -> Mapping[str, float]:
        """How probable each view is, 0..1."""
        weights: dict[str, float] = {}
        for weight, each in zip(self._weights.tolist(), self._posteriors, strict=True):
            weights[each.hypothesis.view] = weights.get(each.hypothesis.view, 0) + weight
        return weights

    @property
    def noise(self) -> float:
        """Standard deviation of an average network's time, as a share of it; averaged over hypotheses."""
        return float(self._weights @ [each.hypothesis.noise for each in self._posteriors])

    def costs_ms(self, views: Views) -> NDArray[np.float64]:
        """What the features of each row add up to, ms, shape (n,): of whole networks or parts; may be negative."""
        means = [each.mean_ms(views) for each in self._posteriors]
        total: NDArray[np.float64] = self._weights @ np.array(means)
        return total

    def draw(self, views: Views, rng: np.random.Generator) -> NDArray[np.float64]:
        """Times that some networks may well take, ms, shape (n,): by one hypothesis, drawn by its probability."""
        number = rng.choice(len(self._posteriors), p=self._weights)
        drawn = self._posteriors[number].draw(views, rng)
        positive: NDArray[np.float64] = np.maximum(drawn, LEAST * drawn.mean())
        return positive

    def predict(self, views: Views) -> Prediction:
        """Latencies as they would be measured: the interval holds what is not known and the noise of one timing."""
        means, variances = zip(*(each.predict(views) for each in self._posteriors), strict=True)
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

    def mean_ms(self, views: Views) -> NDArray[np.float64]:
        """What the features of each row add up to, shape (n,)."""
        return self.unit_ms * (views[self.hypothesis.view] @ self.mean)

    def noise_ms2(self, views: Views) -> NDArray[np.float64]:
        """Variance of one timing of each network, ms², shape (n,)."""
        return (
            self.unit_ms**2 * self.hypothesis.noise**2 * self.hypothesis.typical(views[self.hypothesis.view])
        )

    def draw(self, views: Views, rng: np.random.Generator) -> NDArray[np.float64]:
        """One timing of each network, ms, shape (n,)."""
        costs = rng.multivariate_normal(self.mean, self.covariance, method="eigh", check_valid="ignore")
        off = np.sqrt(self.noise_ms2(views)) * rng.standard_normal(len(views[self.hypothesis.view]))
        drawn: NDArray[np.float64] = self.unit_ms * (views[self.hypothesis.view] @ costs) + off
        return drawn

    def predict(self, views: Views) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance of a timing, ms and ms², each of shape (n,)."""
        features = views[self.hypothesis.view]
        variance = np.einsum("ij,jk,ik->i", features, self.covariance, features)
        return self.mean_ms(views), self.unit_ms**2 * variance + self.noise_ms2(views)


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
    surprise = np.linalg.slogdet(total)[1] + off @ np.linalg.solve(total, off)
    return _Posterior(
        hypothesis,
        unit_ms,
        prior.mean + gain @ off,
        prior.covariance - gain @ shared,
        -0.5 * float(surprise) - len(off) * np.log(unit_ms),
    )


def resolution_ms(latencies_ms: NDArray[np.float64]) -> float:
    """The step that times were rounded to, as their digits show: 1 for whole milliseconds."""
    exponents = [Decimal(repr(each)).normalize().as_tuple().exponent for each in latencies_ms.tolist()]
    return 10.0 ** min(0, *(int(each) for each in exponents))
