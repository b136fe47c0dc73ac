"""Predicts accuracy from the architectures evaluated so far: Gaussian processes selected by leave-one-out.

Kernels are built from two similarities of networks: the share of variables with equal choices, and the overlap of their
features (min-max kernel, Ralaivola et al., Neural Networks 2005). Kernel and noise are selected by the leave-one-out
predictive density, which has a closed form (Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006,
5.4.2).
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
"""From the share of equal choices and of common features to a covariance; all are 1 for equal networks.

`choices` is a ridge regression on one-hot choices, `pairs` one on pairs of them. These two, alone or in a sum, can
extrapolate beyond the best accuracy seen; the others revert to the mean far from the data.
"""

NOISE_VARIANCES = 10.0 ** np.arange(-4, 1, 0.5)
"""Candidate noise variances, relative to the variance the kernel explains."""

CLIP_QUANTILE = 0.7
"""Errors are clipped at this quantile by default: a search need not know how bad the bad ones are."""

PRIOR_VARIANCE = 10.0
"""Prior variance of the slope on a prior's predictions, relative to the kernel's variance: hardly a constraint."""

MIXTURE_SIZE = 4
"""How many Gaussian processes a surrogate mixes."""

TEMPERING_POWER = 0.5
"""Mixture weights use n to this power, not n, densities: leave-one-out densities are not independent."""

QUANTILES = 16
"""Quantiles that represent the predictive distribution of one process."""

_LEAST_WEIGHT = 0.02
_LEAST_ERROR = 1e-3
_LEAST_SPREAD = 1e-9
"""Standard deviation of a prior's predictions below which the prior is ignored as constant."""


@dataclass(frozen=True, slots=True)
class MixtureComponent:
    """A Gaussian process: kernel, relative noise, scale of its covariance, mixture weight, use of a prior."""

    kernel: str
    noise: float
    variance: float
    weight: float
    prior: bool = False


class Surrogate:
    """Predicts the errors of unevaluated architectures from those of evaluated ones.

    Args:
        space: the space of the architectures.
        vectors: canonical encodings of the evaluated ones, shape (n, variables).
        errors: 1 - accuracy of each, shape (n,).
        components: components to reuse from an earlier surrogate of about as many architectures; None selects them.
        prior: a surrogate fitted to another device or data set. Its predictions enter linearly with a learnt
            slope, or not at all where the leave-one-out density says so.
        clip_quantile: errors above this quantile are clipped to it; 1 keeps them all.
    """

    def __init__(
        self,
        space: ArchitectureSpace,
        vectors: Vectors,
        errors: Floats,
        components: Sequence[MixtureComponent] | None = None,
        prior: "Surrogate | None" = None,
        clip_quantile: float = CLIP_QUANTILE,
    ) -> None:
        self._similarity = _Similarity(space, vectors)
        self._trend = None if prior is None else _PriorTrend(prior, vectors)
        targets = np.log(np.maximum(errors, _LEAST_ERROR))
        targets = np.minimum(targets, np.quantile(targets, clip_quantile))
        self._mean = float(targets.mean())
        self._targets = targets - self._mean
        similarities = self._similarity.to(vectors)
        by_prior = None if self._trend is None else self._trend.covariance(self._trend.known)
        if components is None:
            components = _mixture(similarities, by_prior, self._targets)
        self.components = tuple(components)
        """The processes used, weights descending."""
        self._solved = []
        for component in self.components:
            covariance = _covariance(component.kernel, component.prior, similarities, by_prior)
            factor = cho_factor(covariance + component.noise * np.eye(len(targets)), lower=True)
            self._solved.append((factor[0], cho_solve(factor, self._targets)))

    def expected(self, vectors: Vectors) -> Floats:
        """Expected log error of architectures, shape (n, variables) to (n,)."""
        covariances = self._covariances(vectors, self._prior_scores(vectors))
        means = [
            component.weight * (self._mean + covariance @ solution)
            for component, covariance, (_, solution) in zip(
                self.components, covariances, self._solved, strict=True
            )
        ]
        return np.asarray(np.sum(means, axis=0))

    def sample(self, vectors: Vectors) -> tuple[Floats, Floats]:
        """Quantiles of the predicted errors under each process, noise included.

        Args:
            vectors: canonical encodings, shape (n, variables).

        Returns:
            Errors, shape (n, samples), `QUANTILES` columns per component, and the weight of each column, shape
            (samples,), summing to 1.
        """
        scores = self._prior_scores(vectors)
        normal = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
        errors, weights = [], []
        for component, covariance, (factor, solution) in zip(
            self.components, self._covariances(vectors, scores), self._solved, strict=True
        ):
            mean = self._mean + covariance @ solution
            prior_variance = 1 + component.prior * PRIOR_VARIANCE * scores**2
            explained = (solve_triangular(factor, covariance.T, lower=True) ** 2).sum(0)
            relative_variance = np.maximum(prior_variance - explained, 1e-9) + component.noise
            deviation = np.sqrt(component.variance * relative_variance)
            errors.append(np.exp(mean[:, None] + deviation[:, None] * normal))
            weights.append(np.full(QUANTILES, component.weight / QUANTILES))
        return np.concatenate(errors, axis=1), np.concatenate(weights)

    def _prior_scores(self, vectors: Vectors) -> Floats:
        """Standardised predictions of the prior, shape (n,); 0 without one."""
        return np.zeros(len(vectors)) if self._trend is None else self._trend.scores(vectors)

    def _covariances(self, vectors: Vectors, scores: Floats) -> list[Floats]:
        """Covariances with the evaluated architectures, per component: shapes (n, evaluated)."""
        similarities = self._similarity.to(vectors)
        by_prior = None if self._trend is None else self._trend.covariance(scores)
        return [_covariance(each.kernel, each.prior, similarities, by_prior) for each in self.components]


