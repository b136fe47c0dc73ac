"""Profiling a board over SSH: the kit is made here, measured there, and its results become a table here."""

from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Device
from edgenas.kits.kit_archive import make_kit
from edgenas.kits.kit_results import ImportReport, KitResults, save_imported, table_from_results
from edgenas.kits.ssh import SshBoard
from edgenas.kits.ssh_kit import measure_kit, usable
from edgenas.progress import Progress
from edgenas.space import NetworkSpace


@dataclass(frozen=True, slots=True)
class SshProfile:
    """What a board measured, and the table that it was saved to."""

    table: Path
    results: KitResults
    report: ImportReport


def profile_over_ssh(
    board: SshBoard,
    space: NetworkSpace,
    device: Device,
    networks: int,
    samples: int | None,
    seed: int,
    progress: Progress,
) -> SshProfile:
    """Profile a board; the other arguments are those of `make_kit`.

    An interrupted profile goes on when it is repeated: the kit is the same, and the board keeps what it measured.

    Raises:
        DeviceError: the board cannot be reached, cannot measure, or sends what are not results.
        InputError: the table cannot be written; the board keeps the results.
    """

    def saved(results: KitResults, path: Path) -> SshProfile:
        with usable(board, path):
            report = table_from_results(results, device, path)
        return SshProfile(save_imported(device, results, report), results, report)

    return measure_kit(
        board,
        lambda path: make_kit(path, space, device, networks, samples, seed, progress),
        KitResults,
        saved,
        progress,
    )
