"""PNG charts: the front of a run (`front.png`), and predicted against measured latencies of a validation."""

import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from edgenas.formats import write_bytes
from edgenas.profiling.validation import Pair, Validation
from edgenas.reporting.predicted_vs_measured import LatencyComparison
from edgenas.reporting.report_content import ReportContent
from edgenas.reporting.series import CHOSEN, Label, ModelEntry, Role, Series
from edgenas.reporting.shown_text import accuracy_text, figure_ms, interval_text, percent, rank_text
from edgenas.storage.search_result import Model
from edgenas.units import format_milliseconds

INK, MUTED, GREY, FRONT, DROPPED, BASELINE, LIMIT, MEASURED = (
    "#1c2127", "#68717d", "#9aa3ae", "#2f6fde", "#b0703a", "#59636e", "#d9485f", "#0b8f6a",
)  # fmt: skip
"""Colours of text, of each series and of the limit, as in the HTML page by day."""

COLOURS: dict[Role, str] = {"front": FRONT, "dropped": DROPPED, "baseline": BASELINE}

BAND = 0.05
"""Half width of the band around predicted = measured, as a share of the measured latency."""

_MAX_KEY_ROWS = 18


def write_png(report: ReportContent, path: Path) -> None:
    """Write the front's figure as a PNG.

    Raises:
        InputError: the folder cannot be written.
    """
    _save(front_figure(report), path)


def front_figure(report: ReportContent) -> Figure:
    """Evaluations, front, dropped models and limit against predicted latency."""
    figure = Figure(figsize=(11.1, 5.4), dpi=150, facecolor="white")
    axes = figure.add_axes((0.067, 0.115, 0.544, 0.81))
    _draw_frame(axes, report)
    _draw_points(axes, report)
    for series in report.series:
        _draw_series(axes, series)
    if report.chosen:
        _draw_ring(axes, report.chosen.model)
    for label in report.labels:
        _draw_label(axes, label)
    _draw_limit(axes, report)
    _draw_legend(figure, axes, report)
    return figure


def write_validation_png(validation: Validation, path: Path) -> None:
    """Plot predicted latencies with their intervals against measured ones, and write a PNG.

    Raises:
        InputError: the folder cannot be written.
    """
    figure = Figure(figsize=(8.2, 7.2), dpi=150, facecolor="white")
    axes = figure.add_axes((0.095, 0.08, 0.885, 0.865))
    comparison = LatencyComparison((validation,))
    _draw_comparison_frame(axes, comparison, validation)
    _draw_diagonal(axes, comparison)
    _draw_pairs(axes, comparison.networks)
    axes.legend(loc="upper left", frameon=False, fontsize=9, labelcolor=INK, labelspacing=0.7)
    axes.annotate(_figures(validation), (0.985, 0.02), xycoords="axes fraction", ha="right", va="bottom",
                  family="monospace", fontsize=9, color=INK, linespacing=1.5)  # fmt: skip
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_bytes(path, picture.getvalue())


def _draw_comparison_frame(axes: Axes, comparison: LatencyComparison, validation: Validation) -> None:
    if comparison.logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlim(*comparison.range_ms)
    axes.set_ylim(*comparison.range_ms)
    axes.set_xlabel(f"measured latency on {validation.device}, ms", color=INK, parse_math=False)
    axes.set_ylabel(f"predicted latency, ms ({validation.provenance.basis})", color=INK)
    title = f"{validation.networks} random networks of {validation.space} on {validation.device}"
    _draw_style(axes, title)


def _draw_diagonal(axes: Axes, comparison: LatencyComparison) -> None:
    ends = comparison.range_ms
    low, high = ([(1 + side) * end for end in ends] for side in (-BAND, BAND))
    axes.fill_between(ends, low, high, color=GREY, alpha=0.22, linewidth=0, label=f"within {100 * BAND:g} %")
    axes.plot(ends, ends, color=MUTED, linewidth=1.2, label="predicted = measured")


def _draw_pairs(axes: Axes, pairs: tuple[Pair, ...]) -> None:
    measured, predicted = [pair.measured_ms for pair in pairs], [pair.latency.predicted for pair in pairs]
    lows, highs = [pair.latency.low for pair in pairs], [pair.latency.high for pair in pairs]
    axes.vlines(measured, lows, highs, color=FRONT, linewidth=1.6, alpha=0.28, zorder=3,
                label="interval of the predicted latency")  # fmt: skip
    axes.scatter(measured, predicted, s=26, color=FRONT, edgecolor="white", linewidths=0.6, zorder=5,
                 label="network")  # fmt: skip


def _figures(validation: Validation) -> str:
    """The summary printed in the corner of a validation's chart."""
    rows = {
        "Spearman": rank_text(validation.spearman),
        "Kendall": rank_text(validation.kendall),
        "mean error": percent(validation.mape_percent / 100),
        "within 5 %": percent(validation.within_5_percent),
        "within 10 %": percent(validation.within_10_percent),
        "inside interval": percent(validation.interval_coverage),
    }
    return "\n".join(f"{name:<15} {text:>7}" for name, text in rows.items())


def _draw_frame(axes: Axes, report: ReportContent) -> None:
    axes.set_xlim(*report.latency_range_ms)
    axes.set_ylim(*report.accuracy_range)
    title = report.latency_title.replace("latency", f"latency on {report.result.device}", 1)
    axes.set_xlabel(title, color=INK, parse_math=False)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_ylabel(report.metric_name, color=INK)
    title = f"{report.result.run}: {report.data_name} on {report.result.device}"
    title += ", interrupted" if report.interrupted else ""
    _draw_style(axes, title)


