"""Several runs beside each other: their fronts, the best of each at equal latency, and the settings that differ."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.formats import write_bytes
from edgenas.reporting.chart_content import Axis, Chart, Rule, Trace
from edgenas.reporting.charts import model_hover
from edgenas.reporting.page_frame import plain_chart, rendered
from edgenas.reporting.report_content import ReportContent, padded
from edgenas.reporting.reproduction import flattened
from edgenas.storage.run_comparison import at_equal_latency
from edgenas.storage.search_result import Model
from edgenas.units import format_milliseconds

MOST_RUNS = 6
"""As many as have a colour of their own in `report.css`."""

_ROOM = 0.08


@dataclass(frozen=True)
class RunComparison:
    """At least two runs, at most `MOST_RUNS`."""

    runs: tuple[ReportContent, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the runs."""
        return tuple(run.result.run for run in self.runs)

    @property
    def differing(self) -> tuple[str, ...]:
        """What makes accuracies or latencies of the runs incomparable; empty if nothing does."""
        found: dict[str, set[str]] = {
            "data": {run.config.data.fingerprint for run in self.runs},
            "metric": {run.result.metric for run in self.runs},
            "device": {run.result.device for run in self.runs},
        }
        return tuple(name for name, values in found.items() if len(values) > 1)

    @property
    def settings(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Settings and versions that differ: name, and the text of each run."""
        rows = [dict(_flat(run)) for run in self.runs]
        for name in dict.fromkeys(name for row in rows for name in row):
            values = tuple(row.get(name, "") for row in rows)
            if len(set(values)) > 1:
                yield name, values

    @property
    def levels(self) -> Iterator[tuple[float, tuple[Model | None, ...]]]:
        """As `at_equal_latency`."""
        yield from at_equal_latency([run.result for run in self.runs])


def comparison_chart(comparison: RunComparison) -> Chart:
    """The fronts in one chart, each in its own colour, and the limits."""
    models = [model for run in comparison.runs for model in run.result.front]
    latencies = [model.latency_ms.predicted for model in models] or [0.0, 1.0]
    accuracies = [model.accuracy.value for model in models] or [0.0, 1.0]
    room = _ROOM * (max(latencies) - min(latencies)) or 0.1 * max(latencies)
    ends = (max(0.0, min(latencies) - room), max(latencies) + room)
    limits = {run.result.constraint.max_latency_ms for run in comparison.runs}
    metrics = dict.fromkeys(METRIC_NAMES[run.result.metric] for run in comparison.runs)
    return Chart(
        name="fronts",
        label="fronts of the runs",
        height=460,
        x=Axis(title="predicted latency, ms", range=ends),
        y=Axis(title=", ".join(metrics), range=padded(min(accuracies), max(accuracies)), percent=True),
        traces=tuple(trace for i, run in enumerate(comparison.runs) for trace in _front_traces(i, run)),
        rules=tuple(
            Rule(axis="x", at=limit, label=f"limit {format_milliseconds(limit)}", style="limit")
            for limit in sorted(limits)
            if ends[0] <= limit <= ends[1]
        ),
    )


def write_comparison(comparison: RunComparison, path: Path) -> None:
    """Write the page.

    Raises:
        InputError: the folder cannot be written.
    """
    chart = plain_chart(comparison_chart(comparison))
    first = comparison.runs[0]
    page = rendered(
        "comparison.html.jinja",
        {"charts": [chart], "chosen": None},
        comparison=comparison,
        title=" and ".join(comparison.names),
        version=first.versions.get("edgenas", ""),
        metric_names=METRIC_NAMES,
    )
    write_bytes(path, page)


def _front_traces(i: int, run: ReportContent) -> Iterator[Trace]:
    entries, models = run.front, run.result.front
    leading = [model for model in models if model.leads] or list(models)
    x, y = (lambda model: model.latency_ms.predicted), (lambda model: model.accuracy.value)
    yield Trace(mark="steps", style=f"run{i}", x=tuple(map(x, leading)), y=tuple(map(y, leading)))
    yield Trace(
        name=run.result.run,
        mark="disc",
        style=f"run{i}",
        x=tuple(map(x, models)),
        y=tuple(map(y, models)),
        low=tuple(model.latency_ms.low for model in models),
        high=tuple(model.latency_ms.high for model in models),
        numbers=tuple(entry.number for entry in entries),
        hover=tuple(f"{run.result.run}, {model_hover(entry, run.metric_name)}" for entry in entries),
    )


def _flat(run: ReportContent) -> Iterator[tuple[str, str]]:
    """Names and texts of everything that determines a run."""
    values = run.config.model_dump(mode="json", exclude={"device": {"sources", "calibrated"}})
    settings = values.pop("settings")
    settings.pop("run", None)
    yield from ((f"--{name.replace('_', '-')}", text) for name, text in flattened(settings))
    yield from flattened(values)
    yield from ((f"version of {name}", version) for name, version in run.versions.items())
