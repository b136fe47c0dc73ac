"""Results go to stdout."""

import pytest
from pydantic import BaseModel

from edgenas.cli.console import disturbance_lines, print_json, print_lines, print_table


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


@pytest.mark.parametrize(("columns", "lines"), [("80", 4), ("20", 3)])
def test_tables_are_as_wide_as_the_terminal_allows(
    columns: str, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    print_table("title", ("name", "value"), [("a name of some length", "1")])
    assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.mark.parametrize(
    ("retaken", "line"), [(0, ""), (1, "1 timing was repeated"), (2, "2 timings were repeated")]
)
def test_repeated_timings_are_told(retaken: int, line: str) -> None:
    assert " ".join(disturbance_lines(retaken, 0.0)).startswith(line)
    assert bool(disturbance_lines(retaken, 0.0)) == bool(line)
