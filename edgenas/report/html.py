"""The report as one HTML page that needs no network: `report.html`."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.io import to_html

from edgenas.device import Provenance
from edgenas.formats import write_bytes
from edgenas.latency.validation import Pair
from edgenas.report.plot import BAND, DROPPED, FRONT, GREY, LIMIT, MEASURED, MUTED
from edgenas.report.view import (
    AgreementView,
    Mark,
    Point,
    ReportView,
    Series,
    compact_choices,
    figure_ms,
    interval_text,
    percent,
    rank_text,
)
from edgenas.units import format_count, format_milliseconds, format_seconds

_CHART_PX = 500
# Named one by one: the default set of newer versions has a button that sends the chart to Plotly's cloud.
_BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_MEANING = {
    Provenance.MEASURED: "a sum over blocks that were timed on this device, corrected on whole networks",
    Provenance.CALIBRATED: "a model of the device, fitted to published or few measured figures",
    Provenance.ESTIMATED: "the device's datasheet alone, without any measurement",
}


def write_html(view: ReportView, path: Path) -> None:
    """Write the report: chart, models, what was dropped or failed, settings. Everything is inside the file.

    Raises:
        InputError: the folder cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("edgenas", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "accuracy": _accuracy,
        "count": format_count,
        "limit": format_milliseconds,
        "ms": figure_ms,
        "choices": compact_choices,
        "percent": percent,
        "rank": rank_text,
    }
    page = environment.get_template("report.html.jinja").render(
        view=view,
        result=view.result,
        chart=Markup(_chart("front-chart", list(_traces(view)), _layout(view))),
        agreement=view.agreement,
        agreement_chart=Markup(_agreement_chart(view.agreement)) if view.agreement else "",
        interval=interval_text,
        meaning=_MEANING,
        settings=list(_flatten(view.config.model_dump(mode="json"))),
        seconds={phase: _seconds(value) for phase, value in view.result.seconds.items()},
    )
    write_bytes(path, page.encode())


def _chart(name: str, traces: list[dict[str, Any]], layout: dict[str, Any], library: bool = True) -> str:
    """A chart as HTML, with all of plotly.js unless an earlier one of the page has it."""
    config = {"responsive": True, "displaylogo": False, "modeBarButtons": [_BUTTONS]}
    figure = {"data": traces, "layout": layout}
    return str(to_html(figure, config=config, include_plotlyjs=library, full_html=False, div_id=name))


def _agreement_chart(view: AgreementView) -> str:
    traces = [*_diagonal_traces(view), *_agreement_traces(view)]
    return _chart("agreement-chart", traces, _agreement_layout(view), library=False)


def _traces(view: ReportView) -> Iterator[dict[str, Any]]:
    if view.evaluated:
        yield _points_trace(view.evaluated, view.points_title) | {
            "mode": "markers",
            "marker": {"size": 6, "color": GREY, "opacity": 0.65},
        }
    if view.non_dominated:
        yield _points_trace(view.non_dominated, view.steps_title) | {
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
            "hovertext": [f"{escape(model.id)} measured: {figure_ms(ms)} ms" for model, ms in view.measured],
        }
    for series in reversed(view.series):  # so that the front covers what was dropped
        yield _series_trace(series)


def _points_trace(points: Sequence[Point], title: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "name": str(escape(title)),
        "x": [point.predicted_ms for point in points],
        "y": [point.accuracy for point in points],
        "hoverinfo": "text",
        "hovertext": [_point_hover(point) for point in points],
    }


def _series_trace(series: Series) -> dict[str, Any]:
    models = [mark.model for mark in series.marks]
    color = FRONT if series.kept else DROPPED
    return {
        "type": "scatter",
        "name": series.title,
        "legendrank": 1001 if series.kept else 1002,
        "x": [model.latency_ms.predicted for model in models],
        "y": [model.accuracy.value for model in models],
        "error_x": _bars(
            [model.latency_ms.high - model.latency_ms.predicted for model in models],
            [model.latency_ms.predicted - model.latency_ms.low for model in models],
            color,
        ),
        **_discs(series.marks, series.kept),
    }


def _bars(above: list[float], below: list[float], color: str, thickness: float = 3) -> dict[str, Any]:
    """Intervals around the points of a trace."""
    bars = {"type": "data", "symmetric": False, "array": above, "arrayminus": below}
    return {**bars, "color": _translucent(color), "thickness": thickness, "width": 0}


def _discs(marks: Sequence[Mark], kept: bool, size_px: int = 20) -> dict[str, Any]:
    """Numbered models, as the tables number them."""
    color = FRONT if kept else DROPPED
    return {
        "mode": "markers+text",
        "marker": {"size": size_px, "color": color, "opacity": 1, "line": {"color": color, "width": 2},
                   "symbol": "circle" if kept else "circle-open"},
        "text": [f"<b>{mark.number}</b>" for mark in marks],
        "textfont": {"size": 0.55 * size_px, "color": "#ffffff" if kept else color},
        "hoverinfo": "text",
        "hovertext": [_model_hover(mark) for mark in marks],
    }  # fmt: skip


def _diagonal_traces(view: AgreementView) -> Iterator[dict[str, Any]]:
    low, high = view.range_ms
    line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    yield line | {
        "name": f"within {100 * BAND:g} %",
        "x": [low, high, high, low],
        "y": [(1 - BAND) * low, (1 - BAND) * high, (1 + BAND) * high, (1 + BAND) * low],
        "fill": "toself",
        "fillcolor": _translucent(GREY, 0.25),
        "line": {"width": 0},
    }
    yield line | {
        "name": "predicted = measured",
        "x": [low, high],
        "y": [low, high],
        "line": {"color": MUTED, "width": 1.4},
    }


