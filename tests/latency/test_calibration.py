"""A line through whole networks, and how wide its interval is."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edgenas.errors import DeviceError
from edgenas.latency.calibration import COVERAGE, fit_calibration, interval_factors

residual_lists = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=40)


@given(
    st.lists(st.floats(0.1, 100), min_size=3, max_size=20, unique=True), st.floats(0.2, 3), st.floats(0, 5)
)
def test_a_line_is_recovered(sums: list[float], slope: float, intercept: float) -> None:
    x = np.array(sums)
    assume(np.ptp(x) > 0.1 * x.max())
    calibration = fit_calibration(x, slope * x + intercept, 0.0)
    assert calibration.slope == pytest.approx(slope, rel=1e-6)
    assert calibration.intercept_ms == pytest.approx(intercept, rel=1e-6, abs=1e-6 * x.max())
    assert len(calibration.residuals) == len(x)


def test_residuals_leave_the_network_out() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0])
    y = np.array([1.0, 2.0, 3.0, 8.0])
    residuals = fit_calibration(x, y, 0.0).residuals
    # Without the last network the line is y = x, which predicts 4 where 8 was measured.
    assert residuals[-1] == pytest.approx(4 / 8 - 1)


def test_relative_squares_do_not_let_the_large_ones_rule() -> None:
    x = np.array([1.0, 2.0, 50.0, 100.0])
    calibration = fit_calibration(x, x * np.array([1, 1, 1.2, 1.2]), 0.0)
    assert (calibration.slope * 1 + calibration.intercept_ms) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("sums", [[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]], ids=["equal", "falling"])
def test_networks_that_tell_no_slope_leave_the_ratio(sums: list[float]) -> None:
    calibration = fit_calibration(np.array(sums), np.array([6.0, 5.0, 4.0]), 0.0)
    if sums[0] != sums[-1]:
        assert calibration.intercept_ms == 0
        assert calibration.slope == pytest.approx(2.5)
    assert 4 < calibration.slope * 2 + calibration.intercept_ms < 6
    assert calibration.slope > 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_networks(count: int) -> None:
    with pytest.raises(
        DeviceError, match=rf"{count} networks cannot calibrate a table; use --samples 3 or more"
    ):
        fit_calibration(np.ones(count), np.ones(count), 0.0)


@pytest.mark.parametrize("least", [0.0, -0.1])
def test_blocks_that_seem_to_cost_nothing(least: float) -> None:
    with pytest.raises(
        DeviceError, match="blocks were timed no longer than an empty call; profile again on a"
    ):
        fit_calibration(np.array([least, 1.0, 2.0]), np.ones(3), 0.0)


@given(residual_lists)
def test_the_interval_holds_the_nominal_share_of_its_own_networks(residuals: list[float]) -> None:
    low, high = interval_factors(tuple(residuals))
    measured = 1 / (1 + np.array(residuals))  # of networks predicted at 1
    assert 0 < low <= 1 <= high
    assert np.mean((measured >= low - 1e-12) & (measured <= high + 1e-12)) >= COVERAGE


@given(residual_lists)
def test_the_interval_ignores_order_and_sign(residuals: list[float]) -> None:
    factors = interval_factors(tuple(residuals))
    assert interval_factors(tuple(sorted(residuals))) == factors
    assert interval_factors(tuple(-residual for residual in residuals)) == factors


@given(residual_lists, st.floats(1, 10))
def test_larger_residuals_widen_the_interval(residuals: list[float], factor: float) -> None:
    low, high = interval_factors(tuple(residuals))
    wide_low, wide_high = interval_factors(tuple(factor * residual for residual in residuals))
    assert wide_low <= low and wide_high >= high


@pytest.mark.parametrize(
    ("residuals", "width"),
    [
        ((0.01, -0.02), 0.02 * 3 / 2),
        ((0.1, 0.0, 0.0, 0.0), 0.1 * 5 / 4),
        (tuple(i / 100 for i in range(1, 10)), 0.09),
        (tuple(i / 100 for i in range(1, 20)), 0.18),
        (tuple(i / 100 for i in range(1, 30)), 0.27),
    ],
)
def test_the_interval_is_the_conformal_quantile(residuals: tuple[float, ...], width: float) -> None:
    assert interval_factors(residuals) == pytest.approx((1 / (1 + width), 1 / (1 - width)))
