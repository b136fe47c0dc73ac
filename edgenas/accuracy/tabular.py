"""Accuracies looked up in a published table, where every network of a space has been trained already."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from typing_extensions import override

from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.errors import FileFormatError, InputError
from edgenas.formats import MAX_FILE_BYTES
from edgenas.space import Architecture, ArchitectureSpace

COLUMNS = ("arch", "accuracy_percent")
_GZIP = b"\x1f\x8b"


class TabularEvaluator(Evaluator):
    """Test accuracy by architecture; made by `evaluator_from_csv`.

    Args:
        space: whose architectures the table has.
        accuracies: fractions 0..1.
        path: where they are from, for messages.
    """

    kind: AccuracyKind = "test"

    def __init__(
        self, space: ArchitectureSpace, accuracies: Mapping[Architecture, float], path: Path
    ) -> None:
        self._space = space
        self._accuracies = dict(accuracies)
        self._path = path

    @override
    def evaluate(self, architecture: Architecture, rival: float | None = None) -> float:
        """Look it up; there is nothing to stop early for a `rival`.

        Raises:
            InputError: the table lacks it.
        """
        if architecture not in self._accuracies:
            raise InputError(
                f"{self._path}: has no row for {self._space.text(architecture)}",
                f"use a table of all of {self._space.name}",
            )
        return self._accuracies[architecture]


def evaluator_from_csv(path: Path, space: ArchitectureSpace) -> TabularEvaluator:
    """Read a table with the columns `arch` (as `space.text` writes it) and `accuracy_percent`; others are ignored.

    Where several rows are one network, trained more than once, it gets their mean.

    Args:
        path: CSV in UTF-8, also compressed with gzip; 64 MiB at most, before and after.
        space: whose architectures the rows name.

    Raises:
        FileFormatError: a file that is missing, too large or no such table; names the row, the header being row 1.
    """
    found: dict[Architecture, list[float]] = {}
    for number, (name, percent) in _rows(path):
        try:
            architecture = space.architecture_from_text(name)
        except InputError as error:
            raise FileFormatError(path, f"row {number}: arch", error.problem, error.mend) from None
        found.setdefault(architecture, []).append(_fraction(percent, path, number))
    if not found:
        raise FileFormatError(path, "", "has no rows", "give a row for each architecture")
    return TabularEvaluator(space, {a: sum(values) / len(values) for a, values in found.items()}, path)


def _fraction(percent: str, path: Path, number: int) -> float:
    try:
        value = float(percent)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise FileFormatError(
            path, f"row {number}: accuracy_percent", f"found {percent[:40]!r}", "use a number from 0 to 100"
        )
    return value / 100


def _rows(path: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Number of each row, and its two columns."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        for column in COLUMNS:
            if column not in header:
                raise FileFormatError(path, "", f"has no column {column}", "name it in the first row")
        places = [header.index(column) for column in COLUMNS]
        for number, row in enumerate(reader, start=2):
            if row and len(row) != len(header):
                raise FileFormatError(
                    path, f"row {number}", f"has {len(row)} of {len(header)} columns", "complete the row"
                )
            if row:
                yield number, (row[places[0]], row[places[1]])
    except csv.Error as error:
        raise FileFormatError(path, f"row {reader.line_num}", f"is not CSV ({error})", "correct it") from None


def _text(path: Path) -> str:
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
