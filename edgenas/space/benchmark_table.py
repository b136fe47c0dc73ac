"""Published tables: CSV with a row for each architecture and what somebody found out about it."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgenas.errors import FileFormatError, InputError
from edgenas.formats import MAX_FILE_BYTES
from edgenas.space.architecture import Architecture, ArchitectureSpace

NAMES = "arch"
"""The column of architectures, as their space's `text` writes them."""

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers: its name, which values it may have, and what to tell who wrote another."""

    name: str
    allows: Callable[[float], bool]
    hint: str


def figures_from_csv(path: Path, space: ArchitectureSpace, column: Column) -> dict[Architecture, float]:
    """Read one column of a table, by architecture in the order of the file; other columns are ignored.

    Rows whose architectures are the same network count as one, which gets their mean.

    Args:
        path: CSV in UTF-8, also compressed with gzip; 64 MiB at most, before and after.
        space: whose architectures the column `arch` names, as `space.text` writes them.
        column: the column to read.

    Raises:
        FileFormatError: a file that is missing, too large or no such table; names the row, the header being row 1.
    """
    found: dict[Architecture, list[float]] = {}
    for number, (name, value) in _rows(path, (NAMES, column.name)):
        try:
            architecture = space.architecture_from_text(name)
        except InputError as error:
            raise FileFormatError(path, f"row {number}: {NAMES}", error.problem, error.hint) from None
        found.setdefault(architecture, []).append(_value(value, column, path, number))
    if not found:
        raise FileFormatError(path, "", "has no rows", "give a row for each architecture")
    return {architecture: sum(values) / len(values) for architecture, values in found.items()}


def _value(text: str, column: Column, path: Path, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not column.allows(value):
        raise FileFormatError(path, f"row {number}: {column.name}", f"found {text[:40]!r}", column.hint)
    return value


def _rows(path: Path, columns: tuple[str, str]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Number of each row, and its two columns."""
    reader = csv.reader(io.StringIO(text_from_file(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        for column in columns:
            if column not in header:
                raise FileFormatError(path, "", f"has no column {column}", "name it in the first row")
        first, second = (header.index(column) for column in columns)
        for number, row in enumerate(reader, start=2):
            if row and len(row) != len(header):
                raise FileFormatError(
                    path, f"row {number}", f"has {len(row)} of {len(header)} columns", "complete the row"
                )
            if row:
                yield number, (row[first], row[second])
    except csv.Error as error:
        raise FileFormatError(path, f"row {reader.line_num}", f"is not CSV ({error})", "correct it") from None


def text_from_file(path: Path) -> str:
    """The file, unpacked; never more of it than may be."""
    try:
        with path.open("rb") as file:
            content = _limited(file, path)
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = _limited(unpacked, path)
        return content.decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(path, "", f"is not gzip to its end ({error})", "fetch it again") from None
    except OSError as error:
        raise FileFormatError(path, "", f"cannot be read ({error.strerror})", "check the path") from None
    except UnicodeDecodeError:
        raise FileFormatError(path, "", "is neither CSV in UTF-8 nor gzip", "give such a file") from None


def _limited(file: io.BufferedIOBase, path: Path) -> bytes:
    content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise FileFormatError(path, "", "is larger than 64 MiB", "give a smaller table")
    return content
