"""From a sum of blocks to a whole network: a line, fitted on whole networks, and how far it is off."""

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import DeviceError
from edgenas.latency.table import Calibration

COVERAGE = 0.9
"""Nominal coverage of prediction intervals."""

MIN_SHARE = 0.1
"""However bad the residuals, the upper end is at most ten times the prediction."""


def fit_calibration(
    sums_ms: NDArray[np.float64], measured_ms: NDArray[np.float64], overhead_ms: float
) -> Calibration:
    """Fit measured = slope * sum + intercept with least relative squares.

    Args:
        sums_ms: block sums of n >= 3 networks, call overhead taken off, shape (n,).
        measured_ms: what the same networks took, shape (n,).
        overhead_ms: the call overhead that was taken off.

    Raises:
        DeviceError: fewer than three networks, or one whose blocks seem to cost nothing.
    """
    if len(sums_ms) < 3:
        raise DeviceError(f"{len(sums_ms)} networks cannot calibrate a table", "use --samples 3 or more")
    if sums_ms.min() <= 0:
        raise DeviceError(
            "blocks were timed no longer than an empty call", "profile again on a quiet machine"
        )
    slope, intercept = _fit_line(sums_ms, measured_ms)
    residuals = []
    for i in range(len(sums_ms)):
        others = np.arange(len(sums_ms)) != i
        a, b = _fit_line(sums_ms[others], measured_ms[others])
        residuals.append(float((a * sums_ms[i] + b) / measured_ms[i] - 1))
    return Calibration(
        slope=slope, intercept_ms=intercept, overhead_ms=overhead_ms, residuals=tuple(residuals)
    )


def interval_factors(residuals: tuple[float, ...]) -> tuple[float, float]:
    """Ends of the interval as multiples of the prediction: conformal, from leave-one-out residuals.

    With n residuals the largest covers n / (n + 1) of future networks, so at least nine are needed for the
    nominal 90 %; with fewer the largest is widened in proportion (jackknife, Barber et al., Ann. Stat. 2021).
    A residual r says predicted = (1 + r) * measured, so measured lies between prediction / (1 + r) and
    prediction / (1 - r).
    """
    errors = np.sort(np.abs(residuals))
    n = len(errors)
    rank = int(np.ceil(COVERAGE * (n + 1)))
    widest = float(errors[rank - 1]) if rank <= n else float(errors[-1] * rank / n)
    return 1 / (1 + widest), 1 / max(1 - widest, MIN_SHARE)


def _fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    design = np.column_stack([x, np.ones_like(x)]) / y[:, None]
    (slope, intercept), *_ = np.linalg.lstsq(design, np.ones_like(y), rcond=None)
    # Networks that all cost the same, or noise larger than their differences, leave only the ratio.
    if slope <= 0:
        return float(np.mean(y) / np.mean(x)), 0.0
    return float(slope), float(intercept)
