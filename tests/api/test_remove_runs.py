"""Removing runs."""

import shutil
from pathlib import Path

import pytest

from edgenas import remove_runs, runs
from edgenas.errors import InputError, RunConflictError, UnknownNameError
from edgenas.storage.run_config import RunConfig
from edgenas.storage.run_folder import open_run
from edgenas.storage.run_lock import locked


@pytest.fixture(autouse=True)
def made(run_config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs, the files exported from them, and a folder that is no run."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two", "three"):
        with open_run(name, run_config):
            pass
        Path("exports", name).mkdir(parents=True)
    Path("runs/notes").mkdir()


def listed() -> set[str]:
    return {each.name for each in runs().runs}


def test_runs_are_removed_and_their_exports_stay() -> None:
    size = runs("one").runs[0].size_bytes + runs("three").runs[0].size_bytes
    result = remove_runs("one", "three", "one")
    assert (result.removed, result.freed_bytes) == (("one", "three"), size)
    assert sorted(path.name for path in Path("runs").iterdir()) == [".locks", "notes", "two"]
    assert len(list(Path("exports").iterdir())) == 3


def test_a_run_in_progress_is_refused_and_no_other_removed() -> None:
    told = "run two is in use by process"
    with locked(Path("runs/two")), pytest.raises(RunConflictError, match=told):
        remove_runs("one", "two")
    assert listed() == {"one", "two", "three"}


def test_an_unknown_run_is_refused_and_no_other_removed() -> None:
    for name in ("four", "notes", "../runs/one", "..", ""):
        with pytest.raises(UnknownNameError, match="unknown run"):
            remove_runs("one", name)
    assert listed() == {"one", "two", "three"}


def test_no_names_are_not_all_runs() -> None:
    with pytest.raises(
        InputError, match="no runs are named; name those to remove, as `edgenas runs` lists them"
    ):
        remove_runs()
    assert listed() == {"one", "two", "three"}


def test_a_damaged_run_can_be_removed() -> None:
    Path("runs/one/run.json").write_text("{")
    Path("runs/two/run.json").unlink()
    remove_runs("one", "two")
    assert listed() == {"three"}


def test_a_removal_that_was_killed_is_not_listed_and_not_in_the_way() -> None:
    shutil.copytree("runs/one", "runs/.one.removed")
    assert listed() == {"one", "two", "three"}
    remove_runs("one")
    assert not Path("runs/.one.removed").exists()


def test_a_folder_that_cannot_be_removed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", denied)
    with pytest.raises(
        InputError, match=r"runs/one: cannot be removed \(Permission denied\); remove the folder you"
    ):
        remove_runs("one")
    assert listed() == {"one", "two", "three"}