def _agreement_traces(view: AgreementView) -> Iterator[dict[str, Any]]:
    if view.networks:
        yield _pairs_trace(view.networks, MEASURED, 1.5) | {
            "name": "random network",
            "mode": "markers",
            "marker": {"size": 7, "color": MEASURED, "opacity": 0.8},
            "hoverinfo": "text",
            "hovertext": [_pair_hover(pair) for pair in view.networks],
        }
    rows = list(zip(view.marks, view.models, strict=True))
    for kept, title in ((False, "dropped"), (True, "front")):
        chosen = [(mark, pair) for mark, pair in rows if mark.kept == kept]
        if chosen:
            yield _pairs_trace([pair for _, pair in chosen], FRONT if kept else DROPPED, 3) | {
                "name": title,
                "legendrank": 1001 if kept else 1002,
                **_discs([mark for mark, _ in chosen], kept, size_px=16),
            }


def _pairs_trace(pairs: Sequence[Pair], color: str, thickness: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": [pair.measured_ms for pair in pairs],
        "y": [pair.predicted_ms for pair in pairs],
        "error_y": _bars(
            [pair.high_ms - pair.predicted_ms for pair in pairs],
            [pair.predicted_ms - pair.low_ms for pair in pairs],
            color,
            thickness,
        ),
    }


def _pair_hover(pair: Pair) -> str:
    return "<br>".join(
        [
            f"<b>{escape(pair.architecture)}</b>",
            *_choice_lines(pair.choices),
            f"predicted {figure_ms(pair.predicted_ms)} ms {interval_text(pair.low_ms, pair.high_ms)}",
            f"measured {figure_ms(pair.measured_ms)} ms: predicted {pair.error:+.1%}",
        ]
    )


def _layout(view: ReportView) -> dict[str, Any]:
    return {
        **_style(),
        "xaxis": _axis(view.latency_title) | {"range": list(view.latency_range_ms)},
        "yaxis": _axis("accuracy")
        | {"minallowed": 0, "maxallowed": 1.02}
        | ({} if view.evaluated or view.models else {"range": [0, 1]}),
        **_limit(view),
    }


def _agreement_layout(view: AgreementView) -> dict[str, Any]:
    ends = [math.log10(end) for end in view.range_ms] if view.logarithmic else list(view.range_ms)
    scale = {"type": "log" if view.logarithmic else "linear", "range": ends}
    return {
        **_style(),
        "xaxis": _axis("measured latency, ms") | scale,
        "yaxis": _axis("predicted latency, ms") | scale,
    }


def _axis(title: str) -> dict[str, Any]:
    return {"zeroline": False, "showline": True, "linecolor": GREY, "gridcolor": _translucent(GREY),
            "automargin": True, "title": {"standoff": 12, "text": str(escape(title))}}  # fmt: skip


def _style() -> dict[str, Any]:
    """What the layouts of all charts have in common."""
    return {
        "height": _CHART_PX,
        "font": {"family": _FONT, "size": 13, "color": MUTED},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 48, "r": 12, "t": 36, "b": 48},
        "legend": {"orientation": "h", "x": 0, "y": -0.17, "xanchor": "left", "yanchor": "top"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": FRONT},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "#1c2127", "bordercolor": "#1c2127", "align": "left",
                       "font": {"family": _FONT, "size": 12, "color": "#ffffff"}},
    }  # fmt: skip


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


def _point_hover(point: Point) -> str:
    return "<br>".join(
        [
            f"<b>{escape(point.id)}</b>",
            *_choice_lines(point.choices),
            f"accuracy {_accuracy(point.accuracy)} ({escape(point.kind)})",
            _predicted(point.predicted_ms, point.low_ms, point.high_ms, point.provenance),
            f"{format_count(point.params)} params, {format_count(point.macs)} MACs",
        ]
    )


def _model_hover(mark: Mark) -> str:
    model, latency = mark.model, mark.model.latency_ms
    accuracies = model.accuracies.model_dump().items()
    lines = [
        f"<b>{mark.number}: {escape(model.id)}</b>",
        *_choice_lines(tuple(model.architecture.get("choices", ()))),
        *(f"accuracy {value:.3f} ({kind})" for kind, value in accuracies if value is not None),
        _predicted(latency.predicted, latency.low, latency.high, model.provenance),
        "not measured" if latency.measured is None else f"measured: {figure_ms(latency.measured)} ms",
        f"{format_count(model.params)} params, {format_count(model.macs)} MACs",
    ]
    return "<br>".join([*lines, str(escape(model.note))] if model.note else lines)


def _predicted(predicted_ms: float, low_ms: float, high_ms: float, provenance: Provenance) -> str:
    return f"predicted {figure_ms(predicted_ms)} ms {interval_text(low_ms, high_ms)} ({provenance.basis})"


def _choice_lines(choices: tuple[str, ...], a_line: int = 5) -> list[str]:
    parts = [str(escape(part)) for part in compact_choices(choices)]
    return [", ".join(parts[i : i + a_line]) for i in range(0, len(parts), a_line)]


def _accuracy(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def _translucent(color: str, opacity: float = 0.4) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else format_seconds(value)


def _flatten(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as (dotted name, text); lists of texts one a line."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _flatten(item, f"{prefix}{key}.")
        elif isinstance(item, list) and all(isinstance(part, str) for part in item):
            yield prefix + key, "\n".join(item)
        else:
            yield prefix + key, item if isinstance(item, str) else json.dumps(item)
