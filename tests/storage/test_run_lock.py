import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from edgenas.errors import RunConflictError
from edgenas.storage.run_lock import check_free, held_if_writable, is_locked, locked

HOLD = (
    "import sys, time; from pathlib import Path; from edgenas.storage.run_lock import locked;"
    "held = locked(Path('runs/demo')); held.__enter__(); print('held', flush=True); time.sleep(60)"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("runs/demo")


def test_who_holds_a_run_is_told(folder: Path) -> None:
    told = (
        rf"^run demo is in use by process {os.getpid()} on {platform.node()}, "
        r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; wait for it, or use another --run$"
    )
    with locked(folder):
        assert is_locked(folder)
        with pytest.raises(RunConflictError, match=told), locked(folder):
            pass
        with pytest.raises(RunConflictError, match=told):
            check_free(folder)


def test_a_run_is_free_once_it_was_let_go(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(folder):
        raise KeyboardInterrupt
    assert not is_locked(folder)
    check_free(folder)
    with locked(folder):
        pass


def test_a_killed_process_holds_nothing(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(RunConflictError, match=rf"in use by process {holder.pid} on"), locked(folder):
            pass
        holder.send_signal(signal.SIGKILL)
    assert not is_locked(folder)
    with locked(folder):
        pass


def test_a_lock_needs_no_folder_of_the_run_and_does_not_make_one(folder: Path) -> None:
    assert not is_locked(folder)
    with locked(folder):
        assert not folder.exists()


@pytest.mark.parametrize("content", ["", "{}", '{"pid": 1, "host": "\\ud800", "since": "x"}', "\0"])
def test_who_holds_it_may_be_unknown(folder: Path, content: str) -> None:
    with locked(folder):
        Path("runs/.locks/demo.json").write_text(content)
        with pytest.raises(RunConflictError, match="in use by another process; wait"), locked(folder):
            pass


def test_a_place_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileLock, "acquire", denied)
    with (
        pytest.raises(
            RunConflictError, match=r"runs/demo: cannot be written \(Permission denied\); run from a"
        ),
        locked(folder),
    ):
        pass


def test_a_folder_that_nobody_can_write_to_needs_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with held_if_writable(tmp_path / "r"):
        assert not is_locked(tmp_path / "r")


def test_any_other_is_held_alone(tmp_path: Path) -> None:
    with (
        held_if_writable(tmp_path / "r"),
        pytest.raises(RunConflictError, match="run r is in use by process"),
        held_if_writable(tmp_path / "r"),
    ):
        raise AssertionError
