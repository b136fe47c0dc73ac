"""The curves of a gradient search become small, readable charts, whatever was recorded."""

from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.chart_content import Chart
from edgenas.reporting.learning_curves import LearningCurves
from edgenas.reporting.learning_panels import panels

Make = Callable[..., Any]
ALL = [
    "Latency",
    "Latency off its target",
    "Validation loss",
    "Entropy",
    "Price of a millisecond",
    "Skipped layers",
]


def titles(view: LearningCurves) -> list[str]:
    return [panel.title for panel in panels(view)]


def chart(view: LearningCurves, title: str) -> Chart:
    return panels(view)[titles(view).index(title)].chart


def test_there_is_a_panel_for_everything_that_was_learnt(curves: Make) -> None:
    assert titles(LearningCurves(curves(8.0, 16.0), 20.0)) == ALL


def test_panels_of_what_is_not_known_are_left_out(curves: Make) -> None:
    nothing = (0.0,) * 4
    one = LearningCurves(curves(8.0, multiplier=nothing, skips=nothing, loss=(None,) * 4), 20.0)
    assert titles(one) == ["Latency", "Entropy"]
    assert one.last_loss(one.targets[0]) is None


def test_every_target_has_its_own_colour_and_name(curves: Make) -> None:
    view = LearningCurves(curves(*range(5, 13)), 20.0)
    assert len({target.color for target in view.targets}) == 8
    assert view.targets[0].name == "5.00 ms"
    assert [trace.colour for trace in chart(view, "Entropy").traces] == [each.color for each in view.targets]


@pytest.mark.parametrize("limit_ms", [16.0, 18.0])
def test_a_limit_nearby_is_drawn(curves: Make, limit_ms: float) -> None:
    view = LearningCurves(curves(8.0, 16.0), limit_ms)
    low, high = view.latency_range_ms
    assert 0 <= low < 7.84 and max(16.16, limit_ms) < high < 21
    assert chart(view, "Latency").rules[-1].label == f"limit {limit_ms:g} ms"


def test_a_far_limit_is_told(curves: Make) -> None:
    view = LearningCurves(curves(8.0, 16.0), 100.0)
    assert view.latency_range_ms[1] < 20
    assert chart(view, "Latency").note == "limit 100 ms: beyond this chart"


def test_losses_are_pale_dots_under_smooth_lines(curves: Make) -> None:
    view = LearningCurves(curves(8.0, moments=40, loss=tuple(map(float, range(40)))), 20.0)
    dots, line = chart(view, "Validation loss").traces
    assert (dots.mark, "pale" in dots.style, line.mark) == ("dot", True, "line")
    assert "smoothed" in line.hover[0]


@pytest.mark.parametrize("moments", [1, 2, 3])
def test_few_moments_are_seen_as_markers(curves: Make, moments: int) -> None:
    view = LearningCurves(curves(8.0, 16.0, moments=moments, loss=(1.0,) * moments), 20.0)
    assert titles(view) == ALL
    assert "short" in chart(view, "Entropy").traces[0].style
    many = chart(LearningCurves(curves(8.0, moments=40), 20.0), "Entropy")
    assert "short" not in many.traces[0].style


def test_a_training_that_is_all_warm_up_can_be_drawn(curves: Make) -> None:
    shut = curves(8.0, 16.0).model_copy(update={"warm_up": 1.0})
    assert titles(LearningCurves(shut, 20.0)) == ALL
