"""The report's charts: the run's front, predicted against measured latencies, and the progress of the search."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Pair
from edgenas.reporting.chart_content import Axis, Chart, Mark, Name, Rule, Trace
from edgenas.reporting.hypervolume_curve import HypervolumeCurve
from edgenas.reporting.pictures import BAND
from edgenas.reporting.predicted_vs_measured import LatencyComparison
from edgenas.reporting.report_content import Point, ReportContent
from edgenas.reporting.series import CHOSEN, ModelEntry, Role, Series
from edgenas.reporting.shown_text import accuracy_text, compact_choices, figure_ms, interval_text
from edgenas.units import format_count, format_milliseconds, format_seconds

_TITLES: dict[Role, str] = {"front": "front", "dropped": "dropped", "baseline": "hand-designed"}
_MARKS: dict[Role, Mark] = {"front": "disc", "dropped": "ring", "baseline": "diamond"}


def front_chart(report: ReportContent) -> Chart:
    """Evaluations, models and limit: accuracy against predicted latency."""
    limit_ms, low, whole = (
        report.result.constraint.max_latency_ms,
        report.accuracy_range,
        report.whole_accuracy_range,
    )
    limit = Rule(axis="x", at=limit_ms, label=f"limit {format_milliseconds(limit_ms)}", style="limit")
    return Chart(
        name="front",
        label=f"{report.metric_name} against predicted latency on {report.result.device}",
        height=480,
        x=Axis(title=report.latency_title, range=report.latency_range_ms),
        y=Axis(title=report.metric_name, range=low, whole=whole if whole != low else None, percent=True),
        traces=tuple(_front_traces(report)),
        rules=() if report.limit_note else (limit,),
        names=tuple(_names(report)),
        note="; ".join(filter(None, [report.limit_note, report.outside_note])),
        selects=True,
    )


def predicted_vs_measured_chart(comparison: LatencyComparison, metric_name: str) -> Chart:
    """Predicted against measured latencies, with the line where they are equal."""
    return Chart(
        name="predicted-vs-measured",
        label="predicted against measured latencies",
        x=_comparison_axis("measured latency, ms", comparison),
        y=_comparison_axis("predicted latency, ms", comparison),
        traces=(*_diagonal_traces(comparison), *_comparison_traces(comparison, metric_name)),
    )


def progress_charts(progress: HypervolumeCurve) -> tuple[Chart, Chart]:
    """The hypervolume over evaluations, and over the time that they took."""
    hover = tuple(
        f"{volume:.4f}\nafter {count} {'evaluation' if count == 1 else 'evaluations'}, {format_seconds(seconds)}"
        for count, seconds, volume in zip(
            progress.evaluations, progress.seconds, progress.hypervolume, strict=True
        )
    )
    least, most = min(progress.hypervolume), max(progress.hypervolume)
    room = 0.05 * (most - least) or 0.01
    y = Axis(title="hypervolume", range=(max(0.0, least - room), min(1.0, most + room)))

    def over(name: str, title: str, values: Sequence[float]) -> Chart:
        return Chart(
            name=f"progress-{name}",
            label=f"hypervolume over {title}",
            height=240,
            x=Axis(title=title, range=(0.0, values[-1] or 1.0)),
            y=y,
            traces=(
                Trace(mark="steps", style="front", x=tuple(values), y=progress.hypervolume, hover=hover),
            ),
        )

    return over("evaluations", "evaluations", progress.evaluations), over(
        "time", "seconds of evaluating", progress.seconds
    )


def _front_traces(report: ReportContent) -> Iterator[Trace]:
    if points := report.evaluated:
        yield replace(
            _placed(points, "dot", "evaluated", report.points_title),
            ids=tuple(point.id for point in points),
            hover=tuple(point_hover(point, report.metric_name) for point in points),
        )
    if report.non_dominated:
        yield _placed(report.non_dominated, "steps", "steps", report.steps_title)
    for series in reversed(report.series):  # the front is drawn last, on top of dropped models
        yield _series_trace(series, report.metric_name)
    if report.measured:
        yield Trace(
            name="measured latency",
            mark="tick",
            style="measured",
            x=tuple(measured_ms for _, measured_ms in report.measured),
            y=tuple(model.accuracy.value for model, _ in report.measured),
            hover=tuple(
                f"{model.name or model.id}\nmeasured {figure_ms(ms)} ms" for model, ms in report.measured
            ),
        )
    if report.chosen and report.chosen.has_accuracy:
        model = report.chosen.model
        yield Trace(
            name=CHOSEN,
            mark="ring",
            style="chosen",
            x=(model.latency_ms.predicted,),
            y=(model.accuracy.value,),
        )


def _placed(points: Sequence[Point], mark: Mark, style: str, name: str) -> Trace:
    return Trace(
        name=name,
        mark=mark,
        style=style,
        x=tuple(point.latency.predicted for point in points),
        y=tuple(point.accuracy for point in points),
    )


def _series_trace(series: Series, metric_name: str) -> Trace:
    models = [entry.model for entry in series.entries]
    return Trace(
        name=series.title,
        mark=_MARKS[series.role],
        style=series.role,
        x=tuple(model.latency_ms.predicted for model in models),
        y=tuple(model.accuracy.value for model in models),
        low=tuple(model.latency_ms.low for model in models),
        high=tuple(model.latency_ms.high for model in models),
        ids=tuple(model.id for model in models),
        numbers=tuple(entry.number for entry in series.entries),
        hover=tuple(model_hover(entry, metric_name) for entry in series.entries),
    )


def _names(report: ReportContent) -> Iterator[Name]:
    """Those of the baselines."""
    for entry in report.drawn:
        if entry.role == "baseline":
            model = entry.model
            yield Name(x=model.latency_ms.predicted, y=model.accuracy.value, text=entry.label)


def _diagonal_traces(comparison: LatencyComparison) -> Iterator[Trace]:
    low, high = comparison.range_ms
    yield Trace(
        name=f"within {100 * BAND:g} %",
        mark="area",
        style="band",
        x=(low, high, high, low),
        y=((1 - BAND) * low, (1 - BAND) * high, (1 + BAND) * high, (1 + BAND) * low),
    )
    yield Trace(name="predicted = measured", mark="line", style="steps", x=(low, high), y=(low, high))


def _comparison_traces(comparison: LatencyComparison, metric_name: str) -> Iterator[Trace]:
    if networks := comparison.networks:
        yield replace(
            _compared(networks, "dot", "measured", "random network"), hover=tuple(map(_pair_hover, networks))
        )
    rows = list(zip(comparison.entries, comparison.models, strict=True))
    for role, title in reversed(_TITLES.items()):
        if found := [(entry, pair) for entry, pair in rows if entry.role == role]:
            yield replace(
                _compared([pair for _, pair in found], _MARKS[role], role, title),
                numbers=tuple(entry.number for entry, _ in found),
                hover=tuple(model_hover(entry, metric_name) for entry, _ in found),
            )


def _compared(pairs: Sequence[Pair], mark: Mark, style: str, name: str) -> Trace:
    return Trace(
        name=name,
        mark=mark,
        style=style,
        x=tuple(pair.measured_ms for pair in pairs),
        y=tuple(pair.latency.predicted for pair in pairs),
        low=tuple(pair.latency.low for pair in pairs),
        high=tuple(pair.latency.high for pair in pairs),
        bars="y",
    )


def _comparison_axis(title: str, comparison: LatencyComparison) -> Axis:
    return Axis(title=title, range=comparison.range_ms, logarithmic=comparison.logarithmic)


def _pair_hover(pair: Pair) -> str:
    return "\n".join(
        [
            pair.architecture,
            _choices_text(pair.choices),
            _predicted(pair.latency),
            f"measured {figure_ms(pair.measured_ms)} ms: predicted {pair.error:+.1%}",
        ]
    )


def point_hover(point: Point, metric_name: str) -> str:
    """What is told of an evaluated network, in lines."""
    lines = [
        point.id,
        f"{metric_name} {accuracy_text(point.accuracy)} ({point.kind})",
        _predicted(point.latency, with_basis=True),
        f"{point.resolution} px, {format_count(point.params)} params, {format_count(point.macs)} MACs",
        _choices_text(point.choices),
    ]
    return "\n".join(lines)


def model_hover(entry: ModelEntry, metric_name: str) -> str:
    """What is told of a model, in lines."""
    model, latency = entry.model, entry.model.latency_ms
    accuracies = model.accuracies.model_dump().items()
    pixels = "" if model.resolution is None else f"{model.resolution} px, "
    precision = "" if model.precision == "fp32" else f"{model.precision}, "
    lines = [
        f"{entry.number}: {entry.label}",
        *(
            f"{metric_name} {accuracy_text(value)} ({kind})"
            for kind, value in accuracies
            if value is not None
        ),
        _predicted(latency, with_basis=True),
        "not measured" if latency.measured is None else f"measured {figure_ms(latency.measured)} ms",
        f"{precision}{pixels}{format_count(model.params)} params, {format_count(model.macs)} MACs",
        _choices_text(tuple(model.architecture.get("choices", ()))),
        model.note,
    ]
    return "\n".join(line for line in lines if line)


def _predicted(latency: Latency, with_basis: bool = False) -> str:
    text = f"predicted {figure_ms(latency.predicted)} ms {interval_text(latency.low, latency.high)}"
    return f"{text} ({latency.provenance.basis})" if with_basis else text


def _choices_text(choices: tuple[str, ...]) -> str:
    return ", ".join(compact_choices(choices))
