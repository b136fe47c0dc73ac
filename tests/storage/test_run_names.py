from pathlib import Path

import pytest

from edgenas.storage.run_names import is_run_name, run_names


def test_runs_are_the_folders_that_edgenas_can_have_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_names() == []
    for name in ("photos-1", "photos", ".locks", "a\x1b[2Jb", "two words", "a\n"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "run.json").touch()
    Path("runs/notes").mkdir()
    assert run_names() == ["photos", "photos-1"]


@pytest.mark.parametrize("left", ["run.json", "run.sqlite", "front.json"])
def test_what_is_left_of_a_run_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/photos").mkdir(parents=True)
    Path("runs/photos", left).touch()
    assert run_names() == ["photos"]


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "a/b", "a\n", "a" * 101])
def test_what_leads_elsewhere_is_no_name(name: str) -> None:
    assert not is_run_name(name)
