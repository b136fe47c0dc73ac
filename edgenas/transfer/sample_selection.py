"""Which networks to time: those that tell most about all others."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from edgenas.transfer.bayesian_regression import Hypothesis
from edgenas.transfer.cell_features import Views

CANDIDATES = 200
"""Random networks that samples are chosen from; more where more samples are."""

NOISE = 0.07
"""What one timing is off, as a share of an average network's time: noise, and what no sum over features holds."""


def informative_samples(
    hypotheses: Sequence[Hypothesis], views: Views, count: int, known: Sequence[int] = ()
) -> list[int]:
    """Choose networks, one after the other, that most reduce the mean variance of all.

    The variance is relative to what is expected, and the mean of that under each prior.

    Args:
        hypotheses: what the device may be like.
        views: of the candidates.
        count: how many of them, at most all.
        known: rows that have been timed already; not chosen again.

    Returns:
        Their rows, the most telling first.
    """
    covariance = _covariance(hypotheses, views)
    noise = np.full(len(covariance), NOISE**2)
    for row in known:
        covariance = _once_timed(covariance, noise, row)
    return [row for row, _ in islice(_greedy(covariance, noise, known), count)]


def _greedy(
    covariance: NDArray[np.float64], noise: NDArray[np.float64], known: Collection[int] = ()
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Rows of greatest gain, one after the other, and the covariance once each has been timed."""
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


def _covariance(hypotheses: Sequence[Hypothesis], views: Views) -> NDArray[np.float64]:
    """Of relative latencies over the square root of those expected, shape (n, n): as noisy each as the other."""
    distinct = {id(each.prior): each for each in hypotheses}.values()
    size = len(next(iter(views.values())))
    total = np.zeros((size, size))
    for each in distinct:
        features = views[each.view] / np.sqrt(each.typical(views[each.view]))[:, None]
        total += features @ each.prior.covariance @ features.T
    return total / len(distinct)
