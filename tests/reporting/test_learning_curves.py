"""The curves of a training become small charts that can be read, whatever was recorded."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.learning_curves import LearningCharts, signed

Make = Callable[..., Any]
ALL = [
    "Latency",
    "Latency off its target",
    "Validation loss",
    "Entropy",
    "Price of a millisecond",
    "Skipped layers",
]


def titles(view: LearningCharts) -> list[str]:
    return [panel.title for panel in view.panels]


def chart(view: LearningCharts, title: str) -> str:
    return str(view.panels[titles(view).index(title)].chart)


def test_there_is_a_panel_for_everything_that_was_learnt(curves: Make) -> None:
    assert titles(LearningCharts(curves(8.0, 16.0), 20.0)) == ALL


def test_panels_of_what_is_not_known_are_left_out(curves: Make) -> None:
    nothing = (0.0,) * 4
    one = LearningCharts(curves(8.0, multiplier=nothing, skips=nothing, loss=(None,) * 4), 20.0)
    assert titles(one) == ["Latency", "Entropy"]
    assert one.last_loss(one.targets[0]) is None


def test_every_target_has_its_own_colour_and_name(curves: Make) -> None:
    view = LearningCharts(curves(*range(5, 13)), 20.0)
    assert len({target.color for target in view.targets}) == 8
    assert view.targets[0].name == "5.00 ms"
    assert all(target.color in chart(view, "Entropy") for target in view.targets)


@pytest.mark.parametrize("limit_ms", [16.0, 18.0])
def test_a_limit_nearby_is_drawn(curves: Make, limit_ms: float) -> None:
    view = LearningCharts(curves(8.0, 16.0), limit_ms)
    low, high = view.latency_range_ms
    assert 0 <= low < 7.84 and max(16.16, limit_ms) < high < 21
    assert f'"text":"limit {limit_ms:g} ms"' in chart(view, "Latency")


def test_a_far_limit_is_told(curves: Make) -> None:
    view = LearningCharts(curves(8.0, 16.0), 100.0)
    assert view.latency_range_ms[1] < 20
    assert "limit 100 ms: beyond this chart" in chart(view, "Latency")


def test_the_axis_off_target_leaves_out_what_was_far_off_early(curves: Make) -> None:
    ends = (30.0, 30.0, 9.0, 8.0)
    low, high = LearningCharts(curves(8.0, 9.0, expected_ms=ends), 20.0).off_percent_range
    assert -13 < low < -11.2  # 8 ms are 11 % below 9 ms
    assert 12.5 < high < 20


def test_shares_and_ends_are_in_percent_of_the_target(curves: Make) -> None:
    (target,) = LearningCharts(curves(8.0), 20.0).targets
    assert target.off_percent([6.0, 8.0, 10.0]) == pytest.approx((-25, 0, 25))
    assert target.end_text([6.0, 8.8]) == "8.80 ms, +10.0 %"
    assert target.skips_percent == pytest.approx((12.5, 25, 37.5, 50))


def test_the_loss_at_the_end_is_the_newest_one_smoothed(curves: Make) -> None:
    view = LearningCharts(curves(8.0, loss=(None, 1.5, 1.25, None)), 20.0)
    assert view.last_loss(view.targets[0]) == pytest.approx(
        1.25
    )  # the one before is a quarter of the training away
    near = LearningCharts(curves(8.0, moments=100, loss=(2.0,) * 99 + (1.0,)), 20.0)
    assert 1.5 < (near.last_loss(near.targets[0]) or 0) < 2


def test_losses_are_pale_dots_under_smooth_lines(curves: Make) -> None:
    text = chart(
        LearningCharts(curves(8.0, moments=40, loss=tuple(map(float, range(40)))), 20.0), "Validation loss"
    )
    assert '"mode":"markers"' in text and '"opacity":0.3' in text
    assert '"mode":"lines"' in text and "smoothed" in text


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
        LearningCharts(found.model_copy(update={"targets": tuple(targets)}), 20.0).price_decimals == decimals
    )


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_few_moments_are_seen_as_markers(curves: Make, moments: int) -> None:
    view = LearningCharts(curves(8.0, 16.0, moments=moments, loss=(1.0,) * moments), 20.0)
    assert titles(view) == ALL
    assert '"mode":"lines+markers"' in chart(view, "Entropy")
    assert '"mode":"lines+markers"' not in chart(LearningCharts(curves(8.0, moments=40), 20.0), "Entropy")


def test_a_training_that_is_all_warm_up_can_be_drawn(curves: Make) -> None:
    shut = curves(8.0, 16.0).model_copy(update={"warm_up": 1.0})
    assert titles(LearningCharts(shut, 20.0)) == ALL


def test_targets_too_close_share_a_label(curves: Make) -> None:
    text = chart(LearningCharts(curves(8.0, 15.99, 16.0), 20.0), "Latency")
    assert text.count('"x":1.01,') == 2


def test_signed_figures_have_a_real_minus_and_no_signed_zero() -> None:
    assert [signed(value, 1) for value in (0.84, -0.84, -0.04)] == ["+0.8", "\N{MINUS SIGN}0.8", "0.0"]
