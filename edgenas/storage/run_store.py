"""The run's SQLite store: every evaluation is committed as soon as it is made."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Json

from edgenas.device import Provenance
from edgenas.errors import InputError, RunConflictError
from edgenas.formats import MAX_MS, Document
from edgenas.latency.latency import Latency
from edgenas.space import ArchitectureSpace
from edgenas.storage.events import Id, Seconds, Share, payload_of
from edgenas.storage.store_problems import damaged, told

_SCHEMA = """
BEGIN;
CREATE TABLE evaluations (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    choices TEXT NOT NULL,
    accuracy REAL,
    kind TEXT NOT NULL,
    predicted_ms REAL NOT NULL,
    low_ms REAL NOT NULL,
    high_ms REAL NOT NULL,
    provenance TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL
);
CREATE TABLE attempts (
    id TEXT PRIMARY KEY,
    count INTEGER NOT NULL
);
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    unix_time REAL NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL
);
COMMIT;
"""

_COLUMNS = {"attempts": "id, count", "events": "sequence, unix_time, name, payload"}

_Ms = Annotated[float, Field(ge=0, le=MAX_MS)]


class _Row(Document, strict=True):
    """The columns of an evaluation as they are read: SQLite keeps anything in any column."""

    id: Id
    choices: Json[tuple[str, ...]]
    accuracy: Share | None
    kind: Literal["supernet", "validation", "test"]
    predicted_ms: _Ms
    low_ms: _Ms
    high_ms: _Ms
    provenance: Provenance = Field(strict=False)
    reason: str
    seconds: Seconds

    @property
    def evaluation(self) -> "Evaluation":
        latency = Latency(self.predicted_ms, self.low_ms, self.high_ms, self.provenance)
        return Evaluation(self.id, self.choices, self.accuracy, self.kind, latency, self.reason, self.seconds)


_ROW = ", ".join(_Row.model_fields)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluated architecture; `accuracy` is None if the evaluation failed, for the `reason` given."""

    id: str
    choices: tuple[str, ...]
    accuracy: float | None
    kind: str
    latency: Latency
    reason: str = ""
    seconds: float = 0.0


