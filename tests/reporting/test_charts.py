import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from edgenas.reporting.charts import front_chart, predicted_vs_measured_chart
from edgenas.reporting.predicted_vs_measured import LatencyComparison

Make = Callable[..., Any]


def drawn(html: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Traces by their name, and the layout, of a chart as HTML."""
    decoder = json.JSONDecoder()
    start = re.search(r'Plotly\.newPlot\(\s*"[^"]+",\s*', html)
    assert start
    traces, end = decoder.raw_decode(html, start.end())
    layout, _ = decoder.raw_decode(html, re.compile(r"\s*,\s*").match(html, end).end())  # type: ignore[union-attr]
    return {trace.get("name", ""): trace for trace in traces}, layout


def test_every_evaluation_with_an_accuracy_is_a_point(make_view: Make) -> None:
    view = make_view()
    traces, _ = drawn(front_chart(view))
    evaluated = next(trace for name, trace in traces.items() if name.startswith("evaluated"))
    assert evaluated["x"] == [point.latency.predicted for point in view.evaluated]
    assert evaluated["y"] == [point.accuracy for point in view.evaluated]
    assert len(evaluated["x"]) == 36  # of 37: one failed


def test_discs_are_numbered_as_in_the_tables_and_their_bars_are_the_intervals(make_view: Make) -> None:
    traces, _ = drawn(front_chart(make_view()))
    front = next(trace for name, trace in traces.items() if name.startswith("front"))
    assert front["text"] == ["<b>1</b>", "<b>2</b>", "<b>3</b>"]
    assert (front["x"], front["y"]) == ([0.5, 0.9, 1.6], [0.91, 0.95, 0.97])
    assert front["error_x"]["array"] == pytest.approx([0.5, 0.9, 1.6])
    assert front["error_x"]["arrayminus"] == pytest.approx([0.25, 0.45, 0.8])
    assert "predicted 0.500 ms [0.250 to 1.00] (datasheet estimate)" in front["hovertext"][0]


def test_what_was_measured_is_a_tick_beside_what_was_predicted(
    make_view: Make, unmeasured: dict[str, Any]
) -> None:
    traces, _ = drawn(front_chart(make_view()))
    assert traces["measured latency"]["x"] == pytest.approx([0.55, 0.99, 1.76, 1.32])
    assert "measured latency" not in drawn(front_chart(make_view(**unmeasured)))[0]


@pytest.mark.parametrize(("max_latency_ms", "line"), [(20, False), (2, True)])
def test_the_limit_is_a_line_or_a_note_where_no_network_reaches_it(
    make_view: Make, max_latency_ms: float, line: bool
) -> None:
    constraint = {"max_latency_ms": max_latency_ms, "fastest_ms": 0.3, "slowest_ms": 3.1, "binding": line}
    _, layout = drawn(front_chart(make_view(constraint=constraint)))
    assert [shape["x0"] for shape in layout.get("shapes", [])] == ([max_latency_ms] if line else [])
    (note,) = layout["annotations"]
    assert note["text"].startswith(f"limit {max_latency_ms} ms") and (len(note["text"]) > 12) is not line


def test_markup_in_a_name_is_shown_as_it_is(make_view: Make, baseline: Make) -> None:
    traces, _ = drawn(front_chart(make_view(baselines=[baseline(8, "<b>x</b>", 0.9, 1.0)])))
    made = next(trace for name, trace in traces.items() if name.startswith("hand-designed"))
    assert "&lt;b&gt;x&lt;/b&gt;" in made["hovertext"][0]


def test_agreement_is_measured_across_and_predicted_upwards(validation: Make) -> None:
    traces, layout = drawn(
        predicted_vs_measured_chart(LatencyComparison((validation((1.0, 1.2), (2.0, 1.6)),)), "accuracy")
    )
    networks = traces["random network"]
    assert (networks["x"], networks["y"]) == ([1.2, 1.6], [1.0, 2.0])
    assert networks["error_y"]["array"] == pytest.approx([0.05, 0.1])
    assert networks["error_y"]["arrayminus"] == pytest.approx([0.04, 0.08])
    assert "predicted -16.7%" in networks["hovertext"][0]
    assert layout["xaxis"]["range"] == layout["yaxis"]["range"]
    assert layout["xaxis"]["title"]["text"] == "measured latency, ms"


def test_beyond_a_decade_both_axes_are_logarithmic(validation: Make) -> None:
    view = LatencyComparison((validation((1.0, 1.0), (100.0, 90.0)),))
    _, layout = drawn(predicted_vs_measured_chart(view, "accuracy"))
    for name in ("xaxis", "yaxis"):
        assert layout[name]["type"] == "log"
        assert [10**end for end in layout[name]["range"]] == pytest.approx(view.range_ms)
