"""The report as one HTML page that needs no network: `report.html`."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.io import to_html

from edgenas.device import Provenance
from edgenas.formats import write_bytes
from edgenas.report.plot import DROPPED, FRONT, GREY, LIMIT, MEASURED, MUTED
from edgenas.report.view import Mark, Point, ReportView, Series, compact_choices, figure_ms, interval_text
from edgenas.units import format_count, format_milliseconds, format_seconds

_CHART_PX = 500
# Named one by one: the default set of newer versions has a button that sends the chart to Plotly's cloud.
_BUTTONS = ["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_MEANING = {
    Provenance.MEASURED: "predicted from times measured on this device",
    Provenance.CALIBRATED: "from a model of the device, fitted to published or few measured figures",
    Provenance.ESTIMATED: "from the device's datasheet alone",
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
    }
    page = environment.get_template("report.html.jinja").render(
        view=view,
        result=view.result,
        chart=Markup(_chart(view)),
        interval=interval_text,
        meaning=_MEANING,
        settings=list(_flatten(view.config.model_dump(mode="json"))),
        seconds={phase: _seconds(value) for phase, value in view.result.seconds.items()},
    )
    write_bytes(path, page.encode())


def _chart(view: ReportView) -> str:
    """The chart and all of plotly.js, as HTML."""
    figure = {"data": list(_traces(view)), "layout": _layout(view)}
    config = {"responsive": True, "displaylogo": False, "modeBarButtons": [_BUTTONS]}
    return str(to_html(figure, config=config, include_plotlyjs=True, full_html=False, div_id="front-chart"))


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
        "mode": "markers+text",
        "x": [model.latency_ms.predicted for model in models],
        "y": [model.accuracy.value for model in models],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [model.latency_ms.high - model.latency_ms.predicted for model in models],
            "arrayminus": [model.latency_ms.predicted - model.latency_ms.low for model in models],
            "color": _translucent(color),
            "thickness": 3,
            "width": 0,
        },
        "marker": {"size": 20, "color": color, "opacity": 1, "line": {"color": color, "width": 2},
                   "symbol": "circle" if series.kept else "circle-open"},
        "text": [f"<b>{mark.number}</b>" for mark in series.marks],
        "textfont": {"size": 11, "color": "#ffffff" if series.kept else color},
        "hoverinfo": "text",
        "hovertext": [_model_hover(mark) for mark in series.marks],
    }  # fmt: skip


def _layout(view: ReportView) -> dict[str, Any]:
    axis = {"zeroline": False, "showline": True, "linecolor": GREY, "gridcolor": _translucent(GREY),
            "automargin": True, "title": {"standoff": 12}}  # fmt: skip
    return {
        "height": _CHART_PX,
        "font": {"family": _FONT, "size": 13, "color": MUTED},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 48, "r": 12, "t": 36, "b": 48},
        "xaxis": axis
        | {"range": list(view.latency_range_ms), "title": {"text": str(escape(view.latency_title))}},
        "yaxis": axis
        | {"title": {"text": "accuracy"}, "minallowed": 0, "maxallowed": 1.02}
        | ({} if view.evaluated or view.models else {"range": [0, 1]}),
        "legend": {"orientation": "h", "x": 0, "y": -0.17, "xanchor": "left", "yanchor": "top"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED, "activecolor": FRONT},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "#1c2127", "bordercolor": "#1c2127", "align": "left",
                       "font": {"family": _FONT, "size": 12, "color": "#ffffff"}},
        **_limit(view),
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
            f"{figure_ms(point.predicted_ms)} ms {interval_text(point.low_ms, point.high_ms)}"
            f" {point.provenance}",
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
        f"{figure_ms(latency.predicted)} ms {interval_text(latency.low, latency.high)} {model.provenance}",
        "not measured" if latency.measured is None else f"measured: {figure_ms(latency.measured)} ms",
        f"{format_count(model.params)} params, {format_count(model.macs)} MACs",
    ]
    return "<br>".join([*lines, str(escape(model.note))] if model.note else lines)


def _choice_lines(choices: tuple[str, ...], a_line: int = 5) -> list[str]:
    parts = [str(escape(part)) for part in compact_choices(choices)]
    return [", ".join(parts[i : i + a_line]) for i in range(0, len(parts), a_line)]


def _accuracy(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def _translucent(color: str) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.4)"


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
