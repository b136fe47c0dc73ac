"""Reports: gathering the contents of a run's report from its files."""

from collections.abc import Sequence
from pathlib import Path

from edgenas.device import Provenance
from edgenas.errors import FileFormatError, IncompleteTableError
from edgenas.latency.network_predictor import NetworkPredictor
from edgenas.latency.predictor import predictor_from_device, predictor_from_table
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.latency.table import find_table
from edgenas.pipeline.learning_record import recorded_curves
from edgenas.profiling.validation import find_validation
from edgenas.reporting.html_page import write_html
from edgenas.reporting.pictures import write_png
from edgenas.reporting.report_content import Point, ReportContent
from edgenas.searchers.choice_contributions import MIN_EVALUATIONS, Contribution, contributions
from edgenas.space import NetworkSpace, network_space_from_config
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import Evaluation, RunStore
from edgenas.storage.search_result import Model, SearchResult

_TABLE_CHANGED = "The latency table that this run used is no longer available: it was replaced or moved."
_TOO_FEW = (
    f"Too few data: at least {MIN_EVALUATIONS} evaluated networks are needed, not all of the same accuracy."
)


def write_report(
    folder: RunFolder, store: RunStore, result: SearchResult, space: NetworkSpace | None = None
) -> Path:
    """Write `report.html` and `front.png` of a run; pass `space` if its configuration cannot rebuild it."""
    content = report_content(folder, store, result, space)
    write_png(content, folder.picture)
    write_html(content, folder.report)
    return folder.report


def report_content(
    folder: RunFolder, store: RunStore, result: SearchResult, space: NetworkSpace | None = None
) -> ReportContent:
    """The contents of a run's report; arguments as in `write_report`."""
    document = folder.read_document()
    config = document.config
    space = space or network_space_from_config(config.space, folder.document)
    rows = store.evaluations()
    predictor = _predictor(space, config)
    explained = _explained(predictor, rows, (*result.front, *result.dropped))
    return ReportContent(
        result,
        config,
        document.versions,
        points=tuple(_point(space, row) for row in rows),
        validation=find_validation(config.device, space.signature, config.table_checksum),
        contributions=explained if isinstance(explained, dict) else {},
        no_contributions_reason=explained if isinstance(explained, str) else "",
        learning=recorded_curves(store),
        expected_provenance=predictor.provenance if predictor else Provenance.MEASURED,
    )


def _explained(
    predictor: NetworkPredictor | None, rows: Sequence[Evaluation], models: Sequence[Model]
) -> dict[str, tuple[Contribution, ...]] | str:
    """The contributions of each model's choices, by id; or the reason why there are none."""
    if predictor is None:
        return _TABLE_CHANGED
    space = predictor.space
    evaluated = {space.architecture(row.choices): row.accuracy for row in rows if row.accuracy is not None}
    chosen = [space.architecture(model.architecture["choices"]) for model in models]
    found = contributions(space, predictor, evaluated, chosen)
    return dict(zip((model.id for model in models), found, strict=True)) if found else _TOO_FEW


def _predictor(space: NetworkSpace, config: RunConfig) -> NetworkPredictor | None:
    """The source of the run's latencies; None if the device's table has changed or is gone."""
    if config.table_checksum is None:
        return by_resolution(space, lambda each: predictor_from_device(each, config.device))
    try:
        found = find_table(config.device)
        if found is None:
            return None
        table = found[1]
        predictor = by_resolution(
            space, lambda each: predictor_from_table(each, config.device, table, "interpolate")
        )
    except (FileFormatError, IncompleteTableError):
        return None
    return predictor if predictor.table_checksum == config.table_checksum else None


def _point(space: NetworkSpace, row: Evaluation) -> Point:
    architecture = space.architecture(row.choices)
    return Point(
        id=row.id,
        choices=row.choices,
        accuracy=row.accuracy,
        kind=row.kind,
        latency=row.latency,
        resolution=space.resolution_of(architecture),
        params=space.parameters(architecture),
        macs=space.macs(architecture),
        reason=row.reason,
    )
