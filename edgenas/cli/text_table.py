"""Tables of text in so many columns of a terminal; each row as lines where it is too narrow for a table."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

RULE = "─"


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table.

    Attributes:
        columns: their names; they are right-aligned but for the first and those named below.
        rows: a cell for each column, which may have several lines.
        left: columns that are left-aligned.
        wrapped: left-aligned columns whose lines may be broken between words.
        drawn: left-aligned columns that only illustrate others; they are left out where there is no room.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[str] = ()
    wrapped: Sequence[str] = ()
    drawn: Sequence[str] = ()

    def lines(self, width: int) -> list[str]:
        """The table, or its rows one after the other, in so many columns of a terminal."""
        for gap, widths in ((2, self._widths(False)), (2, self._widths(True)), (1, self._widths(True))):
            rule = sum(widths) + gap * (len(widths) - 1)
            if rule <= width:
                head, *rows = (self._row(cells, widths, " " * gap) for cells in (self.columns, *self.rows))
                return [*head, RULE * rule, *(line for row in rows for line in row)]
        if self.drawn:
            return self._without_drawn().lines(width)
        return [line for row in self.rows for line in self._record(row)]

    def _widths(self, least: bool) -> list[int]:
        """Those of the columns: the least, in which no word is broken, or those in which no line is."""

        def widest(column: str, cells: Sequence[str]) -> int:
            pieces = (
                cell.split() if least and column in self.wrapped else cell.splitlines() for cell in cells
            )
            return max(map(_cells, (column, *(piece for cell in pieces for piece in cell))))

        cells = zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        return list(map(widest, self.columns, cells))

    def _row(self, cells: Sequence[str], widths: Sequence[int], gap: str) -> list[str]:
        """The lines of a row."""
        in_lines = [
            textwrap.wrap(cell, width, break_on_hyphens=False)
            if column in self.wrapped
            else cell.splitlines()
            for column, cell, width in zip(self.columns, cells, widths, strict=True)
        ]
        return [
            gap.join(map(self._aligned, self.columns, parts, widths)).rstrip()
            for parts in zip_longest(*in_lines, fillvalue="")
        ]

    def _aligned(self, column: str, text: str, width: int) -> str:
        padding = " " * (width - _cells(text))
        is_left = column in (self.columns[0], *self.left, *self.wrapped, *self.drawn)
        return text + padding if is_left else padding + text

    def _without_drawn(self) -> "TextTable":
        kept = [i for i, column in enumerate(self.columns) if column not in self.drawn]
        rows = [[row[i] for i in kept] for row in self.rows]
        return TextTable([self.columns[i] for i in kept], rows, self.left, self.wrapped)

    def _record(self, row: Sequence[str]) -> list[str]:
        """A row as lines: its first cell, and below it what else is in it, after the names of the columns."""
        first, *others = (" ".join(cell.splitlines()) for cell in row)
        named = (
            f"{name}: {cell}" if name else cell
            for name, cell in zip(self.columns[1:], others, strict=True)
            if cell
        )
        return [first, *(f"  {line}" for line in named)]


def _cells(text: str) -> int:
    """Columns that a text takes: some characters take two."""
    from rich.cells import cell_len

    return cell_len(text)
