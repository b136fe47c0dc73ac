"""Profiling boards over SSH: the kit is made here, measured there, and its results become a table here."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.kits.fleet import fleet_results
from edgenas.kits.kit_archive import MadeKit, make_kit
from edgenas.kits.kit_plan import KitPlan
from edgenas.kits.kit_results import (
    ImportReport,
    KitResults,
    check_keys,
    save_imported,
    table_from_results,
)
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_kit import measure_kit, measure_kits, usable
from edgenas.progress import Progress
from edgenas.space import NetworkSpace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SshProfile:
    """What boards measured, and the table that it was saved to."""

    table: Path
    results: KitResults
    report: ImportReport


def profile_over_ssh(
    boards: Sequence[SshBoard],
    space: NetworkSpace,
    device: Device,
    networks: int,
    samples: int | None,
    seed: int,
    progress: Progress,
) -> SshProfile:
    """Profile boards, of one kind if there are several; the other arguments are those of `make_kit`.

    An interrupted profile goes on when it is repeated: the kit is the same, and a board keeps what it measured.

    Raises:
        DeviceError: a board cannot be reached, cannot measure, or sends what are not results. Of several boards, the
            table is that of the others.
        InputError: the table cannot be written; the boards keep the results.
    """

    def make(path: Path) -> MadeKit[KitPlan]:
        return make_kit(path, space, device, networks, samples, seed, progress)

    def saved(results: KitResults, path: Path) -> SshProfile:
        with usable(board, path):
            report = table_from_results(results, device, path)
        return SshProfile(save_imported(device, results, report), results, report)

    board, *others = boards
    if not others:
        return measure_kit(board, make, KitResults, saved, progress)

    def saved_of_all(found: dict[str, KitResults], failures: list[DeviceError]) -> SshProfile:
        return save_fleet(boards, found, failures, device)

    return measure_kits(boards, make, KitResults, saved_of_all, progress)


def save_fleet(
    boards: Sequence[SshBoard], found: dict[str, KitResults], failures: list[DeviceError], device: Device
) -> SshProfile:
    """Save what several boards measured.

    Raises:
        DeviceError: after saving the others' results if some boards failed; their results contradict each other.
        InputError: the table cannot be written.
    """
    for failure in failures:
        log.warning("%s", failure)
    if not found:
        raise failures[0]
    path = Path("results")
    for board in boards:
        if board.host in found:
            with usable(board, path):
                check_keys(found[board.host], path)
    fleet = fleet_results(found)
    report = table_from_results(fleet, device, path)
    report = replace(report, table=report.table.model_copy(update={"boards": fleet.boards}))
    table = save_imported(device, fleet, report)
    if failures:
        raise DeviceError(
            f"{len(failures)} of {len(boards)} boards could not be measured (see the warnings above); the table "
            f"{table} is that of {', '.join(found)}",
            "repeat the command for all of them",
        )
    return SshProfile(table, fleet, report)
