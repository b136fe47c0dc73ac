"""Progress and warnings go to stderr: live on a terminal, else as lines."""

import logging
import re
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from edgenas.cli import phase_text, progress_display
from edgenas.cli.front_plot import Point
from edgenas.cli.progress_display import LiveDisplay, quietly, reporting
from edgenas.progress import Phase, evaluations_of

SEARCH, EPOCHS = Phase("search", "evaluations"), "epochs"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let stderr be a terminal of 80 columns and 40 rows."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for variable in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # rich asks the stream itself
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")


def test_without_a_terminal_a_line_tells_that_a_phase_begins_and_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with reporting() as progress:
        for done in range(4):
            progress("training", done, 3, "loss 0.5")
        progress(SEARCH, 3, 3)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "training: 0 % (loss 0.5)",
        "training: done in 0 s (loss 0.5)",
        "search: 3 of 3 evaluations",
        "search: done",
    ]


def test_without_a_terminal_a_line_at_intervals_tells_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now_s[0])
    monkeypatch.setattr(phase_text, "time", clock)
    monkeypatch.setattr(progress_display, "time", clock)
    with reporting() as progress:
        for done in (100, 125, 150, 200):  # an earlier session did the first hundred
            progress(Phase("decoding images", "images"), done, 1000)
            now_s[0] += 10
    assert capsys.readouterr().err.splitlines() == [
        "decoding images: 100 of 1000 images",
        "decoding images: 150 of 1000 images (2.5/s, 5 min 40 s left)",
    ]


def test_a_phase_within_another_ends_with_it_or_before(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting() as progress:
        progress(SEARCH, 0, 2)
        progress(Phase("training a", EPOCHS), 1, 3)
        progress(Phase("training a", EPOCHS), 2, 3)  # and fails
        progress("board: timing", 1, 3)
        progress(SEARCH, 1, 2)
        progress(Phase("training b", EPOCHS), 3, 3)
        progress(SEARCH, 2, 2)
    shown = [re.sub(r" \(.*", "", line) for line in capsys.readouterr().err.splitlines()]
    assert [line for line in shown if " in " in line or "done" in line] == [
        "training a: ended at 2 of 3 epochs in 0 s",
        "training b: done",
        "search: 2 evaluations in 0 s",
    ]
    assert "board: timing: 33 %" in shown


def test_on_a_terminal_phases_and_the_front_are_drawn(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    with reporting() as progress:
        evaluated = evaluations_of(progress)
        progress("training", 3, 3, "loss 0.4")
        for number in range(1, 4):
            evaluated(float(number), number / 10)
            progress(SEARCH, number, 8, "best 30.0%")
        assert isinstance(progress, LiveDisplay)
        drawn = progress.picture()
        logging.getLogger("edgenas.somewhere").warning("table is old")
    output = capsys.readouterr()
    assert output.out == ""
    assert "training: done" in output.err and "warning: table is old" in output.err
    *plot, line = drawn.plain.splitlines()
    assert "●" in plot[0] and plot[0].startswith("30.0% │") and "3 ms" in plot[-1]
    assert line.startswith("search  ━") and "3/8 evaluations" in line
    assert drawn.spans


def test_networks_that_arrive_while_it_is_drawn_wait_for_the_next_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on_a_terminal(monkeypatch)
    display = LiveDisplay()

    def drawn(points: Sequence[Point], _: int) -> list[str]:
        before = len(points)
        display.evaluated(2.0, 0.6)
        return [f"{before} and {len(points)}"]

    monkeypatch.setattr(progress_display, "front_plot", drawn)
    display.evaluated(1.0, 0.5)
    assert display.picture().plain == "1 and 1"


def test_no_colour_is_drawn_if_so_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)

    def drawn() -> str:
        with reporting() as progress:
            progress(SEARCH, 1, 8)
            assert isinstance(progress, LiveDisplay)
            progress._live.refresh()
        return capsys.readouterr().err

    colour = re.compile(r"\x1b\[[0-9;]*3[0-9]m")
    assert colour.search(drawn())
    monkeypatch.setenv("NO_COLOR", "1")
    shown = drawn()
    assert not colour.search(shown) and "1/8 evaluations" in shown


@pytest.mark.parametrize(("columns", "lines"), [("20", "40"), ("80", "5")])
def test_a_small_terminal_has_no_room_for_the_front(
    columns: str, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", lines)
    with LiveDisplay() as display:
        display.evaluated(1.0, 0.5)
        display(SEARCH, 1, 8)
        assert display.picture().plain.startswith("search")
        assert max(map(len, display.picture().plain.splitlines())) <= int(columns)


def test_a_dumb_terminal_gets_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_terminal(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    with reporting() as progress:
        progress(SEARCH, 0, 8)
    assert capsys.readouterr().err == "search: 0 of 8 evaluations\n"


@pytest.mark.parametrize("is_terminal", [False, True])
def test_quiet_leaves_warnings(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_terminal:
        on_a_terminal(monkeypatch)
    with quietly(True), reporting() as progress:
        progress(SEARCH, 0, 8)
        logging.getLogger("edgenas.somewhere").warning("table is old")
    assert capsys.readouterr().err == "warning: table is old\n"


def test_warnings_are_shown_while_reporting_only(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting():
        logging.getLogger("edgenas.somewhere").warning("table is old")
    assert "warning: table is old" in capsys.readouterr().err
    assert not logging.getLogger("edgenas").handlers
