"""The recorded curves of a gradient search: figures and ranges, whatever was recorded."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.learning_curves import LearningCurves, signed

Make = Callable[..., Any]


def test_the_axis_off_target_leaves_out_what_was_far_off_early(curves: Make) -> None:
    ends = (30.0, 30.0, 9.0, 8.0)
    low, high = LearningCurves(curves(8.0, 9.0, expected_ms=ends), 20.0).off_percent_range
    assert -13 < low < -11.2  # 8 ms are 11 % below 9 ms
    assert 12.5 < high < 20


def test_shares_and_ends_are_in_percent_of_the_target(curves: Make) -> None:
    (target,) = LearningCurves(curves(8.0), 20.0).targets
    assert target.off_percent([6.0, 8.0, 10.0]) == pytest.approx((-25, 0, 25))
    assert target.end_text([6.0, 8.8]) == "8.80 ms, +10.0 %"
    assert target.skips_percent == pytest.approx((12.5, 25, 37.5, 50))


def test_the_loss_at_the_end_is_the_newest_one_smoothed(curves: Make) -> None:
    view = LearningCurves(curves(8.0, loss=(None, 1.5, 1.25, None)), 20.0)
    assert view.last_loss(view.targets[0]) == pytest.approx(
        1.25
    )  # the one before is a quarter of the training away
    near = LearningCurves(curves(8.0, moments=100, loss=(2.0,) * 99 + (1.0,)), 20.0)
    assert 1.5 < (near.last_loss(near.targets[0]) or 0) < 2


@pytest.mark.parametrize(
    ("prices", "decimals"), [((1769.0, 656.05), 0), ((12.345, 0.5), 1), ((-0.123, 0.1), 3), ((0.0, 0.0), 0)]
)
def test_prices_in_a_column_have_the_same_decimals(
    curves: Make, prices: tuple[float, ...], decimals: int
) -> None:
    found = curves(8.0, 16.0)
    targets = [
        curve.model_copy(update={"multiplier": (price,) * 4})
        for curve, price in zip(found.targets, prices, strict=True)
    ]
    assert (
        LearningCurves(found.model_copy(update={"targets": tuple(targets)}), 20.0).price_decimals == decimals
    )


def test_signed_figures_have_a_real_minus_and_no_signed_zero() -> None:
    assert [signed(value, 1) for value in (0.84, -0.84, -0.04)] == ["+0.8", "\N{MINUS SIGN}0.8", "0.0"]
