"""The models and the evaluated networks of a run as a CSV file, for spreadsheets."""

import csv
import io
from collections.abc import Iterator

from edgenas.reporting.report_content import Point, ReportContent
from edgenas.reporting.series import ModelEntry

_HEAD = (
    "role", "id", "name", "supernet", "validation", "test", "predicted_ms", "low_ms", "high_ms", "provenance",
    "measured_ms", "resolution", "precision", "params", "macs", "choices", "onnx", "note",
)  # fmt: skip

Value = str | float | None


def csv_text(report: ReportContent) -> str:
    """Its content: models first, then the evaluated networks; accuracies are by the run's metric, 0..1."""
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\r\n")
    writer.writerow(_HEAD)
    writer.writerows([_inert(value) for value in _model_row(entry)] for entry in report.entries)
    writer.writerows([_inert(value) for value in _point_row(point)] for point in report.points)
    return content.getvalue()


def _model_row(entry: ModelEntry) -> Iterator[Value]:
    model, latency = entry.model, entry.model.latency_ms
    yield from (entry.role, model.id, model.name)
    yield from (model.accuracies.supernet, model.accuracies.validation, model.accuracies.test)
    yield from (latency.predicted, latency.low, latency.high, latency.provenance.value, latency.measured)
    yield from (model.resolution, model.precision, model.params, model.macs)
    yield from (" ".join(map(str, model.architecture.get("choices", ()))), model.onnx, model.note)


def _point_row(point: Point) -> Iterator[Value]:
    latency = point.latency
    accuracies = {point.kind: point.accuracy}
    yield from ("evaluated", point.id, None)
    yield from (accuracies.get("supernet"), accuracies.get("validation"), accuracies.get("test"))
    yield from (latency.predicted, latency.low, latency.high, latency.provenance.value, None)
    yield from (point.resolution, point.precision, point.params, point.macs)
    yield from (" ".join(point.choices), None, point.reason)


def _inert(value: Value) -> Value:
    """Text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
