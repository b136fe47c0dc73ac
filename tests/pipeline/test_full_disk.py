"""A disk that fills at any write of a search: nothing is torn, and the same call goes on once there is room."""

import errno
import itertools
import json
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from edgenas.api.search import search
from edgenas.errors import InputError
from edgenas.formats import PART
from edgenas.storage import run_store
from edgenas.storage.search_result import SearchResult

ASKED: dict[str, Any] = {"evaluations": 4, "finalists": 1, "run": "full"}


class Disk:
    """Has room for so many writes of files and of the store; from then on it is full."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.room = 0
        real_sync = os.fsync
        disk = self

        def sync(file: int) -> None:
            if disk.is_full():
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real_sync(file)

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
                if statement.startswith(("INSERT", "DELETE")) and disk.is_full():
                    error = sqlite3.OperationalError("database or disk is full")
                    error.sqlite_errorname = "SQLITE_FULL"
                    raise error
                return super().execute(statement, *values)

        patch.setattr(os, "fsync", sync)
        patch.setattr(run_store.sqlite3, "connect", partial(sqlite3.connect, factory=Connection))

    def is_full(self) -> bool:
        """Whether there was no room for this write."""
        self.room -= 1
        return self.room < 0


def test_every_write_of_a_search_may_fail(
    image_folder: Path,
    tmp_path: Path,
    hurry: Callable[[pytest.MonkeyPatch, int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurry(monkeypatch, 1)
    for name in ("whole", "full"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "whole")
    whole = search("pi5", "20ms", str(image_folder), **ASKED)
    monkeypatch.chdir(tmp_path / "full")
    disk = Disk(monkeypatch)
    known: list[tuple[object, ...]] = []
    for room in itertools.count():
        disk.room = room
        try:
            found = search("pi5", "20ms", str(image_folder), **ASKED)
            break
        except InputError as error:
            assert "free some space" in str(error) and "repeat the command" in str(error)
        rows = _whole_files()
        assert rows[: len(known)] == known
        known = rows
    assert room > 10
    assert _essence(found) == _essence(whole)
    assert [row[1:3] for row in _whole_files()] == [row[1:3] for row in _evaluations(tmp_path / "whole")]


def _whole_files() -> list[tuple[object, ...]]:
    """The evaluations, once it is seen that every file is whole."""
    assert not [*Path().rglob(f"*{PART}")]
    for path in Path().rglob("*.json"):
        json.loads(path.read_text())
    for path in Path().rglob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert file.keys()
    return _evaluations(Path())


def _evaluations(folder: Path) -> list[tuple[object, ...]]:
    path = folder / "runs/full/run.sqlite"
    if not path.exists():
        return []
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return connection.execute("SELECT sequence, id, accuracy, seconds FROM evaluations").fetchall()


def _essence(result: SearchResult) -> dict[str, object]:
    """The result but for how long it took."""
    return result.model_dump(exclude={"seconds"})
