"""How well predicted latencies agree with measured, or published, ones."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy import stats

from edgenas.formats import Document


class Errors(Document):
    """How far predictions are off; shares are fractions 0..1."""

    mape_percent: float = Field(ge=0, description="mean of |predicted - measured| / measured")
    within_5_percent: float = Field(ge=0, le=1)
    within_10_percent: float = Field(ge=0, le=1)
    interval_coverage: float = Field(ge=0, le=1, description="share measured inside their 90 % interval")


class Agreement(Errors):
    """How well predictions agree with measurements, in size and in order.

    A rank correlation is None where all predicted, or all measured, latencies are equal.
    """

    spearman: float | None = Field(ge=-1, le=1, description="Spearman's rank correlation")
    kendall: float | None = Field(ge=-1, le=1, description="Kendall's tau-b")


def relative_errors(predicted_ms: ArrayLike, measured_ms: ArrayLike) -> NDArray[np.float64]:
    """|predicted - measured| / measured of each network, shape (n,)."""
    errors: NDArray[np.float64] = np.abs(np.asarray(predicted_ms) / np.asarray(measured_ms) - 1)
    return errors


def agreement(
    predicted_ms: ArrayLike, low_ms: ArrayLike, high_ms: ArrayLike, measured_ms: ArrayLike
) -> Agreement:
    """Compare predictions, and their intervals, with measurements of the same networks.

    Args:
        predicted_ms: milliseconds, shape (n,), n at least 1.
        low_ms: lower ends of their intervals, shape (n,).
        high_ms: upper ends, shape (n,); both ends belong to the interval.
        measured_ms: positive milliseconds, shape (n,).

    Returns:
        Errors, interval coverage and rank correlations; Kendall's is the tau-b (Kendall, Biometrika 1945), which
        allows for ties.
    """
    predicted, measured = np.asarray(predicted_ms), np.asarray(measured_ms)
    errors = relative_errors(predicted, measured)
    inside = (np.asarray(low_ms) <= measured) & (measured <= np.asarray(high_ms))
    ranked = min(np.ptp(predicted), np.ptp(measured)) > 0
    return Agreement(
        mape_percent=100 * float(errors.mean()),
        within_5_percent=float((errors <= 0.05).mean()),
        within_10_percent=float((errors <= 0.1).mean()),
        interval_coverage=float(inside.mean()),
        spearman=float(stats.spearmanr(predicted, measured).statistic) if ranked else None,
        kendall=float(stats.kendalltau(predicted, measured).statistic) if ranked else None,
    )
