"""Tests, and the commands they run, leave the home and the caches of whoever runs them alone."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from edgenas.cli.main import run
from edgenas.device.catalogue import data_folders, find_device
from edgenas.latency.table import table_path
from edgenas.user_folders import cache_folder

SHOWN = "import platformdirs; print(platformdirs.user_data_path(), platformdirs.user_cache_path())"
DECODED = Path(".cache/edgenas/decoded")
SEARCH = ["search", "--device", "pi5", "--max-latency", "20ms", "--time-budget", "1s", "--finalists", "1"]


def test_no_folder_is_the_user_s(own_user_folders: Path) -> None:
    assert Path.home() != Path(pwd.getpwuid(os.getuid()).pw_dir)
    own = own_user_folders.parents[1]
    assert platformdirs.user_data_path("edgenas") == own / "data" / "edgenas" == own_user_folders
    assert platformdirs.user_cache_path("edgenas") == own / "cache" / "edgenas"
    for path in (platformdirs.user_config_path(), platformdirs.user_state_path()):
        assert path.parent == Path.home().parent
    shown = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [str(own / "data"), str(own / "cache")]


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        (["doctor", "--device", "cpu"], set()),
        (["predict", "model.onnx", "--device", "pi5"], set()),
        (SEARCH, {DECODED}),
        (["export", "done"], {DECODED}),
    ],
    ids=["doctor", "predict", "search", "export"],
)
def test_a_command_leaves_no_file_in_the_home_but_decoded_images(
    command: list[str], kept: set[Path], in_finished_run: Path, image_folder: Path, tmp_path: Path
) -> None:
    """As a new user has it, without XDG_* variables; pictures' fonts are listed elsewhere, see `conftest.py`."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    data = ["--data", str(image_folder)] if command[0] == "search" else []
    shutil.copy(next(Path("exports/done").glob("*.onnx")), "model.onnx")
    done = subprocess.run(
        [sys.executable, "-m", "edgenas", *command, *data],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or command[0] == "doctor", done.stderr  # it may not like this machine
    assert {path.parent.relative_to(home) for path in home.rglob("*") if path.is_file()} == kept


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Be a user whom the system does not know, as in a container."""

    def unknown(_: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for variable in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


def test_without_a_home_tables_are_in_the_working_folder(homeless: None, tmp_path: Path) -> None:
    table = table_path(find_device("cpu"))
    assert table.parent == Path("latency_models/cpu")
    assert cache_folder().is_dir() and not cache_folder().is_relative_to(tmp_path)
    (tmp_path / "latency_models").mkdir()
    assert data_folders("latency_models").count(Path("latency_models")) == 1


def test_without_a_home_commands_do_their_work(homeless: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "cpu"]) == 0
    assert "cpu" in capsys.readouterr().out
