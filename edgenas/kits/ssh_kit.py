"""A kit made here, measured on boards over SSH, and its results checked here."""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from edgenas.errors import DeviceError, FileFormatError
from edgenas.kits.kit_archive import MadeKit
from edgenas.kits.kit_results import BoardResults, read_results
from edgenas.kits.ssh import SshBoard
from edgenas.progress import Progress

R = TypeVar("R", bound=BoardResults[Any])
T = TypeVar("T")

WAIT_S = 0.1

KEPT = "what was measured is kept on the board: repeat the command to go on"

log = logging.getLogger(__name__)


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

        try:
            board.measure(made.path.read_bytes(), take, progress)
        except KeyboardInterrupt:
            log.warning(KEPT)
            raise
    return found[-1]


def measure_kits(
    boards: Sequence[SshBoard],
    make: Callable[[Path], MadeKit[Any]],
    kind: type[R],
    accept: Callable[[dict[str, R], list[DeviceError]], T],
    progress: Progress,
) -> T:
    """Make a kit, measure it on several boards at once, and make something of all results.

    Args:
        boards: measure it, and keep their results until `accept` returns, however long the others take.
        make: as in `measure_kit`.
        kind: likewise.
        accept: makes something of the results, by host in the order of the boards, and of the reasons why others have
            none.
        progress: told of the boards' progress, by one thread at a time.

    Raises:
        DeviceError: as `accept` does.
    """
    saved, stopped = threading.Event(), threading.Event()
    reports: SimpleQueue[tuple[str, R | Exception]] = SimpleQueue()
    one_at_a_time = _one_at_a_time(progress)
    with tempfile.TemporaryDirectory(prefix="edgenas-") as folder, ThreadPoolExecutor(len(boards)) as pool:
        made = make(Path(folder, "kit.zip"))
        archive = made.path.read_bytes()

        def measured(number: int, board: SshBoard) -> None:
            path = Path(folder, f"results-{number}.json")

            def take(text: str) -> None:
                reports.put((board.host, _checked(text, path, board, made, kind)))
                while not saved.wait(WAIT_S):
                    if stopped.is_set():
                        raise InterruptedError  # the board keeps its results

            try:
                board.measure(archive, take, one_at_a_time, stopped.wait, stopped)
            except Exception as error:  # raised again by the thread that waits for it
                reports.put((board.host, error))

        try:
            for number, board in enumerate(boards):
                pool.submit(measured, number, board)
            outcomes = dict(reports.get() for _ in boards)
            failures: list[DeviceError] = []
            found: dict[str, R] = {}
            for board in boards:
                outcome = outcomes[board.host]
                if isinstance(outcome, DeviceError):
                    failures.append(outcome)
                elif isinstance(outcome, Exception):
                    raise outcome
                else:
                    found[board.host] = outcome
            made_of_them = accept(found, failures)
            saved.set()
        except BaseException as error:  # such as Ctrl-C; the pool waits for its threads
            stopped.set()
            if isinstance(error, KeyboardInterrupt):
                log.warning(KEPT)
            raise
    return made_of_them


def _one_at_a_time(progress: Progress) -> Progress:
    lock = threading.Lock()

    def locked(phase: str, done: float, total: float, detail: str = "") -> None:
        with lock:
            progress(phase, done, total, detail)

    return locked


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
