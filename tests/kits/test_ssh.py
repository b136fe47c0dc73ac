"""Boards over SSH: a server on loopback, cut connections, and hosts that are none."""

import json
import logging
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures.boards import BOARD, add_board, quick_kit
from fixtures.loopback import HOST, Loopback, loopback
from hypothesis import given, settings
from hypothesis import strategies as st

from edgenas import board, profile
from edgenas.api.profile import FewSamplesResult
from edgenas.cli.main import run
from edgenas.device import find_device
from edgenas.errors import DeviceError, InputError
from edgenas.kits import kit_archive, ssh, ssh_profile
from edgenas.kits.ssh import STARTER, SshBoard
from edgenas.latency.table import find_table
from edgenas.progress import silent
from edgenas.settings.latency_commands import ProfileSettings, ssh_hosts, ssh_python
from edgenas.vocabulary import SSH_HOST, SSH_PYTHON

__all__ = ["loopback", "quick_kit"]

RECEIVER = Path(board.__file__).with_name("receive.py").read_text(encoding="utf-8")

SMALL: dict[str, Any] = {"space": "nasbench-macro", "resolution": 16, "classes": 2, "networks": 12}


@pytest.fixture(autouse=True)
def _in_own_folder(
    tmp_path: Path, quick_kit: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_kit(tmp_path)
    (tmp_path / "latency_models").mkdir()
    monkeypatch.setattr(ssh, "PAUSES_S", (0.1, 0.1))


def test_the_boards_python_has_neither_edgenas_nor_torch(loopback: Loopback) -> None:
    for name in ("edgenas", "torch", "onnx"):
        command = [*ssh.SSH, "--", HOST, f"{loopback.python} -c 'import {name}'"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "ModuleNotFoundError" in done.stderr


def test_a_board_is_profiled(loopback: Loopback) -> None:
    kept = set(loopback.kits)
    found = profile(BOARD, **SMALL, ssh=HOST, ssh_python=loopback.python)
    table = find_table(find_device(BOARD))
    assert table is not None and table[0] == found.table
    assert len(table[1].entries) == found.entries == found.measured
    assert len(found.calibration.networks) == 12 and found.seconds > 0
    assert all((folder / "results.json").is_file() for folder in set(loopback.kits) - kept)
    assert [path.name for path in loopback.home.iterdir()] == [".cache"]
    profile(BOARD, **SMALL, seed=9, ssh=HOST, ssh_python=loopback.python)
    delivered = [folder for folder in loopback.kits if (folder / "delivered").exists()]
    assert len(delivered) == 1  # a kit makes room for the next one


def test_a_cut_connection_is_made_again_and_goes_on(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgenas")
    monkeypatch.setattr(kit_archive, "BUDGET_S", 20.0)  # 25 rounds
    cuts: list[float] = []

    def cut_while_timing(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == f"{HOST}: timing" and len(cuts) < 1 and done > 30:
            cuts.append(done)
            loopback.cut()

    found = profile(BOARD, **SMALL, seed=1, ssh=HOST, ssh_python=loopback.python, progress=cut_while_timing)
    assert cuts and found.entries > 0
    assert f"the connection to {HOST} was lost: connecting again in 0.1 s" in caplog.text
    assert f"{HOST}: goes on: " in caplog.text


def test_a_connection_that_stays_cut_is_told_and_repeating_goes_on(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgenas")

    def cut_always(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase in (f"{HOST}: loading models", f"{HOST}: timing"):
            loopback.cut()

    asked: dict[str, Any] = {**SMALL, "seed": 2, "ssh": HOST, "ssh_python": loopback.python}
    with pytest.raises(
        DeviceError, match=rf"the connection to {HOST} was lost \(.+\); what was measured is kept"
    ):
        profile(BOARD, **asked, progress=cut_always)
    assert find_table(find_device(BOARD)) is None
    assert profile(BOARD, **asked).entries > 0


def test_after_ctrl_c_the_same_command_goes_on(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgenas")
    monkeypatch.setattr(kit_archive, "BUDGET_S", 20.0)

    def stop(phase: str, done: float, total: float, detail: str = "") -> None:
        if phase == f"{HOST}: timing" and done > 30:
            raise KeyboardInterrupt

    asked: dict[str, Any] = {**SMALL, "seed": 3, "ssh": HOST, "ssh_python": loopback.python}
    with pytest.raises(KeyboardInterrupt):
        profile(BOARD, **asked, progress=stop)
    assert "goes on" not in caplog.text
    assert "what was measured is kept on the board: repeat the command to go on" in caplog.text
    assert profile(BOARD, **asked).entries > 0
    assert f"{HOST}: goes on: " in caplog.text


def test_the_host_may_stand_in_the_devices_file(
    loopback: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "devices" / f"{BOARD}.toml"
    access = f'[ssh]\nhost = "{HOST}"\npython = "{loopback.python}"\n'
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{access}", encoding="utf-8")
    asked = ["--device", BOARD, "--space", "nasbench-macro", "--resolution", "16", "--classes", "2"]
    assert run(["profile", *asked, "--samples", "10", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["provenance"] == "calibrated" and shown["samples"]["measured"] == 10
    again = profile(BOARD, space="nasbench-macro", resolution=16, classes=2, samples=4)
    assert isinstance(again, FewSamplesResult)


def test_what_the_board_lacks_is_told(loopback: Loopback) -> None:
    with pytest.raises(
        DeviceError, match=rf"{HOST} has no nothing-of-this-name; name an interpreter with numpy"
    ):
        profile(BOARD, **SMALL, ssh=HOST, ssh_python="nothing-of-this-name")
    bare = Path(loopback.python).resolve()  # outside its virtual environment
    with pytest.raises(DeviceError, match=rf"{HOST}: ONNX Runtime cannot be imported .*; install numpy and"):
        profile(BOARD, **SMALL, ssh=HOST, ssh_python=str(bare))


def test_an_unknown_host_key_is_refused(loopback: Loopback) -> None:
    known = Path(loopback.python).parents[2] / "known_hosts"
    text = known.read_text(encoding="utf-8")
    known.write_text("", encoding="utf-8")
    try:
        with pytest.raises(
            DeviceError, match=rf"{HOST} cannot be reached \(.+\); connect once by hand.+: ssh {HOST}"
        ):
            profile(BOARD, **SMALL, ssh=HOST)
    finally:
        known.write_text(text, encoding="utf-8")


def test_this_machine_is_no_board(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"device cpu is this machine, and board is another one"):
        profile("cpu", **SMALL, ssh="board")
    with pytest.raises(InputError, match=r"--ssh-python is for a board; give --ssh too"):
        profile("cpu", **SMALL, ssh_python="python3")
    add_board(tmp_path, "not-reached")
    with pytest.raises(DeviceError, match=r"time it there with a kit: edgenas kit --device not-reached"):
        profile("not-reached", **SMALL)


EMPTY = b"PK\x05\x06" + bytes(18)
"""A zip archive without files."""


def _fake_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "bin" / "ssh"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'no route to host' >&2; exit 255",
            r"board cannot be reached \(no route to host\); connect once by",
        ),
        ("exit 255", r"board cannot be reached \(ssh says nothing\)"),
        ("exit 127", r"board has no python3; name an interpreter"),
        ("echo oops >&2; exit 9", r"board ended with code 9 \(oops\); see whether it works by hand"),
        (
            """echo 'Welcome!'; echo '[1]'; echo '{"folder": "/home/x", "kit": "present"}'; exit 9""",
            r"board ended with code 9 \(no message\); what was measured is kept on the board, in /home/x",
        ),
        (
            """echo '{"folder": "/x", "kit": "present"}'; echo '{"error": "the disk is full; free it"}'; exit 3""",
            r"board: the disk is full; free it",
        ),
        (
            """echo '{"error": "\\u001b[2J%s"}'; exit 3""" % ("x" * 5000),
            r"board: \?\[2Jx{290,300}$",
        ),
        (
            """echo '{"results": "{}"}'; exit 0""",
            r"board sent what cannot be used \(schema: field required\)",
        ),
        ("""echo '{"results": "\\ud800"}'; exit 0""", r"board sent what cannot be used \("),
        ("""echo '{"results": 5}'; exit 0""", r"board ended with code 0"),
        ("yes '{' | tr -d '\\n'", r"board sends more than results can be"),
    ],
)
def test_a_board_that_misbehaves_is_refused_in_one_line(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fake_ssh(tmp_path, monkeypatch, f"cat > /dev/null < /dev/stdin & {script}")
    with pytest.raises((DeviceError, InputError), match=message) as caught:
        profile(BOARD, **SMALL, ssh="board")
    assert str(caught.value).isprintable()
    assert not list((tmp_path / "latency_models").iterdir())


def test_ssh_is_called_with_the_host_as_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_ssh(tmp_path, monkeypatch, f'printf "%s\\n" "$@" > {tmp_path}/words; exit 255')
    with pytest.raises(DeviceError):
        SshBoard("ssh://pi@board:22", "~/board/bin/python").measure(EMPTY, print, silent)
    words = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    assert words[-3:] == ["--", "ssh://pi@board:22", f"~/board/bin/python -I -c '{STARTER}'"]
    assert "StrictHostKeyChecking=yes" in words and "'" not in STARTER


ANSWERS = """echo '{"folder": "/x", "kit": "present"}'"""


@pytest.mark.parametrize(
    ("attempts", "message"),
    [
        ([f"{ANSWERS}; exit 255", "exit 255", f"""{ANSWERS}; echo '{{"results": "fine"}}'"""], ""),
        (
            [f"{ANSWERS}; exit 255", *["exit 255"] * 9],
            r"the connection to board was lost .+ kept on the board, in /x",
        ),
        (["exit 255"], r"board cannot be reached"),
        ([f"{ANSWERS}; exit 255", "exit 127"], r"board has no python3"),
        # Each brings the measurement forward.
        (
            [
                *(
                    f"""{ANSWERS}; echo '{{"phase": "timing", "share": 0.{share}}}'; exit 255"""
                    for share in range(1, 9)
                ),
                f"""{ANSWERS}; echo '{{"results": "fine"}}'""",
            ],
            "",
        ),
    ],
)
def test_connections_are_made_again_as_long_as_it_is_worth_it(
    attempts: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = tmp_path / "count"
    cases = "".join(f"{number}) {script};;\n" for number, script in enumerate(attempts))
    program = f"n=$(cat {count} 2>/dev/null || echo 0); echo $((n + 1)) > {count}\ncase $n in\n{cases}esac"
    _fake_ssh(tmp_path, monkeypatch, program)
    received: list[str] = []
    pauses: list[float] = []
    reached = SshBoard("board")
    if message:
        with pytest.raises(DeviceError, match=message):
            reached.measure(EMPTY, received.append, silent, pauses.append)
        assert received == [] and len(pauses) <= len(ssh.PAUSES_S)
    else:
        reached.measure(EMPTY, received.append, silent, pauses.append)
        assert received == ["fine"] and len(pauses) == len(attempts) - 1


def test_a_board_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "MAX_SILENCE_S", 0.2)
    monkeypatch.setattr(ssh, "WATCH_S", 0.05)
    _fake_ssh(tmp_path, monkeypatch, "exec sleep 60")
    with pytest.raises(
        DeviceError, match=r"board has said nothing for 0 minutes; see whether it works by hand"
    ):
        SshBoard("board").measure(EMPTY, print, silent)


def test_a_board_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "MAX_SILENCE_S", 0.2)
    monkeypatch.setattr(ssh, "WATCH_S", 0.05)
    _fake_ssh(tmp_path, monkeypatch, f"{ANSWERS}; exec sleep 60")
    with pytest.raises(DeviceError, match=r"board has said nothing for 0 minutes"):
        SshBoard("board").measure(EMPTY, print, silent)


def test_results_are_kept_until_they_are_saved(
    loopback: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgenas")
    asked: dict[str, Any] = {**SMALL, "seed": 4, "ssh": HOST, "ssh_python": loopback.python}

    def refuse(*_: object) -> None:
        raise InputError("latency_models: cannot be written (Read-only file system)", "make it writable")

    with monkeypatch.context() as patch, pytest.raises(InputError, match="cannot be written"):
        patch.setattr(ssh_profile, "save_imported", refuse)
        profile(BOARD, **asked)
    caplog.clear()
    first = profile(BOARD, **asked)
    assert f"{HOST}: processor: " not in caplog.text  # not measured again
    caplog.clear()
    again = profile(BOARD, **asked)  # asked for anew
    assert f"{HOST}: processor: " in caplog.text and again.entries == first.entries


def test_results_of_an_earlier_run_are_not_taken_for_new_ones(loopback: Loopback) -> None:
    asked: dict[str, Any] = {**SMALL, "seed": 5, "ssh": HOST, "ssh_python": loopback.python}
    kept = set(loopback.kits)
    profile(BOARD, **asked)
    (folder,) = set(loopback.kits) - kept
    command = [*ssh.SSH, "--", HOST, f"{loopback.python} -c 'STARTER'".replace("STARTER", STARTER)]
    program = RECEIVER.replace('"run.py"', '"broken.py"')  # ends with code 1, as a program that raises does
    header = json.dumps({"sha256": folder.name.removeprefix("kit-"), "size": 0, "files": {}})
    talk = f"{len(program.encode())}\n{program}{header}\n"
    done = subprocess.run(command, input=talk, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "results" not in done.stdout


def test_a_damaged_kit_is_carried_again(loopback: Loopback) -> None:
    asked: dict[str, Any] = {**SMALL, "seed": 6, "ssh": HOST, "ssh_python": loopback.python}
    kept = set(loopback.kits)
    profile(BOARD, **asked)
    (folder,) = set(loopback.kits) - kept
    (folder / "run.py").write_bytes(b"")
    assert profile(BOARD, **asked).entries > 0


SAFE = re.compile(r"[\w.+@:/\[\]~-]+", re.ASCII)


@settings(max_examples=1000)
@given(
    st.one_of(
        st.text(), st.from_regex(SSH_HOST), st.text("ab1.-@:/[],$`;|&<>()'\"\\ \n~%#*?{}!", max_size=12)
    )
)
def test_no_host_means_anything_to_a_shell_or_to_ssh(host: str) -> None:
    try:
        accepted = ssh_hosts(host, "--ssh")
    except InputError as error:
        assert str(error).isprintable()
        return
    assert accepted == host
    for each in accepted.split(","):
        assert SAFE.fullmatch(each) and not each.startswith("-")
        assert "@-" not in each and "//-" not in each
    assert ProfileSettings(BOARD, ssh=host).ssh == host


@settings(max_examples=1000)
@given(
    st.one_of(st.text(), st.from_regex(SSH_PYTHON), st.text("ab1./-_~+ $`;|&<>()'\"\\\n*?{}!", max_size=12))
)
def test_no_interpreter_means_more_to_a_shell_than_a_path(python: str) -> None:
    try:
        accepted = ssh_python(python, "--ssh-python")
    except InputError as error:
        assert str(error).isprintable()
        return
    assert accepted == python and SAFE.fullmatch(python) and not python.startswith("-")
    assert shlex.split(f"{python} -c ''")[0] == python


@pytest.mark.parametrize("line", ['host = "-oProxyCommand=x"', 'host = "a b"', 'host = "a"\npython = "x;y"'])
def test_a_devices_file_holds_no_such_host_either(line: str, tmp_path: Path) -> None:
    path = tmp_path / "devices" / f"{BOARD}.toml"
    path.write_text(f"{path.read_text(encoding='utf-8')}\n[ssh]\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"my-board\.toml: ssh\.(host|python): string should match pattern"):
        profile(BOARD, **SMALL)
