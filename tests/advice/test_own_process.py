"""What ends in a process of its own ends in one line."""

from pathlib import Path

import pytest

from edgenas.advice.own_process import run_apart
from edgenas.errors import DeviceError


def test_an_error_is_told(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"^doing it failed \(.*No module named edgenas\.nothing\); check"):
        run_apart("edgenas.nothing", tmp_path, "doing it")


def test_the_working_folder_is_not_searched_for_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("open('it ran', 'w')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DeviceError, match=r"No module named mine"):
        run_apart("mine", tmp_path, "doing it")
    assert not (tmp_path / "it ran").exists()
