"""What a command prints on stdout: tables, lines and JSON."""

import json
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgenas.board.problem import printable
from edgenas.units import counted

if TYPE_CHECKING:
    from pydantic import BaseModel

SEE = "edgenas doctor says why; of a board, run.py --check there"
"""Where to find out what disturbs a measurement."""

WIDTH = 140
"""Columns of what is not shown on a terminal."""


def print_json(result: "BaseModel") -> None:
    """Print the dump of a result as one JSON object on stdout."""
    sys.stdout.write(json.dumps(result.model_dump(mode="json"), indent=2, allow_nan=False) + "\n")


def print_lines(*lines: str) -> None:
    """Print lines on stdout."""
    sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[str] = (),
    wrapped: Sequence[str] = (),
    drawn: Sequence[str] = (),
) -> None:
    """Print a table on stdout, as wide as the terminal allows; see `TextTable`."""
    from edgenas.cli.text_table import TextTable

    width = shutil.get_terminal_size((WIDTH, 0)).columns
    cleaned = [["\n".join(map(printable, cell.split("\n"))) for cell in row] for row in rows]
    print_lines(title, *TextTable(columns, cleaned, left, wrapped, drawn).lines(width))


def bar(length: int) -> str:
    """A bar of so many characters."""
    return "█" * length


def disturbance_lines(retaken: int, disturbed: float, advice: str = SEE) -> list[str]:
    """Lines about timings during which the machine was not at its usual speed, and how to find out why."""
    if not retaken:
        return []
    rest = f"; for {disturbed:.1%} of all timings it still was ({advice})" if disturbed else ""
    were = "was" if retaken == 1 else "were"
    return [
        f"{counted(retaken, 'timings')} {were} repeated because the machine was slower or faster than usual{rest}"
    ]
