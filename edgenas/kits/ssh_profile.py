"""Profiling a board over SSH: the kit is made here, measured there, and its results become a table here."""

import tempfile
from pathlib import Path

from edgenas.device import Device
from edgenas.errors import DeviceError, FileFormatError
from edgenas.kits.kit_archive import make_kit
from edgenas.kits.kit_results import ImportReport, KitResults, read_results, table_from_results
from edgenas.kits.ssh import SshBoard
from edgenas.progress import Progress
from edgenas.space import NetworkSpace


def profile_over_ssh(
    board: SshBoard,
    space: NetworkSpace,
    device: Device,
    networks: int,
    samples: int | None,
    seed: int,
    progress: Progress,
) -> tuple[KitResults, ImportReport]:
    """Profile a board; the other arguments are those of `make_kit`.

    An interrupted profile goes on when it is repeated: the kit is the same, and the board keeps what it measured.

    Raises:
        DeviceError: the board cannot be reached, or cannot measure.
    """
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        made = make_kit(Path(folder, "kit.zip"), space, device, networks, samples, seed, progress)
        text = board.measure(made.path.read_bytes(), progress)
        path = Path(folder, "results.json")
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            results = read_results(path)
        except FileFormatError as error:
            reason = error.problem.removeprefix(f"{path}: ")
            raise DeviceError(f"{board.host} sent what are no results ({reason})", "is it the right board?") from None
        if results.manifest_sha256 != made.manifest_sha256 or results.plan != made.plan:
            raise DeviceError(f"{board.host} sent the results of another kit", "repeat the command")
        return results, table_from_results(results, device, path)