class _Similarity:
    """Similarities of architectures to a fixed set of them."""

    def __init__(self, space: ArchitectureSpace, vectors: Vectors) -> None:
        self._space = space
        self._sizes = [len(known) for known in space.variables]
        counts = space.features(vectors)
        self._most = counts.max(0)
        self._one_hot = self._one_hot_of(vectors)
        self._steps = self._steps_of(counts)
        self._total = counts.sum(1)

    def to(self, vectors: Vectors) -> tuple[Floats, Floats]:
        """Share of equal choices and of common features with each member of the set: shapes (n, set)."""
        counts = self._space.features(vectors)
        same = self._one_hot_of(vectors) @ self._one_hot.T / len(self._sizes)
        common = self._steps_of(counts) @ self._steps.T
        return same, (1 + common) / (1 + counts.sum(1)[:, None] + self._total - common)

    def _one_hot_of(self, vectors: Vectors) -> Floats:
        return np.concatenate(
            [np.eye(size)[column] for size, column in zip(self._sizes, vectors.T, strict=True)], axis=1
        )

    def _steps_of(self, counts: Vectors) -> Floats:
        """Unary encoding of the counts, so that dot products are sums of minima."""
        steps = [counts[:, i, None] > np.arange(most) for i, most in enumerate(self._most)]
        return np.concatenate(steps, axis=1).astype(float)


class _PriorTrend:
    """The covariance of a linear trend in a prior's predictions."""

    def __init__(self, prior: Surrogate, vectors: Vectors) -> None:
        self._prior = prior
        expected = prior.expected(vectors)
        spread = float(expected.std())
        self._mean, self._spread = float(expected.mean()), spread if spread > _LEAST_SPREAD else np.inf
        self.known = self.scores(vectors)
        """Scores of the architectures it was made with, shape (set,)."""

    def scores(self, vectors: Vectors) -> Floats:
        """The prior's predictions standardised over the set, shape (n, variables) to (n,)."""
        return (self._prior.expected(vectors) - self._mean) / self._spread

    def covariance(self, scores: Floats) -> Floats:
        """Covariance of scores, shape (n,), with those of the set: shape (n, set)."""
        return PRIOR_VARIANCE * np.outer(scores, self.known)


def _covariance(
    kernel: str, prior: bool, similarities: tuple[Floats, Floats], by_prior: Floats | None
) -> Floats:
    covariance = KERNELS[kernel](*similarities)
    return covariance + by_prior if prior and by_prior is not None else covariance


def _mixture(
    similarities: tuple[Floats, Floats], by_prior: Floats | None, targets: Floats
) -> tuple[MixtureComponent, ...]:
    """The kernels with the highest leave-one-out density of the targets, weighted by it."""
    found = []
    for kernel, prior in product(KERNELS, (False,) if by_prior is None else (False, True)):
        covariance = _covariance(kernel, prior, similarities, by_prior)
        found.append((*_fit_noise(covariance, targets), kernel, prior))
    found = sorted(found, reverse=True)[:MIXTURE_SIZE]
    densities = np.array([density for density, *_ in found])
    likelihoods = np.exp(len(targets) ** TEMPERING_POWER * (densities - densities[0]))
    weights = likelihoods / likelihoods.sum()
    weights[weights < _LEAST_WEIGHT] = 0
    weights /= weights.sum()
    return tuple(
        MixtureComponent(kernel, noise, variance, float(weight), prior)
        for (_, noise, variance, kernel, prior), weight in zip(found, weights, strict=True)
        if weight
    )


def _fit_noise(covariance: Floats, targets: Floats) -> tuple[float, float, float]:
    """(mean leave-one-out log density, noise, variance) at the noise that maximises the density."""
    values, basis = np.linalg.eigh(covariance)
    rotated, squared = basis.T @ targets, basis**2
    found = []
    for noise in NOISE_VARIANCES:
        inverse = 1 / (np.maximum(values, 0) + noise)
        precision = squared @ inverse
        residual = basis @ (inverse * rotated) / precision
        variance = max(float((residual**2 * precision).mean()), 1e-12)
        density = -0.5 * float(np.log(variance / precision).mean())
        found.append((density, float(noise), variance))
    return max(found)
