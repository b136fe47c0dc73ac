"""Profiling a board over SSH: the kit is made here, measured there, and its results become a table here."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgenas.device import Device
from edgenas.errors import DeviceError, FileFormatError
from edgenas.kits.kit_archive import MadeKit, make_kit
from edgenas.kits.kit_results import (
    ImportReport,
    KitResults,
    read_results,
    save_imported,
    table_from_results,
)
from edgenas.kits.ssh import SshBoard
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
    found: list[SshProfile] = []
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        made = make_kit(Path(folder, "kit.zip"), space, device, networks, samples, seed, progress)

        def accept(text: str) -> None:
            path = Path(folder, "results.json")
            path.write_text(text, encoding="utf-8", errors="replace")
            results, report = _checked(path, board, made, device)
            found.append(SshProfile(save_imported(device, results, report), results, report))

        board.measure(made.path.read_bytes(), accept, progress)
    return found[-1]


def _checked(path: Path, board: SshBoard, made: MadeKit, device: Device) -> tuple[KitResults, ImportReport]:
    """The results in a file that came from the board; raises a DeviceError if they cannot be used."""
    try:
        results = read_results(path)
        if results.manifest_sha256 != made.manifest_sha256 or results.plan != made.plan:
            raise DeviceError(f"{board.host} sent the results of another kit", "repeat the command")
        return results, table_from_results(results, device, path)
    except (FileFormatError, DeviceError) as error:
        reason = error.problem.removeprefix(f"{path}: ")
        raise DeviceError(f"{board.host} sent what cannot be used ({reason})", "repeat the command") from None
