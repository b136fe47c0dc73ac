"""Progress, for people and for programs."""

import json
from collections.abc import Callable

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
