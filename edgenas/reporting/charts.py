"""The charts of the page, by plotly: the run's front, and predicted against measured latencies."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from markupsafe import escape

from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Pair
from edgenas.reporting.pictures import BAND, BASELINE, COLOURS, GREY, LIMIT, MEASURED, MUTED
from edgenas.reporting.plotly_style import axis, chart, style, translucent
from edgenas.reporting.predicted_vs_measured import AgreementView
from edgenas.reporting.report_content import (
    Point,
    ReportView,
    accuracy_text,
    compact_choices,
    figure_ms,
    interval_text,
)
from edgenas.reporting.series import CHOSEN, Label, Mark, Role, Series
from edgenas.storage.search_result import Model
from edgenas.units import format_count, format_milliseconds

_CHART_PX = 500
_TITLES: dict[Role, str] = {"front": "front", "dropped": "dropped", "baseline": "made by hand"}
_RANKS: dict[Role, int] = {"front": 1001, "dropped": 1002, "baseline": 1003}
_SYMBOLS: dict[Role, str] = {"front": "circle", "dropped": "circle-open", "baseline": "diamond"}


def front_chart(view: ReportView) -> str:
    """Evaluations, models and limit as HTML, with all of plotly.js: the first chart of a page."""
    return chart("front-chart", list(_traces(view)), _layout(view))


def agreement_chart(view: AgreementView, measure: str) -> str:
    """Predicted over measured latencies as HTML, for a page that has plotly.js; `measure` is what an accuracy is."""
    traces = [*_diagonal_traces(view), *_agreement_traces(view, measure)]
    return chart("agreement-chart", traces, _agreement_layout(view), library=False)


def _traces(view: ReportView) -> Iterator[dict[str, Any]]:
    if view.evaluated:
        yield _points_trace(view.evaluated, view.points_title, view.measure) | {
            "mode": "markers",
            "marker": {"size": 6, "color": GREY, "opacity": 0.65},
        }
    if view.non_dominated:
        yield _points_trace(view.non_dominated, view.steps_title, view.measure) | {
            "mode": "lines",
            "line": {"shape": "hv", "color": MUTED, "width": 1.6},
            "hoverinfo": "skip",
        }
    if view.measured:
        yield {
            "type": "scatter",
            "name": "measured latency",
            "mode": "markers",
            "x": [measured_ms for _, measured_ms in view.measured],
            "y": [model.accuracy.value for model, _ in view.measured],
            "marker": {"symbol": "line-ns", "size": 18, "line": {"width": 2.5, "color": MEASURED}},
            "hoverinfo": "text",
            "hovertext": [
                f"{escape(model.name or model.id)} measured: {figure_ms(ms)} ms"
                for model, ms in view.measured
            ],
        }
    for series in reversed(view.series):  # so that the front covers what was dropped
        yield _series_trace(series, view.measure)
    if view.chosen:
        yield _ring_trace(view.chosen.model)
    if view.labels:
        yield _labels_trace(view.labels)


def _points_trace(points: Sequence[Point], title: str, measure: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": str(escape(title)),
        "x": [point.latency.predicted for point in points],
        "y": [point.accuracy for point in points],
        "hoverinfo": "text",
        "hovertext": [_point_hover(point, measure) for point in points],
    }


def _series_trace(series: Series, measure: str) -> dict[str, Any]:
    models = [mark.model for mark in series.marks]
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
        **_discs(series.marks, series.role, measure),
    }


def _ring_trace(model: Model) -> dict[str, Any]:
    """What was chosen, marked around its disc."""
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
    """Intervals around the points of a trace."""
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return {**bars, "color": translucent(color), "thickness": thickness, "width": 0}


def _discs(marks: Sequence[Mark], role: Role, measure: str, size_px: int = 20) -> dict[str, Any]:
    """Numbered models, as the tables number them."""
    color = COLOURS[role]
    return {
        "mode": "markers+text",
        "marker": {"size": size_px, "color": color, "opacity": 1, "line": {"color": color, "width": 2},
                   "symbol": _SYMBOLS[role]},
        "text": [f"<b>{mark.number}</b>" for mark in marks],
        "textfont": {"size": 0.55 * size_px, "color": color if role == "dropped" else "#ffffff"},
        "hoverinfo": "text",
        "hovertext": [_model_hover(mark, measure) for mark in marks],
    }  # fmt: skip


def _labels_trace(labels: Sequence[Label]) -> dict[str, Any]:
    models = [label.mark.model for label in labels]
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
    """With empty lines, which keep it clear of its mark."""
    text, empty = str(escape(label.text)), abs(label.lines) * ["\N{NO-BREAK SPACE}"]
    return "<br>".join([text, *empty] if label.lines > 0 else [*empty, text])


def _diagonal_traces(view: AgreementView) -> Iterator[dict[str, Any]]:
    low, high = view.range_ms
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


def _agreement_traces(view: AgreementView, measure: str) -> Iterator[dict[str, Any]]:
    if view.networks:
        yield _pairs_trace(view.networks, MEASURED, 1.5) | {
            "name": "random network",
            "mode": "markers",
            "marker": {"size": 7, "color": MEASURED, "opacity": 0.8},
            "hoverinfo": "text",
            "hovertext": [_pair_hover(pair) for pair in view.networks],
        }
    rows = list(zip(view.marks, view.models, strict=True))
    for role, title in reversed(_TITLES.items()):
        chosen = [(mark, pair) for mark, pair in rows if mark.role == role]
        if chosen:
            yield _pairs_trace([pair for _, pair in chosen], COLOURS[role], 3) | {
                "name": title,
                "legendrank": _RANKS[role],
                **_discs([mark for mark, _ in chosen], role, measure, size_px=16),
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


def _layout(view: ReportView) -> dict[str, Any]:
    return {
        **style(_CHART_PX),
        "xaxis": axis(view.latency_title) | {"range": list(view.latency_range_ms)},
        "yaxis": axis(view.measure)
        | {"minallowed": 0, "maxallowed": 1.02}
        | ({} if view.evaluated or view.drawn else {"range": [0, 1]}),
        **_limit(view),
    }


def _agreement_layout(view: AgreementView) -> dict[str, Any]:
    ends = [math.log10(end) for end in view.range_ms] if view.logarithmic else list(view.range_ms)
    scale = {"type": "log" if view.logarithmic else "linear", "range": ends}
    return {
        **style(_CHART_PX),
        "xaxis": axis("measured latency, ms") | scale,
        "yaxis": axis("predicted latency, ms") | scale,
    }


def _limit(view: ReportView) -> dict[str, Any]:
    limit_ms = view.result.constraint.max_latency_ms
    text = {"showarrow": False, "font": {"color": LIMIT, "size": 12}, "yref": "paper", "y": 0.01,
            "yanchor": "bottom", "xanchor": "right"}  # fmt: skip
    if view.limit_note:
        return {"annotations": [{**text, "xref": "paper", "x": 1, "text": view.limit_note}]}
    line = {"color": LIMIT, "width": 1.6, "dash": "dash"}
    shape = {"type": "line", "x0": limit_ms, "x1": limit_ms, "yref": "paper", "y0": 0, "y1": 1, "line": line}
    label = {**text, "x": limit_ms, "text": f"limit {format_milliseconds(limit_ms)}", "textangle": -90}
    return {"shapes": [shape], "annotations": [label]}


def _point_hover(point: Point, measure: str) -> str:
    return "<br>".join(
        [
            f"<b>{escape(point.id)}</b>",
            *_choice_lines(point.choices),
            f"{measure} {accuracy_text(point.accuracy)} ({escape(point.kind)})",
            _predicted(point.latency, with_basis=True),
            f"{format_count(point.params)} params, {format_count(point.macs)} MACs",
        ]
    )


def _model_hover(mark: Mark, measure: str) -> str:
    model, latency = mark.model, mark.model.latency_ms
    accuracies = model.accuracies.model_dump().items()
    lines = [
        f"<b>{mark.number}: {escape(mark.label)}</b>",
        *_choice_lines(tuple(model.architecture.get("choices", ()))),
        *(f"{measure} {value:.3f} ({kind})" for kind, value in accuracies if value is not None),
        _predicted(latency, with_basis=True),
        "not measured" if latency.measured is None else f"measured: {figure_ms(latency.measured)} ms",
        f"{format_count(model.params)} params, {format_count(model.macs)} MACs",
    ]
    return "<br>".join([*lines, str(escape(model.note))] if model.note else lines)


def _predicted(latency: Latency, with_basis: bool = False) -> str:
    text = f"predicted {figure_ms(latency.predicted)} ms {interval_text(latency.low, latency.high)}"
    return f"{text} ({latency.provenance.basis})" if with_basis else text


def _choice_lines(choices: tuple[str, ...], a_line: int = 5) -> list[str]:
    parts = [str(escape(part)) for part in compact_choices(choices)]
    return [", ".join(parts[i : i + a_line]) for i in range(0, len(parts), a_line)]
