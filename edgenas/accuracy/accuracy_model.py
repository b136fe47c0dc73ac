"""A model of accuracy learnt from the architectures evaluated so far: Gaussian processes chosen by leave-one-out.

A process knows two similarities of networks: the share of variables in which they agree, and what their features have
in common (min-max kernel, Ralaivola et al., Neural Networks 2005). Which kernel of them, and how noisy accuracies are,
is chosen by the predictive density of each architecture given the others, which has a closed form (Rasmussen and
Williams, "Gaussian Processes for Machine Learning", 2006, 5.4.2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import ndtri

from edgenas.space import ArchitectureSpace

Floats = NDArray[np.float64]
Vectors = NDArray[np.int64]

KERNELS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "choices": lambda same, common: same,
    "pairs": lambda same, common: same**2,
    "near": lambda same, common: np.exp(3 * (same - 1)),
    "far": lambda same, common: np.exp(1.5 * (same - 1)),
    "features": lambda same, common: common,
    "choices + far": lambda same, common: (same + np.exp(1.5 * (same - 1))) / 2,
    "choices + features": lambda same, common: (same + common) / 2,
    "features + pairs": lambda same, common: (common + same**2) / 2,
    "features + far": lambda same, common: (common + np.exp(1.5 * (same - 1))) / 2,
    "features x far": lambda same, common: common * np.exp(1.5 * (same - 1)),
}
"""From the share of equal choices and that of common features to a covariance; each is 1 for equal networks.

`choices` is a ridge regression on one-hot choices, `pairs` one on pairs of them. With these, alone or in a sum, good
choices together may be expected to be better than anything seen; the others fall back to the mean away from it.
"""

NOISES = 10.0 ** np.arange(-4, 1, 0.5)
"""Variances of what no kernel explains, in units of what it does."""

TOLD_APART = 0.7
"""Errors above this quantile count as alike, unless a caller wants otherwise: to search, bad is bad enough."""

PRIOR_VARIANCE = 10.0
"""Of the slope by which a prior's expectations may count, in units of what a kernel explains: nearly any slope."""

SHARES = 4
"""How many processes a surrogate mixes."""

TEMPER = 0.5
"""Power of the number of architectures by which densities count: left out one by one they are no independent facts."""

QUANTILES = 16
"""Points that stand for the distribution of an error under one process."""

_LEAST_SHARE = 0.02
_LEAST_ERROR = 1e-3
_LEAST_SPREAD = 1e-9
"""Of a prior's expectations; one that tells nothing apart has none but rounding."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A kernel with its noise, the variance it scales to, its share in predictions; whether a prior counts."""

    kernel: str
    noise: float
    variance: float
    share: float
    prior: bool = False


class Surrogate:
    """Errors of architectures that were not evaluated, from those that were.

    Args:
        space: whose they are.
        vectors: canonical encodings of those evaluated, shape (n, variables).
        errors: 1 - accuracy of each, shape (n,).
        choices: kernels to use, as `choices` of an earlier surrogate of about as many architectures; None chooses.
        prior: a surrogate of another device's or data set's evaluations. Its expectations count as far as they
            prove right here: with a slope that is learnt, or not at all where leaving one out says so.
        told_apart: errors above this quantile count as alike; 1 where it matters how bad the bad are.
    """

    def __init__(
        self,
        space: ArchitectureSpace,
        vectors: Vectors,
        errors: Floats,
        choices: Sequence[Choice] | None = None,
        prior: "Surrogate | None" = None,
        told_apart: float = TOLD_APART,
    ) -> None:
        self._similarity = _Similarity(space, vectors)
        self._line = None if prior is None else _Line(prior, vectors)
        targets = np.log(np.maximum(errors, _LEAST_ERROR))
        targets = np.minimum(targets, np.quantile(targets, told_apart))
        self._mean = float(targets.mean())
        self._targets = targets - self._mean
        similarities = self._similarity.to(vectors)
        by_prior = None if self._line is None else self._line.covariance(self._line.known)
        if choices is None:
            choices = _chosen(similarities, by_prior, self._targets)
        self.choices = tuple(choices)
        """The kernels used, shares descending."""
        self._solved = []
        for choice in self.choices:
            covariance = _covariance(choice.kernel, choice.prior, similarities, by_prior)
            factor = cho_factor(covariance + choice.noise * np.eye(len(targets)), lower=True)
            self._solved.append((factor[0], cho_solve(factor, self._targets)))

    def expected(self, vectors: Vectors) -> Floats:
        """Expected log error of architectures, shape (n, variables) to (n,)."""
        covariances = self._covariances(vectors, self._places(vectors))
        means = [
            choice.share * (self._mean + covariance @ weighted)
            for choice, covariance, (_, weighted) in zip(self.choices, covariances, self._solved, strict=True)
        ]
        return np.asarray(np.sum(means, axis=0))

    def sample(self, vectors: Vectors) -> tuple[Floats, Floats]:
        """Errors that architectures may turn out to have, noise included: quantiles of each process.

        Args:
            vectors: canonical encodings, shape (n, variables).

        Returns:
            Errors, shape (n, samples), `QUANTILES` columns for each of `choices` in turn, and the weight of each
            column, shape (samples,), in all 1.
        """
        places = self._places(vectors)
        normal = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
        errors, weights = [], []
        for choice, covariance, (factor, weighted) in zip(
            self.choices, self._covariances(vectors, places), self._solved, strict=True
        ):
            mean = self._mean + covariance @ weighted
            own = 1 + choice.prior * PRIOR_VARIANCE * places**2
            explained = (solve_triangular(factor, covariance.T, lower=True) ** 2).sum(0)
            unknown = np.maximum(own - explained, 1e-9) + choice.noise
            deviation = np.sqrt(choice.variance * unknown)
            errors.append(np.exp(mean[:, None] + deviation[:, None] * normal))
            weights.append(np.full(QUANTILES, choice.share / QUANTILES))
        return np.concatenate(errors, axis=1), np.concatenate(weights)

    def _places(self, vectors: Vectors) -> Floats:
        """Where architectures are by the prior; 0 without one."""
        return np.zeros(len(vectors)) if self._line is None else self._line.place(vectors)

    def _covariances(self, vectors: Vectors, places: Floats) -> list[Floats]:
        """With those evaluated, under each choice of kernel: shapes (n, evaluated)."""
        similarities = self._similarity.to(vectors)
        by_prior = None if self._line is None else self._line.covariance(places)
        return [_covariance(choice.kernel, choice.prior, similarities, by_prior) for choice in self.choices]


