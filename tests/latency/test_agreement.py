"""Predicted against measured latencies: statistics by hand."""

import numpy as np
import pytest

from edgenas.latency.agreement import Agreement, agreement, relative_errors


def compared(*rows: tuple[float, float], half_width: float = 0.06) -> Agreement:
    """Rows of (predicted, measured), each interval `half_width` times the prediction to either side."""
    predicted, measured = np.array(rows, dtype=float).T
    return agreement(predicted, predicted * (1 - half_width), predicted * (1 + half_width), measured)


def test_the_figures_of_a_hand_made_case() -> None:
    # Errors: 4 %, -8 %, 20 %, 4 %.
    figures = compared((1.04, 1.0), (1.84, 2.0), (6.0, 5.0), (4.16, 4.0))
    assert figures.mape_percent == pytest.approx((4 + 8 + 20 + 4) / 4)
    assert (figures.within_5_percent, figures.within_10_percent) == (0.5, 0.75)
    assert figures.spearman == figures.kendall == pytest.approx(1.0)
    assert figures.interval_coverage == 0.5


def test_relative_errors_are_shares_of_what_was_measured() -> None:
    assert relative_errors([1.0, 3.0], [2.0, 2.0]).tolist() == [0.5, 0.5]


def test_rank_correlations_tell_order_and_ties() -> None:
    reverse = compared((1, 3), (2, 2), (3, 1))
    assert reverse.spearman == pytest.approx(-1) and reverse.kendall == pytest.approx(-1)
    # One pair tied of six, five concordant: tau-b = 5 / sqrt(5 * 6).
    tied = compared((1, 1), (1, 2), (3, 3), (4, 4))
    assert tied.kendall == pytest.approx(5 / np.sqrt(30))


@pytest.mark.parametrize("rows", [[(1, 1), (1, 2)], [(1, 2), (2, 2)], [(1, 2)]])
def test_equal_latencies_have_no_rank_correlation(rows: list[tuple[float, float]]) -> None:
    figures = compared(*rows)
    assert figures.spearman is None and figures.kendall is None
    assert np.isfinite(figures.mape_percent)


def test_an_interval_holds_its_ends() -> None:
    ends = compared((1.0, 1.5), (1.0, 0.5), (1.0, 1.51), half_width=0.5)
    assert ends.interval_coverage == pytest.approx(2 / 3)
