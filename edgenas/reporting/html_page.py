"""The report as one self-contained HTML page: `report.html`."""

from pathlib import Path
from typing import Any

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.formats import write_bytes
from edgenas.reporting.baseline_comparison import baseline_sentence
from edgenas.reporting.charts import front_chart, predicted_vs_measured_chart, progress_charts
from edgenas.reporting.conditions import device_rows
from edgenas.reporting.csv_file import csv_text
from edgenas.reporting.layer_contributions import LEAST_COST_SHARE
from edgenas.reporting.learning_curves import LearningCurves, signed
from edgenas.reporting.learning_panels import panels
from edgenas.reporting.model_details import details_of
from edgenas.reporting.page_frame import plain_chart, rendered
from edgenas.reporting.parallel_axes import parallel_lines
from edgenas.reporting.report_content import ReportContent
from edgenas.reporting.reproduction import command_of, flattened
from edgenas.settings.files import settings_text
from edgenas.units import format_seconds


def write_html(report: ReportContent, path: Path) -> None:
    """Write the report (charts, models, dropped and failed ones, settings) as a single file.

    Raises:
        InputError: the folder cannot be written.
    """
    learning = _learning(report)
    learning_panels = panels(learning) if learning else ()
    comparison = report.latency_comparison
    charts = [front_chart(report)] if report.has_networks else []
    if comparison:
        charts.append(predicted_vs_measured_chart(comparison, report.metric_name))
    if report.progress:
        charts += progress_charts(report.progress)
    charts += [panel.chart for panel in learning_panels]
    lines = parallel_lines(report)
    content: dict[str, Any] = {
        "charts": [plain_chart(chart) for chart in charts],
        "parallel": lines,
        "chosen": next((entry.number for entry in report.front if entry.model is report.best), None),
        "csv": {"name": f"{report.result.run}.csv", "text": csv_text(report)},
    }
    page = rendered(
        "report.html.jinja",
        content,
        report=report,
        result=report.result,
        details=details_of(report),
        layers=report.layers,
        least_cost_share=LEAST_COST_SHARE,
        learning=learning,
        learning_panels=learning_panels,
        signed=signed,
        comparison=comparison,
        has_parallel=lines is not None,
        baseline_sentences=[
            baseline_sentence(entry, report.front, report.metric_name) for entry in report.baselines
        ],
        metrics=METRIC_NAMES,
        device=list(device_rows(report.config.device)),
        command=command_of(report.config.settings),
        settings=settings_text(report.config.settings),
        recipes=list(flattened(report.config.model_dump(mode="json", exclude={"settings", "device"}))),
        seconds={phase: _seconds(value) for phase, value in report.result.seconds.items()},
    )
    write_bytes(path, page)


def _learning(report: ReportContent) -> LearningCurves | None:
    """Curves of a gradient search; None for other searchers, or before anything was recorded."""
    if report.learning is None or not report.learning.done:
        return None
    return LearningCurves(report.learning, report.result.constraint.max_latency_ms)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else format_seconds(value)
