"""Which networks to time: those that reduce the uncertainty about all others most."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from edgenas.transfer.bayesian_regression import Hypothesis
from edgenas.transfer.cell_features import FeatureSets

CANDIDATES = 200
"""Random networks that samples are chosen from; more for more samples."""

NOISE = 0.07
"""Relative error of one timing, for an average network: measurement noise and error of the linear model."""


def informative_samples(
    hypotheses: Sequence[Hypothesis], feature_sets: FeatureSets, count: int, known: Sequence[int] = ()
) -> list[int]:
    """Choose networks greedily, each the one that reduces the mean variance over all candidates most.

    The variance is relative to the expected latency and averaged over the hypotheses' priors.

    Args:
        hypotheses: about the device.
        feature_sets: of the candidates.
        count: how many to choose, at most all.
        known: rows that have been timed already; not chosen again.

    Returns:
        Their rows, the most informative first.
    """
    covariance = _covariance(hypotheses, feature_sets)
    noise = np.full(len(covariance), NOISE**2)
    for row in known:
        covariance = _once_timed(covariance, noise, row)
    return [row for row, _ in islice(_greedy(covariance, noise, known), count)]


def _greedy(
    covariance: NDArray[np.float64], noise: NDArray[np.float64], known: Collection[int] = ()
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rows of greatest gain in order, each with the covariance after it has been timed."""
    chosen = list(known)
    while len(chosen) < len(covariance):
        gains = (covariance**2).sum(axis=0) / (np.diag(covariance) + noise)
        gains[chosen] = -np.inf
        best = int(gains.argmax())
        chosen.append(best)
        covariance = _once_timed(covariance, noise, best)
        yield best, covariance


def _once_timed(covariance: NDArray[np.float64], noise: NDArray[np.float64], row: int) -> NDArray[np.float64]:
    column = covariance[row]
    left: NDArray[np.float64] = covariance - np.outer(column, column) / (column[row] + noise[row])
    return left


def _covariance(hypotheses: Sequence[Hypothesis], feature_sets: FeatureSets) -> NDArray[np.float64]:
    """Covariance of relative latencies, shape (n, n), scaled so that all networks have the same noise."""
    distinct = {id(each.prior): each for each in hypotheses}.values()
    size = len(next(iter(feature_sets.values())))
    total = np.zeros((size, size))
    for each in distinct:
        features = (
            feature_sets[each.feature_set] / np.sqrt(each.typical(feature_sets[each.feature_set]))[:, None]
        )
        total += features @ each.prior.covariance @ features.T
    return total / len(distinct)
