from collections.abc import Callable
from typing import Any

import pytest

from edgenas.report.view import (
    AgreementView,
    ReportView,
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
    assert [p.predicted_ms for p in view.non_dominated] == [0.5, 0.9, 1.0]


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
    view: ReportView = make_view()
    low, high = view.latency_range_ms
    assert 0 <= low < 0.4
    assert 1.8 < high < 3.2
    assert view.limit_note == "limit 20 ms: beyond the slowest network"


@pytest.mark.parametrize(
    ("limit_ms", "note"), [(1.9, ""), (2.5, ""), (3.0, "limit 3 ms: beyond this picture")]
)
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


def test_agreement_has_the_measured_models_under_their_numbers(make_view: Make, model: Make) -> None:
    unknown = {"predicted": 0.6, "low": 0.3, "high": 1.2}
    front = [model(1, 0.9, 0.5), model(2, 0.95, 0.6, latency_ms=unknown)]
    shown = make_view(front=front).agreement
    assert [(mark.number, mark.kept) for mark in shown.marks] == [(1, True), (3, False)]
    assert [pair.measured_ms for pair in shown.models] == pytest.approx([0.55, 1.32])
    assert shown.own.networks == 2
    assert make_view(front=front[1:], dropped=[]).agreement is None


def test_a_validation_alone_is_worth_showing(
    make_view: Make, validation: Make, unmeasured: dict[str, Any]
) -> None:
    shown = make_view(validation=validation((1.0, 1.1), (2.0, 2.0)), **unmeasured).agreement
    assert len(shown.networks) == 2
    assert shown.models == () and shown.own is None


def test_axes_of_agreement_hold_all_latencies_and_cut_wide_intervals(validation: Make) -> None:
    low, high = AgreementView(validation((1.0, 1.2), (2.0, 1.9))).range_ms
    assert low < 0.96 and 2.1 < high < 2.5
    wide = validation((1.0, 1.2), (2.0, 1.9))
    far = [pair.model_copy(update={"high_ms": 50.0, "low_ms": 0.0}) for pair in wide.pairs]
    low, high = AgreementView(wide.model_copy(update={"pairs": tuple(far)})).range_ms
    assert 0 <= low < 1 and 2 < high < 3


@pytest.mark.parametrize(("most", "logarithmic"), [(9.9, False), (10.1, True)])
def test_axes_are_logarithmic_beyond_a_decade(validation: Make, most: float, logarithmic: bool) -> None:
    view = AgreementView(validation((1.0, 1.0), (most, 5.0)))
    assert view.logarithmic is logarithmic
    low, high = view.range_ms
    assert 0 < low < 1 and high > most


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.0123, "1.2 %"), (0.0996, "10 %"), (0.974, "97 %"), (1, "100 %")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_rank_text() -> None:
    assert rank_text(0.98765) == "0.9877"
    assert rank_text(None) == "\N{EN DASH}"
