from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.predicted_vs_measured import LatencyComparison

Make = Callable[..., Any]


def test_agreement_has_the_measured_models_under_their_numbers(make_view: Make, model: Make) -> None:
    unknown = {"predicted": 0.6, "low": 0.3, "high": 1.2}
    front = [model(1, 0.9, 0.5), model(2, 0.95, 0.6, latency_ms=unknown)]
    shown = make_view(front=front).latency_comparison
    assert [(mark.number, mark.role) for mark in shown.entries] == [(1, "front"), (3, "dropped")]
    assert [pair.measured_ms for pair in shown.models] == pytest.approx([0.55, 1.32])
    assert make_view(front=front[1:], dropped=[]).latency_comparison is None


def test_a_validation_alone_is_worth_showing(
    make_view: Make, validation: Make, unmeasured: dict[str, Any]
) -> None:
    shown = make_view(validation=validation((1.0, 1.1), (2.0, 2.0)), **unmeasured).latency_comparison
    assert len(shown.networks) == 2
    assert shown.models == () and shown.run_agreement is None


def test_axes_of_agreement_hold_all_latencies_and_cut_wide_intervals(validation: Make) -> None:
    low, high = LatencyComparison((validation((1.0, 1.2), (2.0, 1.9)),)).range_ms
    assert low < 0.96 and 2.1 < high < 2.5
    wide = validation((1.0, 1.2), (2.0, 1.9))
    far = [pair.model_copy(update={"high_ms": 50.0, "low_ms": 0.0}) for pair in wide.pairs]
    low, high = LatencyComparison((wide.model_copy(update={"pairs": tuple(far)}),)).range_ms
    assert 0 <= low < 1 and 2 < high < 3


@pytest.mark.parametrize(("most", "logarithmic"), [(9.9, False), (10.1, True)])
def test_axes_are_logarithmic_beyond_a_decade(validation: Make, most: float, logarithmic: bool) -> None:
    view = LatencyComparison((validation((1.0, 1.0), (most, 5.0)),))
    assert view.logarithmic is logarithmic
    low, high = view.range_ms
    assert 0 < low < 1 and high > most
