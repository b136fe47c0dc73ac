"""The report as one HTML page that needs no network: `report.html`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from edgenas.accuracy.metrics import MEASURES
from edgenas.device import Provenance
from edgenas.formats import write_bytes
from edgenas.reporting.baseline_comparison import worth
from edgenas.reporting.charts import agreement_chart, front_chart
from edgenas.reporting.layer_contributions import COUNTS
from edgenas.reporting.learning_curves import LearningView, signed
from edgenas.reporting.report_content import (
    ReportView,
    accuracy_text,
    compact_choices,
    figure_ms,
    interval_text,
    percent,
    rank_text,
)
from edgenas.units import format_count, format_milliseconds, format_seconds

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
    page = environment.get_template("report.html.jinja").render(
        view=view,
        result=view.result,
        chart=Markup(front_chart(view)),
        layers=view.layers,
        least_cost=COUNTS,
        learning=_learning(view),
        signed=signed,
        agreement=view.agreement,
        agreement_chart=Markup(agreement_chart(view.agreement, view.measure)) if view.agreement else "",
        worths=[worth(mark, view.front, view.measure) for mark in view.baselines],
        metrics=MEASURES,
        interval=interval_text,
        meaning=_MEANING,
        settings=list(_flatten(view.config.model_dump(mode="json"))),
        seconds={phase: _seconds(value) for phase, value in view.result.seconds.items()},
    )
    write_bytes(path, page.encode())


def _learning(view: ReportView) -> LearningView | None:
    """How the architecture was learnt; None where it was not, or nothing was recorded yet."""
    if view.learning is None or not view.learning.done:
        return None
    return LearningView(view.learning, view.result.constraint.max_latency_ms)


def _capital(text: str) -> str:
    """For the beginning of a sentence; the other letters stay."""
    return text[:1].upper() + text[1:]


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
