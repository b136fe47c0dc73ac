"""The report's plotly charts: the run's front, and predicted against measured latencies."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import escape

from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Pair
from edgenas.reporting.pictures import BAND, BASELINE, COLOURS, GREY, LIMIT, MEASURED, MUTED
from edgenas.reporting.plotly_style import axis, chart, style, translucent
from edgenas.reporting.predicted_vs_measured import LatencyComparison
from edgenas.reporting.report_content import (
    Point,
    ReportContent,
    accuracy_text,
    compact_choices,
    figure_ms,
    interval_text,
)
from edgenas.reporting.series import CHOSEN, Label, ModelEntry, Role, Series
from edgenas.storage.search_result import Model
from edgenas.units import format_count, format_milliseconds

_CHART_PX = 500
_TITLES: dict[Role, str] = {"front": "front", "dropped": "dropped", "baseline": "hand-designed"}
_RANKS: dict[Role, int] = {"front": 1001, "dropped": 1002, "baseline": 1003}
_SYMBOLS: dict[Role, str] = {"front": "circle", "dropped": "circle-open", "baseline": "diamond"}


def front_chart(report: ReportContent) -> str:
    """Evaluations, models and limit as HTML, including plotly.js: must be the first chart of a page."""
    return chart("front-chart", list(_traces(report)), _layout(report))


def predicted_vs_measured_chart(comparison: LatencyComparison, metric_name: str) -> str:
    """Predicted against measured latencies as HTML, for a page that already includes plotly.js."""
    traces = [*_diagonal_traces(comparison), *_comparison_traces(comparison, metric_name)]
    return chart("predicted-vs-measured-chart", traces, _comparison_layout(comparison), library=False)


def _traces(report: ReportContent) -> Iterator[dict[str, Any]]:
    if report.evaluated:
        yield _points_trace(report.evaluated, report.points_title, report.metric_name) | {
            "mode": "markers",
            "marker": {"size": 6, "color": GREY, "opacity": 0.65},
        }
    if report.non_dominated:
        yield _points_trace(report.non_dominated, report.steps_title, report.metric_name) | {
            "mode": "lines",
            "line": {"shape": "hv", "color": MUTED, "width": 1.6},
            "hoverinfo": "skip",
        }
    if report.measured:
        yield {
            "type": "scatter",
            "name": "measured latency",
            "mode": "markers",
            "x": [measured_ms for _, measured_ms in report.measured],
            "y": [model.accuracy.value for model, _ in report.measured],
            "marker": {"symbol": "line-ns", "size": 18, "line": {"width": 2.5, "color": MEASURED}},
            "hoverinfo": "text",
            "hovertext": [
                f"{escape(model.name or model.id)} measured: {figure_ms(ms)} ms"
                for model, ms in report.measured
            ],
        }
    for series in reversed(report.series):  # the front is drawn last, on top of dropped models
        yield _series_trace(series, report.metric_name)
    if report.chosen:
        yield _ring_trace(report.chosen.model)
    if report.labels:
        yield _labels_trace(report.labels)


def _points_trace(points: Sequence[Point], title: str, metric_name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": str(escape(title)),
        "x": [point.latency.predicted for point in points],
        "y": [point.accuracy for point in points],
        "hoverinfo": "text",
        "hovertext": [_point_hover(point, metric_name) for point in points],
    }


def _series_trace(series: Series, metric_name: str) -> dict[str, Any]:
    models = [entry.model for entry in series.entries]
    return {
        "type": "scatter",
        "name": series.title,
        "legendrank": _RANKS[series.role],
        "x": [model.latency_ms.predicted for model in models],
        "y": [model.accuracy.value for model in models],
        "error_x": _bars(
            [model.latency_ms.high - model.latency_ms.predicted for model in models],
            [model.latency_ms.predicted - model.latency_ms.low for model in models],
            COLOURS[series.role],
        ),
        **_discs(series.entries, series.role, metric_name),
    }


def _ring_trace(model: Model) -> dict[str, Any]:
    """A ring around the chosen model."""
    return {
        "type": "scatter",
        "name": CHOSEN,
        "mode": "markers",
        "legendrank": max(_RANKS.values()) + 1,
        "x": [model.latency_ms.predicted],
        "y": [model.accuracy.value],
        "marker": {"symbol": "circle-open", "size": 30, "color": LIMIT, "line": {"width": 2}},
        "hoverinfo": "skip",
    }


def _bars(above: list[float], below: list[float], color: str, thickness: float = 3) -> dict[str, Any]:
    """Error bars around the points of a trace; `above` and `below` are distances from each point."""
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return {**bars, "color": translucent(color), "thickness": thickness, "width": 0}


def _discs(entries: Sequence[ModelEntry], role: Role, metric_name: str, size_px: int = 20) -> dict[str, Any]:
    """Markers with the numbers the tables use."""
    color = COLOURS[role]
    return {
        "mode": "markers+text",
        "marker": {"size": size_px, "color": color, "opacity": 1, "line": {"color": color, "width": 2},
                   "symbol": _SYMBOLS[role]},
        "text": [f"<b>{entry.number}</b>" for entry in entries],
        "textfont": {"size": 0.55 * size_px, "color": color if role == "dropped" else "#ffffff"},
        "hoverinfo": "text",
        "hovertext": [_model_hover(entry, metric_name) for entry in entries],
    }  # fmt: skip


def _labels_trace(labels: Sequence[Label]) -> dict[str, Any]:
    models = [label.entry.model for label in labels]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [model.latency_ms.predicted for model in models],
        "y": [model.accuracy.value for model in models],
        "text": [_label_text(label) for label in labels],
        "textposition": [f"{'top' if label.lines > 0 else 'bottom'} {label.side}" for label in labels],
        "textfont": {"size": 12, "color": BASELINE},
        "hoverinfo": "skip",
        "showlegend": False,
        "cliponaxis": False,
    }


def _label_text(label: Label) -> str:
    """The text padded with empty lines, which keep it clear of its marker."""
    text, empty = str(escape(label.text)), abs(label.lines) * ["\N{NO-BREAK SPACE}"]
    return "<br>".join([text, *empty] if label.lines > 0 else [*empty, text])


def _diagonal_traces(comparison: LatencyComparison) -> Iterator[dict[str, Any]]:
    low, high = comparison.range_ms
    line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    yield line | {
        "name": f"within {100 * BAND:g} %",
        "x": [low, high, high, low],
        "y": [(1 - BAND) * low, (1 - BAND) * high, (1 + BAND) * high, (1 + BAND) * low],
        "fill": "toself",
        "fillcolor": translucent(GREY, 0.25),
        "line": {"width": 0},
    }
    yield line | {
        "name": "predicted = measured",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": MUTED, "width": 1.4},
    }


def _comparison_traces(comparison: LatencyComparison, metric_name: str) -> Iterator[dict[str, Any]]:
    if comparison.networks:
        yield _pairs_trace(comparison.networks, MEASURED, 1.5) | {
            "name": "random network",
            "mode": "markers",
            "marker": {"size": 7, "color": MEASURED, "opacity": 0.8},
            "hoverinfo": "text",
            "hovertext": [_pair_hover(pair) for pair in comparison.networks],
        }
    rows = list(zip(comparison.entries, comparison.models, strict=True))
    for role, title in reversed(_TITLES.items()):
        chosen = [(entry, pair) for entry, pair in rows if entry.role == role]
        if chosen:
            yield _pairs_trace([pair for _, pair in chosen], COLOURS[role], 3) | {
                "name": title,
                "legendrank": _RANKS[role],
                **_discs([entry for entry, _ in chosen], role, metric_name, size_px=16),
            }


def _pairs_trace(pairs: Sequence[Pair], color: str, thickness: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": [pair.measured_ms for pair in pairs],
        "y": [pair.latency.predicted for pair in pairs],
        "error_y": _bars(
            [pair.latency.high - pair.latency.predicted for pair in pairs],
            [pair.latency.predicted - pair.latency.low for pair in pairs],
            color,
            thickness,
        ),
    }


def _pair_hover(pair: Pair) -> str:
    return "<br>".join(
        [
            f"<b>{escape(pair.architecture)}</b>",
            *_choice_lines(pair.choices),
            _predicted(pair.latency),
            f"measured {figure_ms(pair.measured_ms)} ms: predicted {pair.error:+.1%}",
        ]
    )


def _layout(report: ReportContent) -> dict[str, Any]:
    return {
        **style(_CHART_PX),
        "xaxis": axis(report.latency_title) | {"range": list(report.latency_range_ms)},
        "yaxis": axis(report.metric_name)
        | {"minallowed": 0, "maxallowed": 1.02}
        | ({} if report.evaluated or report.drawn else {"range": [0, 1]}),
        **_limit(report),
    }


def _comparison_layout(comparison: LatencyComparison) -> dict[str, Any]:
    ends = (
        [math.log10(end) for end in comparison.range_ms]
        if comparison.logarithmic
        else list(comparison.range_ms)
    )
    scale = {"type": "log" if comparison.logarithmic else "linear", "range": ends}
    return {
        **style(_CHART_PX),
        "xaxis": axis("measured latency, ms") | scale,
        "yaxis": axis("predicted latency, ms") | scale,
    }


def _limit(report: ReportContent) -> dict[str, Any]:
    limit_ms = report.result.constraint.max_latency_ms
    text = {"showarrow": False, "font": {"color": LIMIT, "size": 12}, "yref": "paper", "y": 0.01,
            "yanchor": "bottom", "xanchor": "right"}  # fmt: skip
    if report.limit_note:
        return {"annotations": [{**text, "xref": "paper", "x": 1, "text": report.limit_note}]}
    line = {"color": LIMIT, "width": 1.6, "dash": "dash"}
    shape = {"type": "line", "x0": limit_ms, "x1": limit_ms, "yref": "paper", "y0": 0, "y1": 1, "line": line}
    label = {**text, "x": limit_ms, "text": f"limit {format_milliseconds(limit_ms)}", "textangle": -90}
    return {"shapes": [shape], "annotations": [label]}


def _point_hover(point: Point, metric_name: str) -> str:
    return "<br>".join(
        [
            f"<b>{escape(point.id)}</b>",
            *_choice_lines(point.choices),
            f"{metric_name} {accuracy_text(point.accuracy)} ({escape(point.kind)})",
            _predicted(point.latency, with_basis=True),
            f"{point.resolution} px, {format_count(point.params)} params, {format_count(point.macs)} MACs",
        ]
    )


def _model_hover(entry: ModelEntry, metric_name: str) -> str:
    model, latency = entry.model, entry.model.latency_ms
    accuracies = model.accuracies.model_dump().items()
    pixels = "" if model.resolution is None else f"{model.resolution} px, "
    precision = "" if model.precision == "fp32" else f"{model.precision}, "
    lines = [
        f"<b>{entry.number}: {escape(entry.label)}</b>",
        *_choice_lines(tuple(model.architecture.get("choices", ()))),
        *(f"{metric_name} {value:.3f} ({kind})" for kind, value in accuracies if value is not None),
        _predicted(latency, with_basis=True),
        "not measured" if latency.measured is None else f"measured: {figure_ms(latency.measured)} ms",
        f"{precision}{pixels}{format_count(model.params)} params, {format_count(model.macs)} MACs",
    ]
    return "<br>".join([*lines, str(escape(model.note))] if model.note else lines)


def _predicted(latency: Latency, with_basis: bool = False) -> str:
    text = f"predicted {figure_ms(latency.predicted)} ms {interval_text(latency.low, latency.high)}"
    return f"{text} ({latency.provenance.basis})" if with_basis else text


def _choice_lines(choices: tuple[str, ...], a_line: int = 5) -> list[str]:
    parts = [str(escape(part)) for part in compact_choices(choices)]
    return [", ".join(parts[i : i + a_line]) for i in range(0, len(parts), a_line)]
