"""The evaluated networks as lines over parallel axes: what they are made of, and what they cost and gain."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from edgenas.reporting.charts import point_hover
from edgenas.reporting.report_content import Point, ReportContent
from edgenas.reporting.shown_text import accuracy_text, figure_ms, shown
from edgenas.units import format_count


@dataclass(frozen=True)
class ParallelAxis:
    """One axis.

    Args:
        title: what it shows.
        values: of each network, in the order of `ReportContent.evaluated`.
        ends: texts of its least and greatest value.
    """

    title: str
    values: tuple[float, ...]
    ends: tuple[str, str]


def parallel_axes(report: ReportContent) -> tuple[ParallelAxis, ...]:
    """The axes on which the evaluated networks differ; none if there are fewer than two networks."""
    points = report.evaluated
    kinds = report.evaluated_kinds
    axes = (
        _axis("image, px", points, lambda point: point.resolution, "{:.0f}".format),
        _axis("blocks", points, lambda point: len(point.kernels), "{:.0f}".format),
        _axis("mean kernel", points, lambda point: _mean(point.kernels), "{:.1f}".format),
        _axis("mean expansion", points, lambda point: _mean(point.expansions), "{:.1f}".format),
        _axis("parameters", points, lambda point: point.params, format_count),
        _axis("MACs", points, lambda point: point.macs, format_count),
        _axis("latency, ms", points, lambda point: point.latency.predicted, figure_ms),
        _axis(f"{kinds} {report.metric_name}", points, lambda point: point.accuracy or 0.0, accuracy_text),
    )
    return tuple(axis for axis in axes if axis is not None)


def parallel_lines(report: ReportContent) -> dict[str, Any] | None:
    """Axes and lines in types of JSON, for `page/parallel.js`; None where fewer than two axes tell networks apart."""
    axes = parallel_axes(report)
    if len(axes) < 2:
        return None
    entries = {entry.model.id: entry for entry in reversed(report.entries)}
    found = [entries.get(point.id) for point in report.evaluated]
    return {
        "axes": [asdict(axis) for axis in axes],
        "ids": [point.id for point in report.evaluated],
        "numbers": [entry.number if entry else 0 for entry in found],
        "styles": [entry.role if entry else "evaluated" for entry in found],
        "hover": [shown(point_hover(point, report.metric_name)) for point in report.evaluated],
    }


def _axis(
    title: str, points: Sequence[Point], value: Callable[[Point], float], text: Callable[[float], str]
) -> ParallelAxis | None:
    values = tuple(float(value(point)) for point in points)
    if len(set(values)) < 2:
        return None
    return ParallelAxis(title, values, (text(min(values)), text(max(values))))


def _mean(values: Sequence[int]) -> float:
    return fmean(values) if values else 0.0
