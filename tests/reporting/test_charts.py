from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.chart_content import Chart, Trace
from edgenas.reporting.charts import front_chart, predicted_vs_measured_chart, progress_charts
from edgenas.reporting.hypervolume_curve import HypervolumeCurve
from edgenas.reporting.predicted_vs_measured import LatencyComparison

Make = Callable[..., Any]


def trace(chart: Chart, name: str) -> Trace:
    return next(each for each in chart.traces if each.name.startswith(name))


def test_every_evaluation_with_an_accuracy_is_a_point(make_view: Make) -> None:
    view = make_view()
    evaluated = trace(front_chart(view), "evaluated")
    assert list(evaluated.x) == [point.latency.predicted for point in view.evaluated]
    assert list(evaluated.y) == [point.accuracy for point in view.evaluated]
    assert len(evaluated.x) == 36  # of 37: one failed


def test_discs_are_numbered_as_in_the_tables_and_their_bars_are_the_intervals(make_view: Make) -> None:
    front = trace(front_chart(make_view()), "front")
    assert (front.mark, front.numbers) == ("disc", (1, 2, 3))
    assert (front.x, front.y) == ((0.5, 0.9, 1.6), (0.91, 0.95, 0.97))
    assert front.low == pytest.approx((0.25, 0.45, 0.8))
    assert front.high == pytest.approx((1.0, 1.8, 3.2))
    assert "predicted 0.500 ms [0.250 to 1.00] (datasheet estimate)" in front.hover[0]


def test_what_was_measured_is_a_tick_beside_what_was_predicted(
    make_view: Make, unmeasured: dict[str, Any]
) -> None:
    assert trace(front_chart(make_view()), "measured latency").x == pytest.approx((0.55, 0.99, 1.76, 1.32))
    names = [each.name for each in front_chart(make_view(**unmeasured)).traces]
    assert "measured latency" not in names


@pytest.mark.parametrize(("max_latency_ms", "line"), [(20, False), (2, True)])
def test_the_limit_is_a_line_or_a_note_where_no_network_reaches_it(
    make_view: Make, max_latency_ms: float, line: bool
) -> None:
    constraint = {"max_latency_ms": max_latency_ms, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": line}
    chart = front_chart(make_view(constraint=constraint))
    assert [rule.at for rule in chart.rules] == ([max_latency_ms] if line else [])
    assert chart.note == ("" if line else "limit 20 ms: beyond the slowest network")


def test_models_close_together_are_told_apart_on_an_axis_that_ends_at_one(
    make_view: Make, model: Make
) -> None:
    chart = front_chart(make_view(front=[model(1, 0.98, 0.5), model(2, 1.0, 0.9)], dropped=[]))
    low, high = chart.y.range
    assert 0.96 < low < 0.98 and high == 1.0
    assert chart.y.whole is not None and chart.y.whole[0] < 0.4  # the evaluated networks, on demand


def test_a_baseline_far_below_is_named_rather_than_flattening_the_front(
    make_view: Make, baseline: Make
) -> None:
    near, far = baseline(8, "Near", 0.88, 1.0), baseline(9, "Far", 0.3, 1.0)
    chart = front_chart(make_view(baselines=[near, far]))
    assert chart.y.range[0] > 0.8
    assert "beyond this chart: 6 Far (30.00 %)" in chart.note
    assert [name.text for name in chart.names] == ["Near", "Far"]


def test_agreement_is_measured_across_and_predicted_upwards(validation: Make) -> None:
    chart = predicted_vs_measured_chart(LatencyComparison((validation((1.0, 1.2), (2.0, 1.6)),)), "accuracy")
    networks = trace(chart, "random network")
    assert (networks.x, networks.y, networks.bars) == ((1.2, 1.6), (1.0, 2.0), "y")
    assert networks.high == pytest.approx((1.05, 2.1))
    assert networks.low == pytest.approx((0.96, 1.92))
    assert "predicted -16.7%" in networks.hover[0]
    assert chart.x.range == chart.y.range
    assert chart.x.title == "measured latency, ms"


def test_beyond_a_decade_both_axes_are_logarithmic(validation: Make) -> None:
    view = LatencyComparison((validation((1.0, 1.0), (100.0, 90.0)),))
    chart = predicted_vs_measured_chart(view, "accuracy")
    assert chart.x.logarithmic and chart.y.logarithmic
    assert chart.x.range == view.range_ms


def test_progress_is_drawn_over_evaluations_and_over_time() -> None:
    counts, time = progress_charts(HypervolumeCurve((1, 2, 3), (0.5, 1.0, 4.0), (0.1, 0.2, 0.3)))
    assert counts.traces[0].x == (1, 2, 3) and time.traces[0].x == (0.5, 1.0, 4.0)
    assert counts.traces[0].y == time.traces[0].y == (0.1, 0.2, 0.3)
    assert counts.traces[0].hover[1] == "0.2000\nafter 2 evaluations, 1 s"
