"""Calibration of the sum over blocks on whole networks, with its residuals.

Inside a network a block takes a different time than alone (its weights are less often cached, its layout need not be
converted, its launch overlaps). Slope and intercept are shared by all blocks; each block has an individual correction.
All are the posterior mean of one Gaussian model (Rasmussen & Williams 2006, section 2.1) with a prior slope of about 1
and corrections that are a small share of a block's time. The prediction stays a sum over blocks.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import DeviceError
from edgenas.latency.table import Calibration

COVERAGE = 0.9
"""Nominal coverage of prediction intervals."""

MIN_SHARE = 0.1
"""Lower bound that keeps the upper end within ten times the prediction, however large the residuals."""

MIN_NETWORKS = 3

ENOUGH = 9
"""Fewest residuals that determine an interval of the nominal coverage."""

SLOPE_SD = 0.5
"""Prior standard deviation of the slope, and of the intercept relative to a mean network: almost uninformative."""

NOISE = 0.005
"""Relative noise of a measured network."""

CORRECTION_SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)
"""Candidate prior standard deviations of a block's correction, relative to its time. The one with the smallest
leave-one-out error is used, so that few or noisy networks fall back to slope and intercept alone."""


class _Fit(NamedTuple):
    slope: float
    intercept_ms: float
    corrections_ms: NDArray[np.float64]
    residuals: NDArray[np.float64]


def fit_calibration(
    block_ms: Mapping[str, float],
    networks: Mapping[str, Sequence[str]],
    measured_ms: Sequence[float],
    overhead_ms: float,
    check_ms: Sequence[float] | None = None,
    random: Collection[str] = (),
) -> Calibration:
    """Fit slope, intercept and corrections of blocks on whole networks.

    Args:
        block_ms: time of each block alone, minus the call overhead, by key.
        networks: keys of the blocks of each network, by the network's id; at least three.
        measured_ms: times of the networks, in their order; fitted on.
        overhead_ms: the call overhead that was subtracted.
        check_ms: independent times of the networks, which the residuals are computed against, so that they include
            the variation between measurements. None takes `measured_ms`.
        random: ids of the networks that were drawn at random. If there are enough of them for an interval, only their
            residuals are kept: unlike chosen networks they are exchangeable with future ones.

    Raises:
        DeviceError: fewer than three networks, or blocks that appear to take no time.
    """
    if len(networks) < MIN_NETWORKS:
        raise DeviceError(f"{len(networks)} networks cannot calibrate a table", "use --networks 3 or more")
    used = list(dict.fromkeys(key for keys in networks.values() for key in keys))
    counts = np.array([[list(keys).count(key) for key in used] for keys in networks.values()], dtype=float)
    costs = np.array([block_ms[key] for key in used])
    measured = np.array(measured_ms)
    if (counts @ costs).min() <= 0:
        raise DeviceError("blocks took no longer than an empty call", "profile again on an idle machine")
    fits = [_fit(counts, costs, measured, share) for share in CORRECTION_SHARES]
    best = min(fits, key=lambda fit: float(np.square(fit.residuals).mean()))
    if best.slope <= 0:
        raise DeviceError("networks with more work took less time", "profile again on an idle machine")
    left_out_ms = (1 + best.residuals) * measured
    residuals = left_out_ms / np.array(check_ms or measured_ms) - 1
    kept = np.array([name in random for name in networks])
    if kept.sum() < ENOUGH:
        kept[:] = True
    return Calibration(
        slope=best.slope,
        intercept_ms=best.intercept_ms,
        overhead_ms=overhead_ms,
        corrections_ms=dict(zip(used, best.corrections_ms.tolist(), strict=True)),
        residuals=tuple(residuals[kept].tolist()),
        networks=tuple(networks),
    )


def _fit(
    counts: NDArray[np.float64], costs: NDArray[np.float64], measured: NDArray[np.float64], share: float
) -> _Fit:
    """Posterior mean for one prior; counts (n, blocks), costs (blocks,), measured (n,)."""
    sums = counts @ costs
    intercept_sd = SLOPE_SD * measured.mean()
    prior = counts * (share * costs)
    covariance = prior @ prior.T + SLOPE_SD**2 * np.outer(sums, sums) + intercept_sd**2
    inverse = np.linalg.inv(covariance + np.diag((NOISE * measured) ** 2))
    weights = inverse @ (measured - sums)
    return _Fit(
        slope=1 + SLOPE_SD**2 * float(sums @ weights),
        intercept_ms=float(intercept_sd**2 * weights.sum()),
        corrections_ms=(share * costs) ** 2 * (counts.T @ weights) + 0.0,  # no negative zeros
        # Leave-one-out prediction in closed form (section 5.4.2).
        residuals=-weights / np.diag(inverse) / measured,
    )


def interval_factors(residuals: Sequence[float]) -> tuple[float, float]:
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
