"""Reports: gathering the contents of a run's report from its files."""

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from edgenas.device import Device, Provenance
from edgenas.errors import FileFormatError, IncompleteTableError, InputError
from edgenas.latency.network_predictor import ArchitecturePredictor, NetworkPredictor
from edgenas.latency.precision_predictor import by_precision
from edgenas.latency.predictor import predictor_from_device, predictor_from_table
from edgenas.latency.resolution_predictor import by_resolution
from edgenas.latency.table import find_table
from edgenas.profiling.validation import Validation, find_validation
from edgenas.reporting.conditions import table_rows
from edgenas.reporting.html_page import write_html
from edgenas.reporting.hypervolume_curve import hypervolume_curve
from edgenas.reporting.judging import recorded_judgements
from edgenas.reporting.network_drawing import DrawnBlock, drawn_network
from edgenas.reporting.pictures import write_png
from edgenas.reporting.report_content import Point, ReportContent
from edgenas.reporting.run_comparison import RunComparison, write_comparison
from edgenas.searchers.choice_contributions import MIN_EVALUATIONS, Contribution, contributions
from edgenas.searchers.problem import TWO
from edgenas.space import (
    Architecture,
    ArchitectureSpace,
    NetworkSpace,
    PrecisionSpace,
    network_space_from_config,
)
from edgenas.space.block import MBConv
from edgenas.storage.learning_record import recorded_curves
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import RunFolder
from edgenas.storage.run_store import Evaluation, RunStore
from edgenas.storage.search_result import Model, SearchResult
from edgenas.vocabulary import Precision

_TABLE_CHANGED = "The latency table that this run used is no longer available: it was replaced or moved."
_TOO_FEW = (
    f"Too few data: at least {MIN_EVALUATIONS} evaluated networks are needed, not all of the same accuracy."
)


def write_report(
    folder: RunFolder, store: RunStore, result: SearchResult, networks: NetworkSpace | None = None
) -> Path:
    """Write `report.html` and `front.png` of a run; pass `networks` if its configuration cannot rebuild them."""
    content = report_content(folder, store, result, networks)
    write_png(content, folder.picture)
    write_html(content, folder.report)
    return folder.report


def write_run_comparison(folders: Sequence[RunFolder]) -> Path:
    """Write a page that compares finished runs, into the folder of the first; returns its path."""
    path = folders[0].comparison
    write_comparison(RunComparison(tuple(map(_stored_content, folders))), path)
    return path


def _stored_content(folder: RunFolder) -> ReportContent:
    with closing(RunStore(folder.store, writable=False)) as store:
        return report_content(folder, store, folder.read_result())


def report_content(
    folder: RunFolder, store: RunStore, result: SearchResult, networks: NetworkSpace | None = None
) -> ReportContent:
    """The contents of a run's report; arguments as in `write_report`."""
    document = folder.read_document()
    config = document.config
    networks = networks or network_space_from_config(config.space, folder.document)
    precisions = config.settings.precisions or (config.device.precision,)
    predictor = _predictor(networks, precisions, config)
    space = PrecisionSpace(networks, precisions) if len(precisions) > 1 else networks
    rows = store.evaluations_in(space)
    models = (*result.front, *result.dropped)
    _check_models(space, models, folder.front)
    explained = _explained(predictor, rows, models)
    return ReportContent(
        result,
        config,
        document.versions,
        points=tuple(_point(space, networks, row) for row in rows),
        validations=_validations(networks, precisions, config, predictor),
        contributions=explained if isinstance(explained, dict) else {},
        no_contributions_reason=explained if isinstance(explained, str) else "",
        learning=recorded_curves(store),
        expected_provenance=predictor.provenance if predictor else Provenance.MEASURED,
        blocks={model.id: _blocks(networks, predictor, model) for model in models},
        judged=recorded_judgements(folder),
        progress=None
        if len(result.objectives) > len(TWO)  # its hypervolume has a dimension for each
        else hypervolume_curve(rows, result.constraint.max_latency_ms),
        conditions=tuple(_conditions(networks, precisions, config)),
    )


def _blocks(
    networks: NetworkSpace, predictor: ArchitecturePredictor | None, model: Model
) -> tuple[DrawnBlock, ...]:
    architecture = networks.architecture(model.architecture["choices"])
    part = predictor.parts.get(model.precision) if predictor else None
    if part is None and predictor is not None and len(predictor.parts) == 1:  # its runtime converts files
        part = next(iter(predictor.parts.values()))
    return drawn_network(networks, architecture, part)


