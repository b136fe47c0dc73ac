"""A second session waits, or ends the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgenas.board import session_lock
from edgenas.board.problem import BoardError
from edgenas.board.session_lock import LOCK, only_session

HOLDER = """
import sys, time
from pathlib import Path
from edgenas.board.session_lock import only_session
with only_session(Path(sys.argv[1]), takes_over=False):
    print("held", flush=True)
    time.sleep(600)
"""


def test_it_can_be_held_again_and_again(tmp_path: Path) -> None:
    for _ in range(2):
        with only_session(tmp_path, takes_over=False):
            assert (tmp_path / LOCK).read_text() == str(os.getpid())
        assert (tmp_path / LOCK).read_text() == ""


def test_a_second_session_is_refused(tmp_path: Path) -> None:
    with (
        only_session(tmp_path, takes_over=False),
        pytest.raises(
            BoardError, match=rf"another run.py is measuring here \(process '{os.getpid()}'\); wait"
        ),
        only_session(tmp_path, takes_over=False),
    ):
        pass


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="this system has no /proc")
def test_a_session_that_was_left_behind_is_ended(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(HOLDER)
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE
    ) as left_behind:
        assert left_behind.stdout and left_behind.stdout.readline() == b"held\n"
        with only_session(tmp_path, takes_over=True):
            assert left_behind.wait(60) != 0


@pytest.mark.parametrize("process", ["", "0", "1", "-1", "x", "this one"])
def test_nothing_but_a_runner_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: str) -> None:
    monkeypatch.setattr(session_lock, "TAKEOVER_S", 0.3)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a process was ended"))
    with only_session(tmp_path, takes_over=False):
        (tmp_path / LOCK).write_text(str(os.getpid()) if process == "this one" else process)
        with pytest.raises(BoardError, match=r"another run\.py"), only_session(tmp_path, takes_over=True):
            pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(BoardError, match=r"\.lock cannot be written \(.+\); use a folder of your own"),
        only_session(tmp_path / "missing", takes_over=False),
    ):
        pass
