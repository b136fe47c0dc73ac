"""Importing what a kit measured on a board."""

from pathlib import Path

from edgenas.api.profile import InferredInterval
from edgenas.board import host
from edgenas.device import Device, Provenance
from edgenas.errors import InputError
from edgenas.formats import Document
from edgenas.kits.kit_results import (
    ImportReport,
    KitResults,
    read_results,
    save_imported,
    table_from_results,
)
from edgenas.latency.table import Calibration
from edgenas.settings.keywords import taking
from edgenas.settings.latency_commands import KitImportSettings


class KitImportResult(Document):
    """The table that was written, and the quality of what the board measured.

    `entries` counts blocks in the table, timed or inferred; `measured` counts models that the board timed, `failed`
    says of the others why not. `unstable` lists keys of blocks, or ids of networks, with noisy timings. `changed` says
    which conditions changed meanwhile. `calibrations` are by image size; `incomplete` says of the other sizes what
    the board could not time. `interval` is that of a table inferred from a few networks. `energies` counts blocks whose
    energy was measured too.
    """

    table: Path
    device: str
    provenance: Provenance
    entries: int
    measured: int
    failed: dict[str, str]
    unstable: tuple[str, ...]
    retaken: int
    disturbed: float
    changed: tuple[str, ...]
    calibrations: dict[int, Calibration]
    incomplete: dict[int, str]
    interval: InferredInterval | None
    energies: int


@taking(KitImportSettings)
def kit_import(settings: KitImportSettings) -> KitImportResult:
    """Turn the results of a kit into the device's latency table, which searches and predictions then use.

    An existing table of the same board is extended.

    Raises:
        InputError: the file is not the results of a kit, or the device is not known here.
        DeviceError: too little could be timed on the board.
    """
    path = Path(settings.results)
    results = read_results(path, KitResults)
    device = results.plan.for_device(settings.device)
    if device.is_host and results.host != host.fingerprint(device.uses_gpu):
        raise InputError(
            f"device {device.name} is this machine, and {path} was measured on another one "
            f"({results.host_description})",
            "give the --device of the board",
        )
    report = table_from_results(results, device, path)
    return _result(save_imported(device, results, report), device, results, report)


def _result(path: Path, device: Device, results: KitResults, report: ImportReport) -> KitImportResult:
    few = report.few
    inference = few.inferred.inference if few else None
    return KitImportResult(
        table=path,
        device=device.name,
        provenance=Provenance.CALIBRATED if few else Provenance.MEASURED,
        entries=len(inference.block_ms) if inference else len(report.table.entries),
        measured=report.measured,
        failed=results.failed,
        unstable=report.unstable,
        retaken=results.retaken,
        disturbed=report.disturbed,
        changed=results.changed,
        calibrations=report.calibrations,
        incomplete=report.incomplete,
        interval=InferredInterval.of(few.inferred) if few else None,
        energies=len(report.table.energies),
    )
