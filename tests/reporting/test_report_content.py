from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.report_content import ReportContent
from edgenas.reporting.series import ModelEntry
from edgenas.reporting.shown_text import (
    accuracy_text,
    compact_choices,
    figure_ms,
    interval_text,
    percent,
    rank_text,
)

Make = Callable[..., Any]


def test_non_dominated_points_rise_and_stay_within_the_limit(make_view: Make, point: Make) -> None:
    pairs = [(0.5, 1.0), (0.4, 0.5), (0.45, 0.9), (0.44, 0.95), (0.9, 30), (None, 0.1)]
    view = make_view(points=tuple(point(i, *pair) for i, pair in enumerate(pairs)))
    assert [p.latency.predicted for p in view.non_dominated] == [0.5, 0.9, 1.0]


def test_equal_points_leave_one(make_view: Make, point: Make) -> None:
    view = make_view(points=(point(1, 0.5, 1.0), point(2, 0.5, 1.0), point(3, 0.6, 1.0)))
    assert [p.id for p in view.non_dominated] == [f"{3:010x}"]


def test_failed_points_are_apart(make_view: Make) -> None:
    view = make_view()
    assert len(view.evaluated) == 36
    assert [point.reason for point in view.failed] == ["the loss is nan in epoch 1"]


def test_best_is_the_most_accurate_and_the_faster_of_equals(make_view: Make, model: Make) -> None:
    front = [model(1, 0.9, 0.5), model(2, 0.97, 0.9), model(3, 0.97, 1.6)]
    assert make_view(front=front).best.id == f"{2:010x}"
    assert make_view(front=[]).best is None


def test_dropped_models_are_numbered_on_from_the_front(make_view: Make) -> None:
    view = make_view()
    assert [mark.number for mark in view.front] == [1, 2, 3]
    assert [mark.number for mark in view.dropped] == [4]


def test_every_series_names_one_kind_of_accuracy(make_view: Make, model: Make) -> None:
    diverged = model(5, 0.6, 1.0, accuracy={"value": 0.6, "kind": "supernet"}, note="diverged")
    view = make_view(dropped=[model(4, 0.93, 1.2), diverged])
    titles = [series.title for series in view.series]
    assert titles == [
        "front (validation accuracy)",
        "dropped (validation accuracy)",
        "dropped (supernet accuracy)",
    ]


def test_an_interrupted_front_is_called_untrained(make_view: Make, untrained: dict[str, Any]) -> None:
    view = make_view(**untrained)
    assert [series.title for series in view.series] == ["front so far, untrained (supernet accuracy)"]


def test_axis_holds_all_points_but_cuts_wide_intervals(make_view: Make) -> None:
    view: ReportContent = make_view()
    low, high = view.latency_range_ms
    assert 0 <= low < 0.4
    assert 1.8 < high < 3.2
    assert view.limit_note == "limit 20 ms: beyond the slowest network"


@pytest.mark.parametrize(("limit_ms", "note"), [(1.9, ""), (2.5, ""), (3.0, "limit 3 ms: beyond this chart")])
def test_a_limit_nearby_is_drawn_and_a_far_one_noted(make_view: Make, limit_ms: float, note: str) -> None:
    constraint = {"max_latency_ms": limit_ms, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": True}
    assert make_view(constraint=constraint).limit_note == note


def test_an_empty_run_still_has_an_axis(make_view: Make) -> None:
    view = make_view(points=(), front=[], dropped=[])
    assert view.latency_range_ms == (0.0, 21.0)
    assert view.basis == "datasheet estimate"


def test_one_point_still_has_an_axis(make_view: Make, point: Make) -> None:
    low, high = make_view(points=(point(1, 0.5, 1.0),), front=[], dropped=[]).latency_range_ms
    assert low < 1 < high


def test_a_bare_prediction_gets_the_widest_known_interval(make_view: Make) -> None:
    assert make_view().predicted_text(3.1) == "3.10 ms [1.55 to 6.20]"


def test_latency_title_says_what_predictions_rest_on(make_view: Make) -> None:
    assert make_view().latency_title == "predicted latency, ms (datasheet estimate)"


@pytest.mark.parametrize(
    ("latency_ms", "text"), [(0.61, "0.610"), (12.34, "12.3"), (99.97, "100"), (1234.4, "1234")]
)
def test_figure_ms(latency_ms: float, text: str) -> None:
    assert figure_ms(latency_ms) == text


def test_interval_text() -> None:
    assert interval_text(0.5, 2) == "[0.500 to 2.00]"


def test_compact_choices() -> None:
    assert compact_choices(("a", "a", "b", "a")) == ("2 x a", "b", "a")


def test_every_basis_of_predictions_is_named_once(make_view: Make, model: Make) -> None:
    kinds = ("measured", "calibrated", "measured")
    front = [model(i, 0.9, 0.5 + i, provenance=kind) for i, kind in enumerate(kinds)]
    view = make_view(points=(), front=front, dropped=[])
    assert view.provenances == ("measured", "calibrated")
    assert view.basis == "from measured blocks or calibrated device model"


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.0123, "1.2 %"), (0.0996, "10 %"), (0.974, "97 %"), (1, "100 %")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_rank_text() -> None:
    assert rank_text(0.98765) == "0.9877"
    assert rank_text(None) == "\N{EN DASH}"


