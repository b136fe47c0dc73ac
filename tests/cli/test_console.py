"""Progress and warnings go to stderr, results to stdout."""

import logging
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from edgenas.cli import console
from edgenas.cli.console import bar, print_json, print_lines, print_table, reporting


def test_progress_without_a_terminal_is_a_line_as_a_phase_begins_and_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with reporting() as progress:
        for done in range(4):
            progress("training", done, 3, "loss 0.5")
        progress("search", 3, 3)
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        "training: 0 of 3 (loss 0.5)",
        "training: done (loss 0.5)",
        "search: 3 of 3",
        "search: done",
    ]


def test_progress_without_a_terminal_tells_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((0.0, 20.0, 40.0))
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with reporting() as progress:
        for done in (100, 150, 200):  # an earlier session did the first hundred
            progress("decoding images", done, 1000, "2.5 images/s")
    assert capsys.readouterr().err.splitlines() == [
        "decoding images: 100 of 1000 (2.5 images/s)",
        "decoding images: 150 of 1000 (2.5 images/s, 5 min 40 s left)",
        "decoding images: 200 of 1000 (2.5 images/s, 5 min 20 s left)",
    ]


def test_progress_on_a_terminal_draws_bars(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with reporting() as progress:
        progress("training", 1, 3, "loss 0.5")
        progress("training", 3, 3, "loss 0.4")
    output = capsys.readouterr()
    assert output.out == ""
    assert "training" in output.err and "3/3" in output.err


def test_warnings_are_shown_while_reporting_only(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting():
        logging.getLogger("edgenas.somewhere").warning("table is old")
    assert "warning: table is old" in capsys.readouterr().err


def test_json_is_one_object_and_refuses_nan(capsys: pytest.CaptureFixture[str]) -> None:
    class Figure(BaseModel):
        a: float

    print_json(Figure(a=1))
    assert capsys.readouterr().out == '{\n  "a": 1.0\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json(Figure(a=float("nan")))


def test_tables_show_markup_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("[bold]title", ("name", "value"), [("[red]x", "1")])
    print_lines("[b]line")
    output = capsys.readouterr().out
    assert "[bold]title" in output and "[red]x" in output and "[b]line" in output


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", "███"), ("ascii", "###"), ("latin-1", "###")])
def test_bars_are_of_what_the_terminal_has(
    encoding: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.sys, "stdout", SimpleNamespace(encoding=encoding))
    assert bar(3) == shown
