"""Published benchmark tables: CSV files with one row of figures per architecture."""

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgenas.errors import FileFormatError, InputError
from edgenas.file_content import content_of
from edgenas.formats import MAX_FILE_BYTES
from edgenas.space.architecture import Architecture, ArchitectureSpace

ARCHITECTURE_COLUMN = "arch"
"""The column of architectures, in the form of their space's `text`."""

_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers: its name, which values are valid, and the hint for an invalid one."""

    name: str
    allows: Callable[[float], bool]
    hint: str


def figures_from_csv(path: Path, space: ArchitectureSpace, column: Column) -> dict[Architecture, float]:
    """Read one column of a table, by architecture in file order; other columns are ignored.

    Several rows of the same network are replaced by their mean.

    Args:
        path: UTF-8 CSV, optionally gzipped; at most 64 MiB before and after decompression.
        space: the space of the architectures in the column `arch`, which are in the form of `space.text`.
        column: the column to read.

    Raises:
        FileFormatError: the file is missing, too large or not such a table; names the row, counting the header as 1.
    """
    found: dict[Architecture, list[float]] = {}
    for number, (name, value) in _rows(path, (ARCHITECTURE_COLUMN, column.name)):
        try:
            architecture = space.architecture_from_text(name)
        except InputError as error:
            raise FileFormatError(
                path, f"row {number}: {ARCHITECTURE_COLUMN}", error.problem, error.hint
            ) from None
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
    """Number and the two columns of each row."""
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
        raise FileFormatError(
            path, f"row {reader.line_num}", f"is not CSV ({error})", "fix that row"
        ) from None


def text_from_file(path: Path) -> str:
    """The decompressed text of a file, of limited size."""
    try:
        content = content_of(path, MAX_FILE_BYTES, "give a smaller table")
        if content.startswith(_GZIP):
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise FileFormatError(path, "", "is larger than 64 MiB", "give a smaller table")
        return content.decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(path, "", f"is a damaged gzip file ({error})", "download it again") from None
    except UnicodeDecodeError:
        raise FileFormatError(path, "", "is neither UTF-8 CSV nor gzip", "provide one of these") from None
