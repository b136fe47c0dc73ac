"""Classification metrics: accuracy, and macro averages, which weigh rare classes as much as common ones."""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edgenas.vocabulary import Metric

METRIC_NAMES: dict[Metric, str] = {
    "top-1": "accuracy",
    "macro-f1": "macro F1",
    "macro-precision": "macro precision",
    "macro-recall": "macro recall",
}
"""Names for people, as in `test accuracy`."""

SIGNIFICANCE = 0.05
PERMUTATIONS = 2000
PERMUTATION_SEED = 0

_PREDICTIONS_PER_CHUNK = 2**20
"""Predictions counted per chunk."""


def confusion(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count images by true class (rows) and predicted class (columns).

    Args:
        predicted: int (..., N), -1 for an invalid prediction, which every metric counts as wrong.
        labels: int (N,), 0 to classes - 1.
        classes: how many there are.

    Returns:
        int64 (..., classes, classes + 1); the last column counts invalid predictions.
    """
    cells = labels * (classes + 1) + np.where(predicted < 0, classes, predicted)
    counts = _counts(cells.reshape(-1, len(labels)), classes * (classes + 1))
    return counts.reshape(*predicted.shape[:-1], classes, classes + 1)


def score(matrix: NDArray[np.int64], metric: Metric) -> float:
    """A metric, 0..1, for one confusion matrix; see `score_each`."""
    return float(score_each(matrix, metric))


def scores(matrix: NDArray[np.int64]) -> dict[Metric, float]:
    """Every metric for one confusion matrix; see `score_each`."""
    return {metric: score(matrix, metric) for metric in get_args(Metric)}


def score_each(matrices: NDArray[np.int64], metric: Metric) -> NDArray[np.float64]:
    """A metric, shape (...), for each of many confusion matrices from `confusion`, (..., classes, classes + 1).

    Macro averages are over the classes that occur; a class that is never predicted has precision 0. Same as
    scikit-learn's with `average="macro"`, `zero_division=0` and `labels` set to those that occur.
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    return _scored(hits, matrices.sum(-2)[..., :-1], matrices.sum(-1), metric)


def significantly_better(
    predicted: NDArray[np.int64],
    other_predicted: NDArray[np.int64],
    labels: NDArray[np.int64],
    classes: int,
    metric: Metric,
) -> bool:
    """Whether predictions are significantly better than others of the same images (one-sided, 5 %).

    A paired permutation test (Yeh, "More accurate tests for the statistical significance of result
    differences", COLING 2000): under the null hypothesis the two predictions of any image can be swapped. For top-1
    it is McNemar's test. Deterministic.

    Args:
        predicted: int (N,), -1 for an invalid prediction.
        other_predicted: the same for the other model.
        labels: int (N,), 0 to classes - 1.
        classes: how many there are.
        metric: the metric to compare.
    """
    actual = np.bincount(labels, minlength=classes)
    mine, others = (_tally(each[None], labels, classes) for each in (predicted, other_predicted))
    observed = float(_difference(mine, mine + others, actual, metric)[0])
    if observed <= 0:
        return False
    differ = predicted != other_predicted
    a, b, truth = predicted[differ], other_predicted[differ], labels[differ]
    same = mine - _tally(a[None], truth, classes)
    rng = np.random.default_rng(PERMUTATION_SEED)
    as_extreme, done = 0, 0
    while done < PERMUTATIONS:
        count = min(max(1, _PREDICTIONS_PER_CHUNK // max(len(truth), classes)), PERMUTATIONS - done)
        swapped = np.where(rng.integers(2, size=(count, len(truth)), dtype=np.bool_), a, b)
        swapped_scores = _difference(same + _tally(swapped, truth, classes), mine + others, actual, metric)
        as_extreme += int((swapped_scores >= observed - 1e-12).sum())  # counts ties in spite of rounding
        done += count
    return (1 + as_extreme) / (1 + PERMUTATIONS) <= SIGNIFICANCE


def _tally(predicted: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Correct predictions and all predictions per class, of (P, N) predictions: (2, P, classes)."""
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
    """Score minus the other's score, (P,), from tallies (2, P, classes); a swap leaves the sum `both` unchanged."""
    theirs = both - mine
    return _scored(mine[0], mine[1], actual, metric) - _scored(theirs[0], theirs[1], actual, metric)


def _scored(
    hits: NDArray[np.int64], predicted: NDArray[np.int64], actual: NDArray[np.int64], metric: Metric
) -> NDArray[np.float64]:
    """A metric from per-class counts, each (..., classes)."""
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
    """Quotient; 0 where the denominator is 0."""
    return np.asarray(part / np.maximum(whole, 1), np.float64)