def _conditions(
    networks: NetworkSpace, precisions: Sequence[Precision], config: RunConfig
) -> Iterator[tuple[str, str]]:
    """Of the tables that the run's latencies are from, as far as they are still there."""
    if config.table_checksum is None:
        return
    for precision in precisions:
        with suppress(FileFormatError):
            if (found := find_table(config.device.at(precision))) is not None:
                yield from table_rows(found[1], networks.signature)


def _explained(
    predictor: ArchitecturePredictor | None, rows: Sequence[Evaluation], models: Sequence[Model]
) -> dict[str, tuple[Contribution, ...]] | str:
    """The contributions of each model's choices, by id; or the reason why there are none."""
    if predictor is None:
        return _TABLE_CHANGED
    space = predictor.space
    evaluated = {space.architecture(row.choices): row.accuracy for row in rows if row.accuracy is not None}
    chosen = [_searched(space, model) for model in models]
    found = contributions(space, predictor, evaluated, chosen)
    return dict(zip((model.id for model in models), found, strict=True)) if found else _TOO_FEW


def _check_models(space: ArchitectureSpace, models: Sequence[Model], path: Path) -> None:
    """Raise FileFormatError unless models are architectures of the space that was searched."""
    for model in models:
        try:
            _searched(space, model)
        except InputError as error:
            raise FileFormatError(path, f"model {model.id}", error.problem, error.hint) from None


def _searched(space: ArchitectureSpace, model: Model) -> Architecture:
    """A model as an architecture of the space that was searched."""
    choices = model.architecture["choices"]
    return space.architecture([model.precision, *choices] if isinstance(space, PrecisionSpace) else choices)


def _predictor(
    networks: NetworkSpace, precisions: Sequence[Precision], config: RunConfig
) -> ArchitecturePredictor | None:
    """The source of the run's latencies; None if one of the device's tables has changed or is gone."""
    try:
        has_table = any(find_table(config.device.at(each)) for each in precisions)
        if config.table_checksum is not None and not has_table:
            return None
        predictor = by_precision(
            networks, precisions, lambda each: _predictor_in(networks, config.device.at(each), config)
        )
    except (FileFormatError, IncompleteTableError):
        return None
    return predictor if predictor.table_checksum == config.table_checksum else None


def _validations(
    networks: NetworkSpace,
    precisions: Sequence[Precision],
    config: RunConfig,
    predictor: ArchitecturePredictor | None,
) -> tuple[Validation, ...]:
    """Those of the predictions that the run went by; of several precisions, checksums follow from the predictor."""
    checksums: dict[Precision, str | None] = {}
    if len(precisions) == 1:
        checksums[precisions[0]] = config.table_checksum
    elif predictor is not None:
        checksums = {precision: part.table_checksum for precision, part in predictor.parts.items()}
    found = (
        find_validation(config.device.at(precision), networks.signature, checksum)
        for precision, checksum in checksums.items()
    )
    return tuple(each for each in found if each is not None)


def _predictor_in(networks: NetworkSpace, device: Device, config: RunConfig) -> NetworkPredictor:
    """That of the table, which the run had, or of the device's model."""
    found = None if config.table_checksum is None else find_table(device)
    if found is None:
        return by_resolution(networks, lambda each: predictor_from_device(each, device))
    return by_resolution(networks, lambda each: predictor_from_table(each, device, found[1], "interpolate"))


def _point(space: ArchitectureSpace, networks: NetworkSpace, row: Evaluation) -> Point:
    architecture, precision = space.architecture(row.choices), ""
    if isinstance(space, PrecisionSpace):
        precision, architecture = space.split(architecture)
    residuals = [block for block in networks.blocks(architecture) if isinstance(block, MBConv)]
    return Point(
        id=row.id,
        choices=row.choices,
        accuracy=row.accuracy,
        kind=row.kind,
        latency=row.latency,
        resolution=networks.resolution_of(architecture),
        params=networks.parameters(architecture),
        macs=networks.macs(architecture),
        reason=row.reason,
        precision=precision,
        kernels=tuple(block.kernel for block in residuals),
        expansions=tuple(block.expansion for block in residuals),
    )
