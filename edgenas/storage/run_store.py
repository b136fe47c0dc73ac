"""The run's SQLite store: every evaluation is committed before the next begins."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgenas.device import Provenance
from edgenas.errors import FileFormatError, RunConflictError
from edgenas.latency.latency import Latency

_SCHEMA = """
CREATE TABLE IF NOT EXISTS evaluations (
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
CREATE TABLE IF NOT EXISTS attempts (
    id TEXT PRIMARY KEY,
    count INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    unix_time REAL NOT NULL,
    name TEXT NOT NULL,
    payload TEXT NOT NULL
);
"""


_ROW = "id, choices, accuracy, kind, predicted_ms, low_ms, high_ms, provenance, reason, seconds"


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

    Args:
        path: the SQLite file, created if missing; it uses a write-ahead log, so that readers never wait.

    Raises:
        RunConflictError: the file is not a run's store, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise RunConflictError(
                f"{path}: cannot be used ({error})", "delete it, or use another --run"
            ) from None

    def _write(self, statement: str, *values: object) -> None:
        try:
            self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            raise RunConflictError(
                f"{self.path}: cannot be written ({error})",
                "free some space, and repeat the command: it goes on",
            ) from None

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
        row = self._connection.execute("SELECT count FROM attempts WHERE id = ?", (id_,)).fetchone()
        deaths = row[0] if row else 0
        self._write("INSERT OR REPLACE INTO attempts VALUES (?, ?)", id_, deaths + 1)
        try:
            yield deaths
        finally:
            self._write("DELETE FROM attempts WHERE id = ?", id_)

    def evaluations(self) -> list[Evaluation]:
        """All evaluations, in the order they were made."""
        rows = self._connection.execute(f"SELECT {_ROW} FROM evaluations ORDER BY sequence")
        return [
            Evaluation(
                id_,
                tuple(json.loads(choices)),
                accuracy,
                kind,
                Latency(predicted_ms, low_ms, high_ms, Provenance(provenance)),
                reason,
                seconds,
            )
            for id_, choices, accuracy, kind, predicted_ms, low_ms, high_ms, provenance, reason, seconds in rows
        ]

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
        rows = self._connection.execute(
            "SELECT payload FROM events WHERE name = ? ORDER BY sequence", (name,)
        )
        return [json.loads(row[0]) for row in rows]

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


def stored_accuracies(path: Path) -> list[tuple[list[str], float | None]]:
    """Choices and accuracy of each evaluation, read-only, from a store that another process may be writing.

    Raises:
        FileFormatError: the file is missing or not a run's store.
    """
    # Without a log, nobody is writing: opening the file as immutable creates no log and works in a read-only folder.
    immutable = not path.with_name(f"{path.name}-wal").exists()
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            rows = connection.execute(
                "SELECT choices, accuracy FROM evaluations ORDER BY sequence"
            ).fetchall()
        return [(json.loads(choices), accuracy) for choices, accuracy in rows]
    except (sqlite3.Error, ValueError, TypeError) as error:
        raise FileFormatError(
            path, "", f"cannot be read as a run's store ({error})", "name another run"
        ) from None
