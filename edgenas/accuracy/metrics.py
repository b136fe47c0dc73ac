"""How good predictions are: accuracy, or means over classes that count a rare class as much as a common one."""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edgenas.vocabulary import Metric

MEASURES: dict[Metric, str] = {
    "top-1": "accuracy",
    "macro-f1": "macro F1",
    "macro-precision": "macro precision",
    "macro-recall": "macro recall",
}
"""What people call them, after their kind as in `test accuracy`."""

SIGNIFICANCE = 0.05
PERMUTATIONS = 2000
PERMUTATION_SEED = 0

_AT_ONCE = 2**20
"""Predictions counted in one go."""


def confusion(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count images by true class (rows) and predicted class (columns).

    Args:
        predicted: int (..., N), -1 where there is no valid prediction, which every metric counts as wrong.
        labels: int (N,), 0 to classes - 1.
        classes: how many there are.

    Returns:
        int64 (..., classes, classes + 1); the last column counts the -1.
    """
    cells = labels * (classes + 1) + np.where(predicted < 0, classes, predicted)
    counts = _counts(cells.reshape(-1, len(labels)), classes * (classes + 1))
    return counts.reshape(*predicted.shape[:-1], classes, classes + 1)


def score(matrix: NDArray[np.int64], metric: Metric) -> float:
    """A metric, 0..1, of one confusion matrix; see `score_each`."""
    return float(score_each(matrix, metric))


def scores(matrix: NDArray[np.int64]) -> dict[Metric, float]:
    """Every metric of one confusion matrix; see `score_each`."""
    return {metric: score(matrix, metric) for metric in get_args(Metric)}


def score_each(matrices: NDArray[np.int64], metric: Metric) -> NDArray[np.float64]:
    """A metric of each of many confusion matrices, (..., classes, classes + 1), as of `confusion`; shape (...).

    Means are over the classes that occur; a class that is never predicted has precision 0. As scikit-learn's with
    `average="macro"`, `zero_division=0` and `labels` those that occur.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    return _scored(hits, matrices.sum(-2)[..., :-1], matrices.sum(-1), metric)


def shown_better(
    predicted: NDArray[np.int64],
    other_predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    metric: Metric,
) -> bool:
    """Whether predictions are better than others of the same images beyond chance (one-sided, 5 %).

    A paired permutation test (Yeh, "More accurate tests for the statistical significance of result
    differences", COLING 2000): were the two alike, swapping their predictions of any image would change nothing.
    For top-1 it is McNemar's test. The same arguments always give the same answer.

    Args:
        predicted: int (N,), -1 where there is no valid prediction.
        other_predicted: likewise, (N,).
        labels: int (N,), 0 to classes - 1.
        classes: how many there are.
        metric: by which to compare.
    """
    actual = np.bincount(labels, minlength=classes)
    mine, others = (_tally(some[None], labels, classes) for some in (predicted, other_predicted))
    found = float(_difference(mine, mine + others, actual, metric)[0])
    if found <= 0:
        return False
    differ = predicted != other_predicted
    a, b, truth = predicted[differ], other_predicted[differ], labels[differ]
    same = mine - _tally(a[None], truth, classes)
    rng = np.random.default_rng(PERMUTATION_SEED)
    as_far, done = 0, 0
    while done < PERMUTATIONS:
        some = min(max(1, _AT_ONCE // max(len(truth), classes)), PERMUTATIONS - done)
        swapped = np.where(rng.integers(2, size=(some, len(truth)), dtype=np.bool_), a, b)
        swapped_scores = _difference(same + _tally(swapped, truth, classes), mine + others, actual, metric)
        as_far += int((swapped_scores >= found - 1e-12).sum())  # ties count, whatever rounding does to them
        done += some
    return (1 + as_far) / (1 + PERMUTATIONS) <= SIGNIFICANCE


def _tally(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Of predictions (P, N), by class: how many are right, and how many there are: (2, P, classes)."""
    valid = np.where(predicted < 0, classes, predicted)
    right = np.where(predicted == labels, valid, classes)
    return np.stack([_counts(each, classes + 1)[:, :classes] for each in (right, valid)])


def _counts(values: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """How often each of 0 to size - 1 occurs in each row of (P, N): (P, size)."""
    rows = np.arange(len(values))[:, None]
    return np.bincount((rows * size + values).ravel(), minlength=len(values) * size).reshape(-1, size)


def _difference(
    mine: NDArray[np.int64], both: NDArray[np.int64], actual: NDArray[np.int64], metric: Metric
) -> NDArray[np.float64]:
    """Score less the other's score; what one has after a swap the other lacks. Tallies, (2, P, classes), to (P,)."""
    theirs = both - mine
    return _scored(mine[0], mine[1], actual, metric) - _scored(theirs[0], theirs[1], actual, metric)


def _scored(
    hits: NDArray[np.int64], predicted: NDArray[np.int64], actual: NDArray[np.int64], metric: Metric
) -> NDArray[np.float64]:
    """A metric from counts by class, each (..., classes)."""
    if metric == "top-1":
        return _ratio(hits.sum(-1), actual.sum(-1))
    by_class = {
        "macro-f1": lambda: _ratio(2 * hits, predicted + actual),
        "macro-precision": lambda: _ratio(hits, predicted),
        "macro-recall": lambda: _ratio(hits, actual),
    }[metric]()
    occurs = actual > 0
    return _ratio((by_class * occurs).sum(-1), np.asarray(occurs.sum(-1)))


def _ratio(part: NDArray[np.int64] | NDArray[np.float64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quotient, and 0 where there is nothing to divide by."""
    return np.asarray(part / np.maximum(whole, 1), np.float64)
