"""How far a phase is, in words."""

import pytest

from edgenas.cli import phase_text
from edgenas.cli.phase_text import Running
from edgenas.progress import Phase

SEARCH = Phase("search", "evaluations")


@pytest.fixture(autouse=True)
def _a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every phase began sixty seconds ago."""
    monkeypatch.setattr(phase_text.time, "monotonic", lambda: 60.0)


def running(name: str, before: float, done: float, total: float, detail: str = "") -> Running:
    found = Running(name, before, total, detail, began_s=0.0)
    found.done = done
    return found


@pytest.mark.parametrize(
    ("phase", "line"),
    [
        (running(SEARCH, 0, 0, 100), "search: 0 of 100 evaluations"),
        (
            running(SEARCH, 20, 40, 100, "best 85.2%"),
            "search: 40 of 100 evaluations (best 85.2%, 20/min, 3 min 00 s left)",
        ),
        (running(Phase("a", "images"), 0, 6000, 12000), "a: 6000 of 12000 images (100/s, 1 min 00 s left)"),
        (running(Phase("a", "models"), 0, 0.5, 1), "a: 0 of 1 model (30/h, 1 min 00 s left)"),
        (
            running(Phase("supernet", "epochs"), 0, 12.1765, 21),
            "supernet: 12 of 21 epochs (12.2/min, 43 s left)",
        ),
        (running("timing", 0, 9.63775, 48.4438), "timing: 19 % (4 min 02 s left)"),
        (running("timing", 0, 0, 0), "timing: 0 %"),
    ],
)
def test_lines_tell_whole_things_rate_and_time_left(phase: Running, line: str) -> None:
    assert phase.plain_line() == line


@pytest.mark.parametrize(
    ("phase", "line"),
    [
        (running(SEARCH, 0, 100, 100, "best 85.2%"), "search: 100 evaluations in 1 min 00 s (best 85.2%)"),
        (running(SEARCH, 0, 1, 1), "search: 1 evaluation in 1 min 00 s"),
        (running(SEARCH, 0, 37, 100), "search: ended at 37 of 100 evaluations in 1 min 00 s"),
        (running(SEARCH, 100, 100, 100, "best 85.2%"), "search: done (best 85.2%)"),
        (running("timing", 0, 2.5, 2.5), "timing: done in 1 min 00 s"),
    ],
)
def test_the_last_line_tells_how_much_and_how_long(phase: Running, line: str) -> None:
    assert phase.last_line() == line


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, "search  ━━━────────────  25/100 evaluations  25/min  3 min 00 s left  best 85.2%"),
        (60, "search  25/100 evaluations  3 min 00 s left  best 85.2%"),
        (40, "search  25/100  3 min 00 s left"),
        (20, "search  25/100"),
        (9, "s  25/100"),
    ],
)
def test_a_terminal_shows_what_fits_and_a_bar_in_what_is_left(width: int, line: str) -> None:
    shown = running(SEARCH, 0, 25, 100, "best 85.2%").live_line(width)
    assert shown == line and len(shown) <= width


def test_a_bar_is_as_full_as_the_work_is_done() -> None:
    shown = running("timing", 0, 1, 2).live_line(60)
    assert shown == f"timing  {'━' * 12}{'─' * 12}  50 %  1 min 00 s left"
