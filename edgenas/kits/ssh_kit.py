"""A kit made here, measured on boards over SSH, and its results checked here."""

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
            found.append(accept(_checked(text, path, board, made, kind), path))

        board.measure(made.path.read_bytes(), take, progress)
    return found[-1]


def measure_kits(
    boards: Sequence[SshBoard], make: Callable[[Path], MadeKit[Any]], kind: type[R], progress: Progress
) -> tuple[dict[str, R], list[DeviceError]]:
    """Make a kit and measure it on several boards at once; arguments as of `measure_kit`.

    Returns:
        The results by host, in the order of the boards, and why others have none.
    """
    stopped = threading.Event()
    found: dict[str, R] = {}
    failures = []
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder, ThreadPoolExecutor(len(boards)) as pool:
        made = make(Path(folder, "kit.zip"))
        archive = made.path.read_bytes()

        def measured(number: int, board: SshBoard) -> None:
            path = Path(folder, f"results-{number}.json")

            def take(text: str) -> None:
                found[board.host] = _checked(text, path, board, made, kind)

            board.measure(archive, take, progress, stopped.wait, stopped)

        running = [pool.submit(measured, number, board) for number, board in enumerate(boards)]
        try:
            for each in running:
                try:
                    each.result()
                except DeviceError as error:
                    failures.append(error)
        except BaseException:  # such as Ctrl-C: the pool waits for its threads
            stopped.set()
            raise
    return {board.host: found[board.host] for board in boards if board.host in found}, failures


def _checked(text: str, path: Path, board: SshBoard, made: MadeKit[Any], kind: type[R]) -> R:
    """The results in a text that came from a board, which is kept in a file for messages."""
    path.write_text(text, encoding="utf-8", errors="replace")
    with usable(board, path):
        results = read_results(path, kind)
    if results.manifest_sha256 != made.manifest_sha256 or results.plan != made.plan:
        raise DeviceError(f"{board.host} sent the results of another kit", "repeat the command")
    return results


@contextmanager
def usable(board: SshBoard, path: Path) -> Iterator[None]:
    """Turn what is wrong with results in a file into a DeviceError that names the board."""
    try:
        yield
    except (FileFormatError, DeviceError) as error:
        reason = error.problem.removeprefix(f"{path}: ")
        raise DeviceError(f"{board.host} sent what cannot be used ({reason})", "repeat the command") from None
