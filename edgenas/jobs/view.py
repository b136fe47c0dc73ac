"""Reports: gathering a run's files into the one view that the report room draws."""

from pathlib import Path

from edgenas.device import Provenance
from edgenas.latency.validation import find_validation
from edgenas.report.html import write_html
from edgenas.report.plot import write_png
from edgenas.report.view import Point, ReportView
from edgenas.run.folder import RunFolder
from edgenas.run.result import SearchResult
from edgenas.run.store import Evaluation, RunStore
from edgenas.space import SearchSpace, space_from_config


def write_report(folder: RunFolder, store: RunStore, result: SearchResult) -> Path:
    """Write `report.html` and `front.png` of a run."""
    document = folder.read_document()
    space = space_from_config(document.config.space, folder.document)
    points = tuple(_point(space, row) for row in store.evaluations())
    config = document.config
    validation = find_validation(config.device, space.signature, config.table_checksum)
    view = ReportView(result, config, document.versions, points, validation)
    write_png(view, folder.picture)
    write_html(view, folder.report)
    return folder.report


def _point(space: SearchSpace, row: Evaluation) -> Point:
    architecture = space.architecture(row.choices)
    return Point(
        id=row.id,
        choices=row.choices,
        accuracy=row.accuracy,
        kind=row.kind,
        predicted_ms=row.predicted_ms,
        low_ms=row.low_ms,
        high_ms=row.high_ms,
        provenance=Provenance(row.provenance),
        params=space.parameters(architecture),
        macs=space.macs(architecture),
        reason=row.reason,
    )
