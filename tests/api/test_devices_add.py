"""A new device in a minute: from a board over SSH, or this machine, to a file that other commands take."""

import json
import os
from pathlib import Path

import pytest
from fixtures.loopback import HOST, Loopback, loopback

import edgenas
from edgenas.board import look
from edgenas.cli.main import run
from edgenas.device import find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits.ssh import SshBoard

__all__ = ["loopback"]


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(look, "COPY_BYTES", 2**20)


def test_a_board_is_described_and_known_from_then_on(
    loopback: Loopback, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["devices", "add", "my-board", "--ssh", HOST, "--ssh-python", loopback.python]
    assert run([*asked, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["device"], shown["file"], shown["problem"]) == ("my-board", "devices/my-board.toml", "")
    device = find_device("my-board")
    assert device.ssh is not None and (device.ssh.host, device.ssh.python) == (HOST, loopback.python)
    assert device.reach == "none" and device.runtime == "onnxruntime"
    assert run(asked) == 2
    assert "there is a device my-board" in capsys.readouterr().err
    assert run(["devices", "my-board"]) == 0
    assert "edgenas devices add" in capsys.readouterr().out


def test_what_the_board_cannot_do_yet_is_said(loopback: Loopback, capsys: pytest.CaptureFixture[str]) -> None:
    bare = str(Path(loopback.python).resolve())  # outside its virtual environment
    assert run(["devices", "add", "bare", "--ssh", HOST, "--ssh-python", bare]) == 0
    said = capsys.readouterr().out
    assert "it cannot measure yet: numpy cannot be used (ModuleNotFoundError" in said
    assert f"in a virtual environment there: {bare} -m pip install numpy onnxruntime" in said
    assert find_device("bare").datasheet.peak_gflops > 0


def test_without_a_host_it_is_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    added = edgenas.devices_add("here")
    assert find_device("here").is_host and added.file.is_file() and not added.problem
    assert added.next.startswith("edgenas profile --device here ")


def test_names_and_files_that_exist_are_left_alone(tmp_path: Path) -> None:
    for name in ("jetson", "raspberry-pi-4"):
        with pytest.raises(InputError, match=rf"^there is a device {name} \(.+\); choose another name"):
            edgenas.devices_add(name)
    Path("devices").mkdir()
    text = (Path(__file__).parents[2] / "devices" / "cpu.toml").read_text().replace('"cpu"', '"other"')
    Path("devices/taken.toml").write_text(text)
    with pytest.raises(InputError, match=r"^devices/taken.toml exists; choose another name, or remove it$"):
        edgenas.devices_add("taken")
    for name in ("My_board", "../up", "-x", "a" * 65, "a b"):
        with pytest.raises(InputError, match=r"^NAME: .+; use at most 64 lower case letters, digits and"):
            edgenas.devices_add(name)
    with pytest.raises(InputError, match=r"--ssh-python is for a board; give --ssh too"):
        edgenas.devices_add("new", ssh_python="python3")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            '{"board": {}}',
            r"^board sent what cannot be used \(model: field required\); is it the right board\?$",
        ),
        ('{"board": 5}', r"^board ended with code 0 \(no message\); see whether it works by hand$"),
        ("hello", r"^board ended with code 0"),
        ('{"board": {"\\u001b[31mx": 1}}', r"^board sent what cannot be used \([^\x1b]+\)"),
    ],
)
def test_a_board_that_says_something_else_is_refused(
    answer: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{answer}'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    with pytest.raises(DeviceError, match=message):
        edgenas.devices_add("new", ssh="board")
    assert not Path("devices").exists()


def test_a_board_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match=r"^ssh is not installed here; install OpenSSH's client$"):
        SshBoard("board").look()