class _Similarity:
    """How alike architectures are to a set of them."""

    def __init__(self, space: ArchitectureSpace, vectors: Vectors) -> None:
        self._space = space
        self._sizes = [len(known) for known in space.variables]
        counts = space.features(vectors)
        self._most = counts.max(0)
        self._one_hot = self._one_hot_of(vectors)
        self._steps = self._steps_of(counts)
        self._total = counts.sum(1)

    def to(self, vectors: Vectors) -> tuple[Floats, Floats]:
        """Share of equal choices, and of common features, with each of the set: shapes (n, set)."""
        counts = self._space.features(vectors)
        same = self._one_hot_of(vectors) @ self._one_hot.T / len(self._sizes)
        common = self._steps_of(counts) @ self._steps.T
        return same, (1 + common) / (1 + counts.sum(1)[:, None] + self._total - common)

    def _one_hot_of(self, vectors: Vectors) -> Floats:
        return np.concatenate(
            [np.eye(size)[column] for size, column in zip(self._sizes, vectors.T, strict=True)], axis=1
        )

    def _steps_of(self, counts: Vectors) -> Floats:
        """A 1 for each unit of each count: dot products are sums of minima."""
        steps = [counts[:, i, None] > np.arange(most) for i, most in enumerate(self._most)]
        return np.concatenate(steps, axis=1).astype(float)


class _Line:
    """A straight line through what a prior expects, as a covariance."""

    def __init__(self, prior: Surrogate, vectors: Vectors) -> None:
        self._prior = prior
        expected = prior.expected(vectors)
        spread = float(expected.std())
        self._mean, self._spread = float(expected.mean()), spread if spread > _LEAST_SPREAD else np.inf
        self.known = self.place(vectors)
        """Places of the architectures it was made with, shape (set,)."""

    def place(self, vectors: Vectors) -> Floats:
        """Where on the line architectures are, shape (n, variables) to (n,)."""
        return (self._prior.expected(vectors) - self._mean) / self._spread

    def covariance(self, place: Floats) -> Floats:
        """Of places, shape (n,), with those of the set: shape (n, set)."""
        return PRIOR_VARIANCE * np.outer(place, self.known)


def _covariance(
    kernel: str, prior: bool, similarities: tuple[Floats, Floats], by_prior: Floats | None
) -> Floats:
    covariance = KERNELS[kernel](*similarities)
    return covariance + by_prior if prior and by_prior is not None else covariance


def _chosen(
    similarities: tuple[Floats, Floats], by_prior: Floats | None, targets: Floats
) -> tuple[Choice, ...]:
    """The kernels under which each target is likeliest given the others."""
    found = []
    for kernel, prior in product(KERNELS, (False,) if by_prior is None else (False, True)):
        covariance = _covariance(kernel, prior, similarities, by_prior)
        found.append((*_best_noise(covariance, targets), kernel, prior))
    found = sorted(found, reverse=True)[:SHARES]
    densities = np.array([density for density, *_ in found])
    likelihoods = np.exp(len(targets) ** TEMPER * (densities - densities[0]))
    shares = likelihoods / likelihoods.sum()
    shares[shares < _LEAST_SHARE] = 0
    shares /= shares.sum()
    return tuple(
        Choice(kernel, noise, variance, float(share), prior)
        for (_, noise, variance, kernel, prior), share in zip(found, shares, strict=True)
        if share
    )


def _best_noise(covariance: Floats, targets: Floats) -> tuple[float, float, float]:
    """(mean log density of a target given the others, noise, variance) at the noise where it is greatest."""
    values, basis = np.linalg.eigh(covariance)
    rotated, squared = basis.T @ targets, basis**2
    found = []
    for noise in NOISES:
        inverse = 1 / (np.maximum(values, 0) + noise)
        precision = squared @ inverse
        residual = basis @ (inverse * rotated) / precision
        variance = max(float((residual**2 * precision).mean()), 1e-12)
        density = -0.5 * float(np.log(variance / precision).mean())
        found.append((density, float(noise), variance))
    return max(found)
