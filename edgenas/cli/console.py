"""Output: tables and JSON on stdout; progress and warnings on stderr."""

import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgenas.board.problem import one_line, printable
from edgenas.errors import MAX_MESSAGE
from edgenas.progress import Progress
from edgenas.units import format_seconds

if TYPE_CHECKING:
    from pydantic import BaseModel

SEE = "edgenas doctor says why; of a board, run.py --check there"
"""Where to find out what disturbs a measurement."""

PLAIN_INTERVAL_S = 15.0
"""Seconds between progress lines of a phase if stderr is not a terminal."""


def print_json(result: "BaseModel") -> None:
    """Print the dump of a result as one JSON object on stdout."""
    sys.stdout.write(json.dumps(result.model_dump(mode="json"), indent=2, allow_nan=False) + "\n")


def print_lines(*lines: str) -> None:
    """Print lines on stdout."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] = ()
) -> None:
    """Print a table on stdout; columns are right-aligned except the first and those in `left`."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 or column in left else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text("\n".join(map(printable, cell.split("\n")))) for cell in row))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def bar(length: int) -> str:
    """A bar of so many characters, of what stdout can show."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * length
    return "█" * length


def disturbance_lines(retaken: int, disturbed: float, advice: str = SEE) -> list[str]:
    """Lines about timings during which the machine was not at its usual speed, and how to find out why."""
    if not retaken:
        return []
    rest = f"; for {disturbed:.1%} of all timings it still was ({advice})" if disturbed else ""
    return [f"{retaken} timings were repeated because the machine was slower or faster than usual{rest}"]


@contextmanager
def reporting() -> Iterator[Progress]:
    """Yield a progress callback that draws bars with the remaining time on stderr; warnings go there too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(levelname)s: %(message)s"))
    logger = logging.getLogger("edgenas")
    logging.addLevelName(logging.WARNING, "warning")
    logger.addHandler(handler)
    try:
        if sys.stderr.isatty():
            with _bars() as progress:
                yield progress
        else:
            yield _PlainProgress()
    finally:
        logger.removeHandler(handler)


class _OneLine(logging.Formatter):
    """What a warning quotes may come from anywhere."""

    def format(self, record: logging.LogRecord) -> str:
        return one_line(super().format(record), MAX_MESSAGE)


class _PlainProgress:
    """For logs and pipes: a line when a phase starts, at intervals, and when it ends."""

    def __init__(self) -> None:
        self._shown_at: dict[str, float] = {}
        self._began: dict[str, tuple[float, float]] = {}

    def __call__(self, phase: str, done: float, total: float, detail: str = "") -> None:
        now = time.monotonic()
        began_at, done_then = self._began.setdefault(phase, (now, done))
        if now - self._shown_at.get(phase, -PLAIN_INTERVAL_S) >= PLAIN_INTERVAL_S:
            self._shown_at[phase] = now
            # What an earlier session did tells nothing about the rate of this one.
            left_s = (now - began_at) / (done - done_then) * (total - done) if done > done_then else None
            remarks = ", ".join(
                [*([detail] if detail else []), *([f"{format_seconds(left_s)} left"] if left_s else [])]
            )
            sys.stderr.write(f"{phase}: {done:g} of {total:g}{f' ({remarks})' if remarks else ''}\n")
        if done >= total > 0:
            sys.stderr.write(f"{phase}: done{f' ({detail})' if detail else ''}\n")
            self._shown_at.pop(phase, None)
            self._began.pop(phase, None)
        sys.stderr.flush()


def _who(phase: str) -> str:
    """The board, or the image size, whose phase it is."""
    return phase.rpartition(": ")[0]


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def progress(phase: str, done: float, total: float, detail: str = "") -> None:
            if phase not in tasks:
                # One may have ended before its total, as under a time budget; those of other boards go on.
                for earlier, task in tasks.items():
                    if _who(earlier) == _who(phase):
                        bars.stop_task(task)
                tasks[phase] = bars.add_task(phase, detail=detail)
            bars.update(tasks[phase], completed=done, total=total, detail=detail)

        yield progress
