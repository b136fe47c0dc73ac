"""The front as a picture: `front.png`."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgenas.formats import write_bytes
from edgenas.report.view import Mark, ReportView, Series, figure_ms, interval_text
from edgenas.units import format_milliseconds

INK, MUTED, GREY, FRONT, DROPPED, LIMIT, MEASURED = (
    "#1c2127", "#68717d", "#9aa3ae", "#2f6fde", "#b0703a", "#d9485f", "#0b8f6a",
)  # fmt: skip
"""Colours of text, of each series and of the limit; the HTML chart uses the same, on light and on dark."""

_MOST_KEYS = 18


def write_png(view: ReportView, path: Path) -> None:
    """Draw evaluations, front, dropped models and limit over predicted latency, and write a PNG.

    Raises:
        InputError: the folder cannot be written.
    """
    figure = Figure(figsize=(10.6, 5.4), dpi=150, facecolor="white")
    axes = figure.add_axes((0.07, 0.115, 0.57, 0.81))
    _draw_frame(axes, view)
    _draw_points(axes, view)
    for series in view.series:
        _draw_series(axes, series)
    _draw_limit(axes, view)
    _draw_legend(figure, axes, view)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    write_bytes(path, picture.getvalue())


def _draw_frame(axes: Axes, view: ReportView) -> None:
    axes.set_xlim(*view.latency_range_ms)
    title = view.latency_title.replace("latency", f"latency on {view.result.device}", 1)
    axes.set_xlabel(title, color=INK, parse_math=False)
    axes.set_ylabel("accuracy", color=INK)
    title = f"{view.result.run}: {view.data_name} on {view.result.device}"
    title += ", interrupted" if view.interrupted else ""
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=MUTED, labelsize=9)
    axes.grid(color="#e6e9ed", linewidth=0.8)
    axes.set_axisbelow(True)


def _draw_points(axes: Axes, view: ReportView) -> None:
    if view.evaluated:
        xs, ys = zip(*((point.predicted_ms, point.accuracy) for point in view.evaluated), strict=True)
        axes.scatter(xs, ys, s=14, color=GREY, alpha=0.6, linewidths=0, label=view.points_title)
    if view.non_dominated:
        xs, ys = zip(*((point.predicted_ms, point.accuracy) for point in view.non_dominated), strict=True)
        axes.step(xs, ys, where="post", color=MUTED, linewidth=1.3, label=view.steps_title)


def _draw_series(axes: Axes, series: Series) -> None:
    models = [mark.model for mark in series.marks]
    xs, ys = [m.latency_ms.predicted for m in models], [m.accuracy.value for m in models]
    lows, highs = [m.latency_ms.low for m in models], [m.latency_ms.high for m in models]
    color = FRONT if series.kept else DROPPED
    axes.hlines(ys, lows, highs, color=color, linewidth=2, alpha=0.28, zorder=3)
    axes.scatter(xs, ys, s=150, facecolor=color if series.kept else "white", edgecolor=color, linewidths=1.4,
                 zorder=5, label=series.title)  # fmt: skip
    for mark, x, y in zip(series.marks, xs, ys, strict=True):
        axes.annotate(str(mark.number), (x, y), ha="center", va="center_baseline", fontsize=8,
                      fontweight="bold", color="white" if series.kept else color, zorder=6)  # fmt: skip


def _draw_limit(axes: Axes, view: ReportView) -> None:
    if view.limit_note:
        axes.annotate(view.limit_note, (0.99, 0.02), xycoords="axes fraction", ha="right", va="bottom",
                      color=LIMIT, fontsize=9)  # fmt: skip
        return
    limit_ms = view.result.constraint.max_latency_ms
    axes.axvline(limit_ms, color=LIMIT, linewidth=1.3, linestyle=(0, (5, 3)))
    axes.annotate(f"limit {format_milliseconds(limit_ms)}", (limit_ms, 0.02), xytext=(-4, 0), va="bottom",
                  xycoords=("data", "axes fraction"), textcoords="offset points", ha="right",
                  color=LIMIT, fontsize=9, rotation=90)  # fmt: skip


def _draw_legend(figure: Figure, axes: Axes, view: ReportView) -> None:
    marks = [*view.front, *view.dropped]
    if marks:
        axes.plot([], [], color=FRONT, linewidth=2, alpha=0.4, label="interval of the predicted latency")
    if view.measured:
        xs = [measured_ms for _, measured_ms in view.measured]
        ys = [model.accuracy.value for model, _ in view.measured]
        axes.scatter(xs, ys, marker="|", s=230, color=MEASURED, linewidths=2, zorder=4,
                     label="measured latency")  # fmt: skip
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.015, 1.0), frameon=False, fontsize=9, labelcolor=INK,
                    borderaxespad=0, labelspacing=0.7)  # fmt: skip
    if marks:
        figure.text(0.655, 0.58, _key(marks), family="monospace", fontsize=7.5, color=INK, va="top",
                    linespacing=1.5, parse_math=False)  # fmt: skip


def _key(marks: list[Mark]) -> str:
    lines = [f"{'#':>2} {'id':<10}  {'accuracy'}  predicted ms"]
    for mark in marks[:_MOST_KEYS]:
        latency, value = mark.model.latency_ms, mark.model.accuracy.value
        predicted = f"{figure_ms(latency.predicted)} {interval_text(latency.low, latency.high)}"
        lines.append(f"{mark.number:>2} {mark.model.id:<10}  {value:<8.3f}  {predicted}")
    more = len(marks) - _MOST_KEYS
    return "\n".join(lines + ([f"   and {more} more"] if more > 0 else []))