def _draw_style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.grid(color="#e6e9ed", linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_points(axes: Axes, report: ReportContent) -> None:
    if report.evaluated:
        xs, ys = zip(*((point.latency.predicted, point.accuracy) for point in report.evaluated), strict=True)
        axes.scatter(xs, ys, s=14, color=GREY, alpha=0.6, linewidths=0, label=report.points_title)
    if report.non_dominated:
        front = ((point.latency.predicted, point.accuracy) for point in report.non_dominated)
        xs, ys = zip(*front, strict=True)
        axes.step(xs, ys, where="post", color=MUTED, linewidth=1.3, label=report.steps_title)


def _draw_series(axes: Axes, series: Series) -> None:
    models = [entry.model for entry in series.entries]
    xs, ys = [m.latency_ms.predicted for m in models], [m.accuracy.value for m in models]
    lows, highs = [m.latency_ms.low for m in models], [m.latency_ms.high for m in models]
    color, hollow = COLOURS[series.role], series.role == "dropped"
    axes.hlines(ys, lows, highs, color=color, linewidth=2, alpha=0.28, zorder=3)
    size, marker = (110, "D") if series.role == "baseline" else (150, "o")
    axes.scatter(xs, ys, s=size, marker=marker, facecolor="white" if hollow else color, edgecolor=color,
                 linewidths=1.4, zorder=5, label=series.title)  # fmt: skip
    for entry, x, y in zip(series.entries, xs, ys, strict=True):
        axes.annotate(str(entry.number), (x, y), ha="center", va="center_baseline", fontsize=8,
                      fontweight="bold", color=color if hollow else "white", zorder=6)  # fmt: skip


def _draw_ring(axes: Axes, model: Model) -> None:
    axes.scatter(model.latency_ms.predicted, model.accuracy.value, s=330, facecolor="none", edgecolor=LIMIT,
                 linewidths=1.6, zorder=4, label=CHOSEN)  # fmt: skip


def _draw_label(axes: Axes, label: Label) -> None:
    model, above = label.entry.model, label.lines > 0
    side = {"left": "right", "right": "left", "center": "center"}[
        label.side
    ]  # matplotlib's `ha` names the end of the text that is anchored
    away = 11 * abs(label.lines)
    axes.annotate(label.text, (model.latency_ms.predicted, model.accuracy.value),
                  xytext=(0, away if above else -away), textcoords="offset points", ha=side,
                  va="bottom" if above else "top", fontsize=8, fontweight="bold", color=BASELINE,
                  parse_math=False, zorder=7,
                  bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1})  # fmt: skip


def _draw_limit(axes: Axes, report: ReportContent) -> None:
    if report.limit_note:
        axes.annotate(report.limit_note, (0.99, 0.02), xycoords="axes fraction", ha="right", va="bottom",
                      color=LIMIT, fontsize=9)  # fmt: skip
        return
    limit_ms = report.result.constraint.max_latency_ms
    axes.axvline(limit_ms, color=LIMIT, linewidth=1.3, linestyle=(0, (5, 3)))
    axes.annotate(f"limit {format_milliseconds(limit_ms)}", (limit_ms, 0.98), xytext=(-4, 0), va="top",
                  xycoords=("data", "axes fraction"), textcoords="offset points", ha="right",
                  color=LIMIT, fontsize=9, rotation=90)  # fmt: skip


def _draw_legend(figure: Figure, axes: Axes, report: ReportContent) -> None:
    figure.text(0.626, 0.03, report.outside_note, fontsize=7.5, color=MUTED, parse_math=False)
    if report.entries:
        axes.plot([], [], color=FRONT, linewidth=2, alpha=0.4, label="interval of the predicted latency")
    if report.measured:
        xs = [measured_ms for _, measured_ms in report.measured]
        ys = [model.accuracy.value for model, _ in report.measured]
        axes.scatter(xs, ys, marker="|", s=230, color=MEASURED, linewidths=2, zorder=4,
                     label="measured latency")  # fmt: skip
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.015, 1.0), frameon=False, fontsize=9, labelcolor=INK,
                    borderaxespad=0, labelspacing=0.9)  # fmt: skip
    if report.entries:
        key = _key(report.entries, report.metric_name)
        figure.text(0.626, 0.55, key, family="monospace", fontsize=7.5, color=INK, va="top", linespacing=1.5,
                    parse_math=False)  # fmt: skip


def _key(entries: Sequence[ModelEntry], metric_name: str) -> str:
    head = metric_name.removeprefix("macro ")
    value_width, label_width = max(len(head), 5), max(len(entry.label) for entry in entries)
    lines = [f"{'#':>2} {'model':<{label_width}}  {head:<{value_width}}  predicted ms"]
    for entry in entries[:_MAX_KEY_ROWS]:
        latency, value = entry.model.latency_ms, entry.model.accuracy.value
        predicted = f"{figure_ms(latency.predicted)} {interval_text(latency.low, latency.high)}"
        accuracy = accuracy_text(value if entry.has_accuracy else None)
        lines.append(
            f"{entry.number:>2} {entry.label:<{label_width}}  {accuracy:<{value_width}}  {predicted}"
        )
    more = len(entries) - _MAX_KEY_ROWS
    return "\n".join(lines + ([f"   and {more} more"] if more > 0 else []))
