"""Writing a report again through the public API."""

from pathlib import Path

import pytest

from edgenas import report
from edgenas.errors import InputError


def test_a_lost_report_and_picture_are_written_again(in_finished_run: Path) -> None:
    for name in ("report.html", "front.png"):
        Path("runs/done", name).unlink()
    result = report("done")
    assert (result.report, result.picture) == (Path("runs/done/report.html"), Path("runs/done/front.png"))
    assert Path("runs/done/report.html").is_file() and Path("runs/done/front.png").is_file()


def test_a_run_is_found_by_its_folder_from_anywhere(
    in_finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert report(str(in_finished_run / "runs/done")).report == in_finished_run / "runs/done/report.html"
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_of_the_run_changes(in_finished_run: Path) -> None:
    kept = [path for path in Path("runs/done").rglob("*") if path.name in ("run.json", "front.json")]
    before = [path.read_bytes() for path in kept]
    report("done")
    assert len(kept) == 2 and [path.read_bytes() for path in kept] == before


def test_an_unknown_run_lists_those_there_are(in_finished_run: Path) -> None:
    with pytest.raises(InputError, match=r"unknown run 'dnoe'; did you mean 'done'\? known: done"):
        report("dnoe")