def test_accuracy_text() -> None:
    assert accuracy_text(0.91) == "91.00 %"
    assert accuracy_text(None) == "\N{EN DASH}"


def _two(baseline: Make) -> list[Any]:
    return [baseline(60, "MobileNetV2 x0.5", 0.92, 1.5), baseline(61, "MobileNetV3-Small x0.7", None, 9.0)]


def test_baselines_are_numbered_on_from_what_was_dropped(make_view: Make, baseline: Make) -> None:
    view = make_view(baselines=_two(baseline))
    assert [(mark.number, mark.label, mark.role) for mark in view.baselines] == [
        (5, "MobileNetV2 x0.5", "baseline"),
        (6, "MobileNetV3-Small x0.7", "baseline"),
    ]
    assert [mark.number for mark in view.entries] == [1, 2, 3, 4, 5, 6]


def test_a_baseline_without_accuracy_is_not_drawn(make_view: Make, baseline: Make) -> None:
    view = make_view(baselines=_two(baseline))
    assert [mark.number for mark in view.drawn] == [1, 2, 3, 4, 5]
    last = view.series[-1]
    assert (last.title, last.role) == ("hand-designed (validation accuracy)", "baseline")
    assert [mark.label for mark in last.entries] == ["MobileNetV2 x0.5"]
    assert [label.text for label in view.labels] == ["5 MobileNetV2 x0.5"]
    assert view.latency_range_ms == make_view(baselines=_two(baseline)[:1]).latency_range_ms


def test_the_axis_reaches_to_the_baselines(make_view: Make, baseline: Make) -> None:
    far = baseline(60, "MobileNetV2 x2", 0.99, 6.0)
    low, high = make_view(baselines=[far]).latency_range_ms
    assert low < 0.4 and high > 6.6  # as measured
    assert make_view().latency_range_ms[1] < 4


def test_baselines_are_measured_like_the_others(make_view: Make, baseline: Make) -> None:
    view = make_view(baselines=_two(baseline))
    assert [model.name for model, _ in view.measured][-1] == "MobileNetV2 x0.5"
    assert view.measured[-1][1] == pytest.approx(1.65)
    assert [mark.number for mark in view.latency_comparison.entries] == [1, 2, 3, 4, 5]


def test_a_result_without_baselines_has_none(make_view: Make) -> None:
    view = make_view()
    assert view.baselines == view.labels == ()
    assert all(mark.role != "baseline" for mark in view.entries)


@pytest.mark.parametrize(
    ("metric", "measure"),
    [
        ("top-1", "accuracy"),
        ("macro-f1", "macro F1"),
        ("macro-precision", "macro precision"),
        ("macro-recall", "macro recall"),
    ],
)
def test_titles_say_what_the_metric_is(make_view: Make, metric: str, measure: str) -> None:
    view = make_view(metric=metric)
    assert view.metric_name == measure
    assert view.points_title == f"evaluated (supernet {measure})"
    assert view.steps_title == f"non-dominated (supernet {measure})"
    assert [series.title for series in view.series] == [
        f"front (validation {measure})",
        f"dropped (validation {measure})",
    ]


def test_a_mark_is_labelled_by_its_name_or_id(model: Make) -> None:
    assert ModelEntry(1, model(1, 0.9, 0.5)).label == "0000000001"
    assert ModelEntry(1, model(1, 0.9, 0.5, name="MobileNetV2 x1")).label == "MobileNetV2 x1"