class RunStore:
    """The evaluations and events of a run, on disk. For one process at a time; each write is a separate transaction.

    What is read is checked: an error says what a damaged store still allows.

    Args:
        path: the SQLite file, created if missing; it uses a write-ahead log, so that readers never wait.
        writable: False only reads, also from a folder that is read-only, or while another process is writing.

    Raises:
        RunConflictError: the store cannot be used now; later also if it was removed or replaced meanwhile.
        FileFormatError: it is damaged; without `writable`, also if there is none.
    """

    def __init__(self, path: Path, writable: bool = True) -> None:
        self.path = path
        self._absolute = path.absolute()  # an evaluator of somebody else may change the working folder
        if not path.is_file() and (path.exists() or not writable):
            raise damaged(path, "it is no file" if path.exists() else "it is missing")
        with told(path):
            self._connection = sqlite3.connect(
                path if writable else _read_only(path), isolation_level=None, uri=not writable
            )
            try:
                self._check()
                if writable:
                    self._prepare()
            except BaseException:
                self._connection.close()
                raise
        self._place = self._found_at()

    def _check(self) -> None:
        """Raise ValueError if a page, or one of the tables, is damaged or lacks columns."""
        (verdict,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise ValueError(" ".join(verdict.split()))
        if not self._is_new:
            for table, columns in ({"evaluations": f"sequence, {_ROW}"} | _COLUMNS).items():
                self._connection.execute(f"SELECT {columns} FROM {table} LIMIT 0")

    @property
    def _is_new(self) -> bool:
        return self._connection.execute("SELECT name FROM sqlite_master").fetchone() is None

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        if self._is_new:
            self._connection.executescript(_SCHEMA)

    def _found_at(self) -> tuple[int, int] | None:
        """Which file is there now. One that is open cannot give its number to another."""
        try:
            found = self._absolute.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def check_place(self) -> None:
        """Raise RunConflictError if the run's folder was removed, moved or begun anew by somebody else."""
        if self._found_at() != self._place:
            raise RunConflictError(
                f"{self.path.parent} was removed, moved or replaced while its run was in progress",
                "to begin again, repeat the command",
            )

    def _write(self, statement: str, *values: object) -> None:
        self.check_place()
        with told(self.path):
            self._connection.execute(statement, values)

    def _read(self, statement: str, *values: object) -> list[Any]:
        self.check_place()
        with told(self.path):
            return self._connection.execute(statement, values).fetchall()

    def close(self) -> None:
        """Close the file; the store cannot be used afterwards."""
        self._connection.close()

    def add(self, evaluation: Evaluation) -> None:
        """Commit one evaluation; each id can be added only once."""
        row = {
            "id": evaluation.id,
            "choices": json.dumps(evaluation.choices),
            "accuracy": evaluation.accuracy,
            "kind": evaluation.kind,
            "reason": evaluation.reason,
            "seconds": evaluation.seconds,
            **evaluation.latency.columns,
        }
        columns = ", ".join(row)
        placeholders = ", ".join("?" * len(row))
        self._write(f"INSERT INTO evaluations ({columns}) VALUES ({placeholders})", *row.values())

    @contextmanager
    def attempt(self, id_: str) -> Iterator[int]:
        """Mark an evaluation as started until it ends in any way; yields how often the process died during it before.

        Only a dying process leaves the mark, which tells a resumed run what killed it.
        """
        ((deaths,),) = self._read("SELECT count FROM attempts WHERE id = ?", id_) or [(0,)]
        if not (isinstance(deaths, int) and 0 <= deaths < 2**31):
            raise damaged(self.path, "attempts.count is no count")
        self._write("INSERT OR REPLACE INTO attempts VALUES (?, ?)", id_, deaths + 1)
        try:
            yield deaths
        finally:
            self._write("DELETE FROM attempts WHERE id = ?", id_)

    def evaluations(self) -> list[Evaluation]:
        """All evaluations, in the order they were made."""
        rows = self._read(f"SELECT {_ROW} FROM evaluations ORDER BY sequence")
        with told(self.path):
            named = (dict(zip(_Row.model_fields, row, strict=True)) for row in rows)
            return [_Row.model_validate(row).evaluation for row in named]

    def evaluations_in(self, space: ArchitectureSpace) -> list[Evaluation]:
        """All evaluations; their choices must be those of a space."""
        found = self.evaluations()
        try:
            for each in found:
                space.architecture(each.choices)
        except InputError as error:
            raise damaged(self.path, error.problem) from None
        return found

    def record(self, name: str, **payload: Any) -> None:
        """Append an event."""
        self._write(
            "INSERT INTO events (unix_time, name, payload) VALUES (?, ?, ?)",
            time.time(),
            name,
            json.dumps(payload),
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Payloads of the events of this name, oldest first."""
        rows = self._read("SELECT payload FROM events WHERE name = ? ORDER BY sequence", name)
        with told(self.path):
            return [payload_of(name, text) for (text,) in rows]

    def last_event(self, name: str, **match: Any) -> dict[str, Any] | None:
        """Payload of the latest event of this name that has the given values; None if there is none."""
        matching = (p for p in reversed(self.events(name)) if all(p.get(k) == v for k, v in match.items()))
        return next(matching, None)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Record how long a phase takes in this session, even if it is interrupted."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.record("phase", phase=phase, seconds=time.monotonic() - start)

    def seconds(self) -> dict[str, float]:
        """Time spent in each phase, over all sessions except those that were killed."""
        total: dict[str, float] = {}
        for event in self.events("phase"):
            total[event["phase"]] = round(total.get(event["phase"], 0.0) + event["seconds"], 3)
        return total


def _read_only(path: Path) -> str:
    # Without a log, nobody is writing: opening the file as immutable creates no log and works in a read-only folder.
    immutable = not path.with_name(f"{path.name}-wal").exists()
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"


def stored_accuracies(path: Path) -> list[tuple[tuple[str, ...], float | None]]:
    """Choices and accuracy of each evaluation, read-only, from a store that another process may be writing.

    Raises:
        FileFormatError: the file is missing or not a run's store.
    """
    with closing(RunStore(path, writable=False)) as store:
        return [(each.choices, each.accuracy) for each in store.evaluations()]
