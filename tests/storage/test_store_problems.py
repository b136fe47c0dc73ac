import sqlite3
from pathlib import Path

import pytest

from edgenas.errors import FileFormatError, RunConflictError
from edgenas.storage.store_problems import damaged, told

PATH = Path("runs/demo/run.sqlite")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "SQLITE_FULL",
            r"the disk is full \(oh\); free some space there, and repeat the command: it goes on from there",
        ),
        ("SQLITE_IOERR_FSYNC", r"the disk fails \(oh\); check it and its free space"),
        ("SQLITE_READONLY_DBMOVED", r"it may not be written \(oh\); make it and its folder writable"),
        (
            "SQLITE_CANTOPEN",
            r"its folder may not be written, or the disk is full \(oh\); make it writable, or free",
        ),
        ("SQLITE_BUSY", r"another process holds it \(oh\); wait for that"),
        ("SQLITE_PERM", r"it may not be opened \(oh\); make it"),
    ],
)
def test_what_is_not_damage_says_how_to_go_on_and_never_to_delete(name: str, message: str) -> None:
    error = sqlite3.OperationalError("oh")
    error.sqlite_errorname = name
    with pytest.raises(RunConflictError, match=rf"^{PATH}: cannot be used: {message}") as raised, told(PATH):
        raise error
    assert "delete" not in str(raised.value)


@pytest.mark.parametrize(
    "error", [sqlite3.DatabaseError("malformed"), ValueError("malformed"), RecursionError("malformed")]
)
def test_everything_else_is_damage(error: Exception) -> None:
    with pytest.raises(FileFormatError, match=r"is damaged \(malformed\); restore it from"), told(PATH):
        raise error


def test_a_mistake_of_edgenas_is_not_blamed_on_the_file() -> None:
    with pytest.raises(sqlite3.ProgrammingError, match="closed"), told(PATH):
        raise sqlite3.ProgrammingError("Cannot operate on a closed database.")


def test_what_is_left_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "front.json",
        "models/a.safetensors",
        "models/b.safetensors",
        "models/c.training.safetensors",
    ):
        (PATH.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (PATH.parent / name).touch()
    assert damaged(PATH, "oh").hint == (
        "still usable: front.json, 2 trained models; restore it from a copy, or use another run"
    )
