"""Profiling boards over SSH: the kit is made here, measured there, and its results become a table here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgenas.device import Device
from edgenas.errors import DeviceError
from edgenas.kits.fleet import fleet_results
from edgenas.kits.kit_archive import MadeKit, make_kit
from edgenas.kits.kit_plan import KitPlan
from edgenas.kits.kit_results import ImportReport, KitResults, save_imported, table_from_results
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_kit import measure_kit, measure_kits, usable
from edgenas.progress import Progress
from edgenas.space import NetworkSpace


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
        InputError: the table cannot be written; a single board keeps the results.
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
    found, failures = measure_kits(boards, make, KitResults, progress)
    if found:
        fleet = fleet_results(found)
        report = table_from_results(fleet, device, Path("results"))
        report = replace(report, table=report.table.model_copy(update={"boards": fleet.boards}))
        made = SshProfile(save_imported(device, fleet, report), fleet, report)
    if failures:
        rest = f"; the table {made.table} is of the other {len(found)}" if found else ""
        first = failures[0]
        raise DeviceError(f"{first.problem}{rest}", first.hint)
    return made
