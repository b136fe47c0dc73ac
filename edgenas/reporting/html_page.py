"""The report as one self-contained HTML page: `report.html`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.device import Provenance
from edgenas.formats import write_bytes
from edgenas.reporting.baseline_comparison import baseline_sentence
from edgenas.reporting.charts import front_chart, predicted_vs_measured_chart
from edgenas.reporting.layer_contributions import LEAST_COST_SHARE
from edgenas.reporting.learning_curves import LearningCurves, signed
from edgenas.reporting.learning_panels import panels
from edgenas.reporting.report_content import (
    ReportContent,
    accuracy_text,
    compact_choices,
    figure_ms,
    interval_text,
    percent,
    rank_text,
)
from edgenas.units import format_count, format_milliseconds, format_seconds

_MEANING = {
    Provenance.MEASURED: "the sum of block times measured on this device, calibrated on whole networks",
    Provenance.CALIBRATED: "a device model fitted to published latencies or to a few measurements",
    Provenance.ESTIMATED: "computed from the device's datasheet alone, without any measurement",
}


def write_html(report: ReportContent, path: Path) -> None:
    """Write the report (charts, models, dropped and failed ones, settings) as a single file.

    Raises:
        InputError: the folder cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("edgenas", "reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "accuracy": accuracy_text,
        "capital": _capital,
        "count": format_count,
        "limit": format_milliseconds,
        "ms": figure_ms,
        "choices": compact_choices,
        "percent": percent,
        "rank": rank_text,
    }
    learning = _learning(report)
    page = environment.get_template("report.html.jinja").render(
        report=report,
        result=report.result,
        chart=Markup(front_chart(report)),
        layers=report.layers,
        least_cost_share=LEAST_COST_SHARE,
        learning=learning,
        learning_panels=panels(learning) if learning else (),
        signed=signed,
        comparison=report.latency_comparison,
        predicted_vs_measured_chart=Markup(
            predicted_vs_measured_chart(report.latency_comparison, report.metric_name)
        )
        if report.latency_comparison
        else "",
        baseline_sentences=[
            baseline_sentence(entry, report.front, report.metric_name) for entry in report.baselines
        ],
        metrics=METRIC_NAMES,
        interval=interval_text,
        meaning=_MEANING,
        settings=list(_flatten(report.config.model_dump(mode="json"))),
        seconds={phase: _seconds(value) for phase, value in report.result.seconds.items()},
    )
    write_bytes(path, page.encode())


def _learning(report: ReportContent) -> LearningCurves | None:
    """Curves of a gradient search; None for other searchers, or before anything was recorded."""
    if report.learning is None or not report.learning.done:
        return None
    return LearningCurves(report.learning, report.result.constraint.max_latency_ms)


def _capital(text: str) -> str:
    """Capitalise the first letter only, to begin a sentence."""
    return text[:1].upper() + text[1:]


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 10 else format_seconds(value)


def _flatten(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as (dotted name, text); a list of strings becomes one line per item."""
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _flatten(item, f"{prefix}{key}.")
        elif isinstance(item, list) and all(isinstance(part, str) for part in item):
            yield prefix + key, "\n".join(item)
        else:
            yield prefix + key, item if isinstance(item, str) else json.dumps(item)
