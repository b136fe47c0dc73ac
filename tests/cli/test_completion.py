"""What the shell completes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgenas.cli.completion import device_names, run_names


@pytest.fixture(autouse=True)
def runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "photos-1", "digits"):
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, "run.json").touch()
    Path("runs/notes").mkdir()


def test_runs_are_completed_by_their_names() -> None:
    assert run_names("") == ["digits", "photos", "photos-1"]
    assert run_names("ph") == ["photos", "photos-1"]
    assert run_names("x") == []


def test_devices_are_completed_by_name_and_alias() -> None:
    assert device_names("raspberry") == ["raspberry-pi-4", "raspberry-pi-5"]
    assert "pi5" in device_names("pi") and "jetson" in device_names("jet")


def test_a_damaged_device_file_completes_nothing_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("devices").mkdir()
    Path("devices/broken.toml").write_text("=")
    assert isinstance(device_names("cpu"), list)
    assert capsys.readouterr() == ("", "")


COMPLETE = """
import sys
from edgenas.cli.main import app
sys.argv = ["edgenas"]
try:
    app(prog_name="edgenas")
except SystemExit:
    pass
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("edgenas report ph", ["photos", "photos-1"]),
        ("edgenas runs dig", ["digits"]),
        ("edgenas export photos-", ["photos-1"]),
        ("edgenas search --run photos-", ["photos-1"]),
        ("edgenas search --warm-start dig", ["digits"]),
        ("edgenas predict --device raspberry-pi-", ["raspberry-pi-4", "raspberry-pi-5"]),
        ("edgenas devices raspberry-pi-", ["raspberry-pi-4", "raspberry-pi-5"]),
        ("edgenas search --metric macro-", ["macro-f1", "macro-precision", "macro-recall"]),
    ],
)
def test_a_shell_is_answered_without_loading_torch(words: str, expected: list[str]) -> None:
    last = len(words.split()) - 1
    asked = {"_EDGENAS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(last)}
    command = [sys.executable, "-c", COMPLETE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **asked})
    assert done.stdout.split() == expected
