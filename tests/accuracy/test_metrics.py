from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from edgenas.accuracy.metrics import confusion, score, score_each, scores, significantly_better
from edgenas.vocabulary import Metric

Ints = NDArray[np.int64]
METRICS: tuple[Metric, ...] = get_args(Metric)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Ints, Ints, int]:
    """Predicted (3, N), labels (N,), and the number of classes, some of which may not occur."""
    classes, n = draw(st.integers(2, 6)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    reach = draw(st.integers(1, classes))
    return rng.integers(-1, classes, (3, n)), rng.integers(0, reach, n), classes


def by_sklearn(predicted: Ints, labels: Ints) -> dict[Metric, float]:
    how = {"labels": np.unique(labels), "average": "macro", "zero_division": 0}
    return {
        "top-1": accuracy_score(labels, predicted),
        "macro-f1": f1_score(labels, predicted, **how),
        "macro-precision": precision_score(labels, predicted, **how),
        "macro-recall": recall_score(labels, predicted, **how),
    }


@given(predictions())
def test_scores_are_those_of_sklearn(case: tuple[Ints, Ints, int]) -> None:
    predicted, labels, classes = case
    for each in predicted:
        assert scores(confusion(each, labels, classes)) == pytest.approx(by_sklearn(each, labels))


@given(predictions())
def test_many_are_scored_as_each_alone(case: tuple[Ints, Ints, int]) -> None:
    predicted, labels, classes = case
    matrices = confusion(predicted, labels, classes)
    assert matrices.shape == (3, classes, classes + 1)
    for metric in METRICS:
        alone = [score(confusion(each, labels, classes), metric) for each in predicted]
        assert score_each(matrices, metric).tolist() == pytest.approx(alone)


@given(predictions())
def test_every_image_is_counted_once_in_its_own_row(case: tuple[Ints, Ints, int]) -> None:
    predicted, labels, classes = case
    matrix = confusion(predicted[0], labels, classes)
    assert matrix.dtype == np.int64
    assert matrix.sum(1).tolist() == np.bincount(labels, minlength=classes).tolist()
    assert matrix[:, -1].sum() == (predicted[0] == -1).sum()


def test_rows_are_true_classes_and_the_last_column_is_no_prediction() -> None:
    matrix = confusion(np.array([0, 1, 1, -1]), np.array([0, 0, 1, 1]), 2)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 1]]
    assert scores(matrix) == pytest.approx(
        {"top-1": 0.5, "macro-f1": 7 / 12, "macro-precision": 0.75, "macro-recall": 0.5}
    )


@pytest.mark.parametrize("metric", METRICS)
def test_without_a_single_valid_prediction_every_metric_is_0(metric: Metric) -> None:
    assert score(confusion(np.full(5, -1), np.arange(5), 5), metric) == 0


def test_macro_metrics_see_the_rare_class_that_accuracy_does_not() -> None:
    labels = np.repeat([0, 1], [95, 5])
    found = scores(confusion(np.zeros(100, np.int64), labels, 2))
    assert found["top-1"] == 0.95
    assert found["macro-recall"] == 0.5
    assert found["macro-f1"] < 0.5


def pair(wins: int, losses: int, ties: int, metric: Metric) -> bool:
    """Three classes; the first predictor alone is right on `wins` images, the second alone on `losses`."""
    labels = np.random.default_rng(1).integers(0, 3, wins + losses + ties)
    right = np.arange(len(labels)) < wins
    wrong = (right | (np.arange(len(labels)) >= wins + losses)).astype(np.int64)
    first = np.where(wrong == 1, labels, (labels + 1) % 3)
    second = np.where(right, (labels + 1) % 3, labels)
    return significantly_better(first, second, labels, 3, metric)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 50))
@settings(max_examples=60)
def test_for_top_1_it_decides_as_mcnemars_exact_test(wins: int, losses: int, ties: int) -> None:
    p = binomtest(wins, wins + losses, alternative="greater").pvalue if wins + losses else 1
    if abs(p - 0.05) > 0.02:  # four standard errors of 2,000 permutations
        assert pair(wins, losses, ties + 1, "top-1") == (p < 0.05)


@pytest.mark.parametrize("metric", METRICS)
def test_a_clear_difference_is_shown_a_small_one_or_none_is_not(metric: Metric) -> None:
    assert pair(40, 10, 100, metric)
    assert not pair(10, 40, 100, metric)
    assert not pair(26, 24, 100, metric)
    assert not pair(0, 0, 100, metric)


@pytest.mark.parametrize("metric", METRICS)
def test_predictors_that_are_alike_are_rarely_called_different(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    called = []
    for _ in range(200):
        labels = rng.integers(0, 4, 120)
        first, second = (np.where(rng.random(120) < 0.7, labels, rng.integers(-1, 4, 120)) for _ in range(2))
        called.append(significantly_better(first, second, labels, 4, metric))
    assert np.mean(called) <= 0.1


def test_a_gain_on_a_rare_class_is_shown_by_macro_recall_and_not_by_accuracy() -> None:
    labels = np.repeat([0, 1], [400, 12])
    first, second = np.zeros(412, np.int64), np.zeros(412, np.int64)
    first[400:] = 1  # right on every rare image
    first[:12] = 1  # wrong on as many common ones
    assert significantly_better(first, second, labels, 2, "macro-recall")
    assert not significantly_better(first, second, labels, 2, "top-1")


def test_two_that_are_wrong_in_different_ways_are_alike_in_accuracy() -> None:
    labels = np.zeros(50, np.int64)
    assert not significantly_better(np.full(50, 1), np.full(50, -1), labels, 2, "top-1")


def test_the_answer_does_not_depend_on_the_random_state_of_the_process() -> None:
    def decide() -> list[bool]:
        return [pair(wins, 20, 10, "macro-f1") for wins in range(28, 38)]

    np.random.seed(1)
    first = decide()
    np.random.seed(2)
    assert first == decide()


def test_ten_thousand_images_of_a_thousand_classes_are_compared() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 1000, 10_000)
    first, second = (
        np.where(rng.random(10_000) < share, labels, rng.integers(0, 1000, 10_000)) for share in (0.6, 0.55)
    )
    assert significantly_better(first, second, labels, 1000, "macro-f1")
