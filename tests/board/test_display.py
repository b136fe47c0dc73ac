"""Progress, for people and for programs."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgenas.board import display
from edgenas.board.display import Lines, Terminal


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`clock(s)`: sets the time."""
    now = 1000.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)

    def put(second: float) -> None:
        nonlocal now
        now = 1000.0 + second

    return put


@pytest.mark.parametrize(
    ("left_s", "text"),
    [(None, "timing: 25%"), (30.0, "timing: 25%, 30 s left"), (600.0, "timing: 25%, 10 min left")],
)
def test_people_see_what_is_left(
    capsys: pytest.CaptureFixture[str], clock: Callable[[float], None], left_s: float | None, text: str
) -> None:
    Terminal().progress("timing", 0.25, left_s)
    assert capsys.readouterr().out == f"{text}\n"


def test_a_log_is_not_flooded(capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]) -> None:
    terminal = Terminal()
    for second in range(60):
        clock(second)
        terminal.progress("timing", second / 100, None)
    terminal.progress("timing", 1.0, None)
    assert capsys.readouterr().out.splitlines() == ["timing: 0%", "timing: 30%", "timing: 100%"]


def test_programs_see_json(capsys: pytest.CaptureFixture[str], clock: Callable[[float], None]) -> None:
    lines = Lines()
    lines.line("a\nb")
    lines.error("no")
    lines.progress("timing", 0.5, 3.0)
    lines.progress("timing", 0.6, 2.0)  # too soon
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found == [{"line": "a\nb"}, {"error": "no"}, {"phase": "timing", "share": 0.5}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("redirected", ["> /dev/full", "| head -1", ">&-"])
def test_output_that_cannot_be_written_ends_nothing(redirected: str, tmp_path: Path) -> None:
    program = (
        "from edgenas.board.display import Terminal; from pathlib import Path; show = Terminal();"
        "[show.line('a line') for _ in range(20000)]; Path('done').touch()"
    )
    script = f'set -o pipefail; "{sys.executable}" -c "{program}" {redirected}'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "done").exists()


def test_what_a_terminal_lacks_is_shown_by_its_number(tmp_path: Path) -> None:
    program = "from edgenas.board.display import Terminal; Terminal().line('5 \\xb5s')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert done.stdout == b"5 \\xb5s\n"
