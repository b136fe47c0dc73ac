from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.layer_contributions import LayerContributions, Panel, Scale
from edgenas.reporting.series import ModelEntry
from edgenas.searchers.choice_contributions import Contribution

Make = Callable[..., Any]


def row(accuracy: float, sd: float, ms: float) -> Contribution:
    return Contribution("stage 1 layer 1", "k3e3", accuracy, sd, ms)


def test_bars_begin_at_zero_and_whiskers_stay_inside() -> None:
    scale = Scale.over([-1.0, 3.0], 2, [-1.5, 3.5])
    below, above = scale.bar(-1.0, 0.5), scale.bar(3.0, 0.5)
    assert below.start + below.width == pytest.approx(scale.zero)
    assert above.start == scale.zero
    assert above.width == pytest.approx(3 * below.width, abs=0.05)
    assert 0 < below.low < below.start
    assert above.start + above.width < above.high < 100


@pytest.mark.parametrize(
    ("greatest", "digits", "text"),
    [
        (0.0, 2, "0.00000"),
        (0.012, 3, "+0.0120"),
        (0.25, 3, "+0.250"),
        (3.66, 2, "+3.7"),
        (173.46, 3, "+173.5"),
    ],
)
def test_figures_have_the_decimals_that_the_greatest_needs(greatest: float, digits: int, text: str) -> None:
    scale = Scale.over([greatest, 0.0], digits)
    assert scale.text(greatest) == text
    assert scale.text(-greatest) == text.replace("+", "\N{MINUS SIGN}")
    assert scale.text(greatest, sign=False) == text.removeprefix("+")


def test_a_figure_that_rounds_to_zero_has_no_sign() -> None:
    assert Scale.over([3.0], 2).text(-0.04) == "0.0"


def test_a_scale_of_nothing_but_zeros_can_be_drawn() -> None:
    scale = Scale.over([0.0, 0.0], 3)
    assert 0 < scale.zero < 100
    assert scale.bar(0.0).width == 0


def test_the_best_value_surely_earns_and_costs_what_counts(model: Make) -> None:
    mark = ModelEntry(1, model(1, 0.9, 1.0))
    best = row(0.02, 0.01, 0.1)
    others = (row(0.05, 0.01, 0.5), row(0.03, 0.01, 0.009), row(0.03, 0.01, -0.1), row(0.04, 0.05, 0.1))
    assert Panel(mark, (*others, best)).best_value is best
    assert Panel(mark, others[1:]).best_value is None


def test_panels_share_their_scales_and_are_the_front_then_the_dropped(make_view: Make) -> None:
    rows = {"0000000003": (row(0.02, 0.01, 0.1),), "0000000004": (row(-0.04, 0.01, 2.0),)}
    layers = make_view(contributions=rows).layers
    assert isinstance(layers, LayerContributions)
    assert [panel.entry.number for panel in layers.panels] == [3, 4]
    assert layers.points.low < -5 and layers.points.high > 3
    assert layers.milliseconds.low < 0 and layers.milliseconds.high > 2
    assert layers.relative_interval == (0.5, 1.0)
    assert make_view().layers is None
