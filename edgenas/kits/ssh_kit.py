"""A kit made here, measured on a board over SSH, and its results checked here."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from edgenas.errors import DeviceError, FileFormatError
from edgenas.kits.kit_archive import MadeKit
from edgenas.kits.kit_results import BoardResults, read_results
from edgenas.kits.ssh import SshBoard
from edgenas.progress import Progress

R = TypeVar("R", bound=BoardResults[Any])
T = TypeVar("T")


def measure_kit(
    board: SshBoard,
    make: Callable[[Path], MadeKit[Any]],
    kind: type[R],
    accept: Callable[[R, Path], T],
    progress: Progress,
) -> T:
    """Make a kit, measure it on a board, and make something of its results.

    Args:
        board: measures it, and keeps the results until `accept` returns.
        make: writes the kit to a path.
        kind: of the results.
        accept: makes something of them; the path is for messages.
        progress: told of the board's progress.

    Raises:
        DeviceError: the board cannot be reached, cannot measure, or sends what are not results of this kit.
    """
    found: list[T] = []
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder:
        made = make(Path(folder, "kit.zip"))
        path = Path(folder, "results.json")

        def take(text: str) -> None:
            path.write_text(text, encoding="utf-8", errors="replace")
            with usable(board, path):
                results = read_results(path, kind)
            if results.manifest_sha256 != made.manifest_sha256 or results.plan != made.plan:
                raise DeviceError(f"{board.host} sent the results of another kit", "repeat the command")
            found.append(accept(results, path))

        board.measure(made.path.read_bytes(), take, progress)
    return found[-1]


@contextmanager
def usable(board: SshBoard, path: Path) -> Iterator[None]:
    """Turn what is wrong with results in a file into a DeviceError that names the board."""
    try:
        yield
    except (FileFormatError, DeviceError) as error:
        reason = error.problem.removeprefix(f"{path}: ")
        raise DeviceError(f"{board.host} sent what cannot be used ({reason})", "repeat the command") from None
