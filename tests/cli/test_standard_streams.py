"""Whatever standard output and error lead to, a command does its work, and its exit code tells of it."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgenas.cli.main import run
from edgenas.cli.standard_streams import UNWRITTEN, code_after_output, open_outlets

Outcome = Callable[[list[str]], int]

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")

LEADING = {
    "nowhere": 0,
    "to a reader that has seen enough": 0,
    "to a full disk": UNWRITTEN,
    "to a terminal of ASCII": 0,
    "to one of cp1252": 0,
}
"""Where standard output leads, and the exit code of a command that succeeds."""

_GIVEN: list[object] = []
"""The streams as a process was given them, which Python keeps, too, under other names."""


@pytest.fixture
def streams() -> Iterator[None]:
    """Standard output and error, both of Python and of the system, to change freely."""
    saved, kept = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2))
    yield
    sys.stdout, sys.stderr = saved
    for number, copy in enumerate(kept, start=1):
        os.dup2(copy, number)
        os.close(copy)


def lead(number: int, where: str, tmp_path: Path) -> None:
    """Let stream 1 or 2 lead somewhere, as if this process had been started so."""
    stream: io.TextIOWrapper | None = None
    encoding = {"to a terminal of ASCII": "ascii", "to one of cp1252": "cp1252"}.get(where)
    if where == "nowhere":
        os.close(number)
    else:
        if where == "to a reader that has seen enough":
            reader, target = os.pipe()
            os.close(reader)
        else:
            path = Path("/dev/full") if where == "to a full disk" else tmp_path / f"{number}.txt"
            target = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(target, number)
        os.close(target)
        stream = io.TextIOWrapper(io.FileIO(number, "w", closefd=False), encoding=encoding or "utf-8")
        _GIVEN.append(stream)
    setattr(sys, "stdout" if number == 1 else "stderr", stream)


@needs_full
@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("where", LEADING)
def test_output(
    where: str, json: bool, command_lines: dict[str, list[str]], streams: None, tmp_path: Path
) -> None:
    codes = {}
    for name in ("search", "predict", "devices", "run", "report", "benchmark search"):
        lead(1, where, tmp_path)
        lead(2, "to a file", tmp_path)
        output = open_outlets()
        codes[name] = code_after_output(run([*command_lines[name], *(["--json"] if json else [])]), output)
    sys.stderr.flush()
    shown = (tmp_path / "2.txt").read_text()
    assert codes == dict.fromkeys(codes, LEADING[where])
    assert "Traceback" not in shown and "Exception ignored" not in shown
    if where == "to a full disk":
        assert "error: standard output: cannot be written (No space left on device)" in shown
    elif where not in ("nowhere", "to a reader that has seen enough"):
        assert (tmp_path / "1.txt").stat().st_size > 1000


@needs_full
@pytest.mark.parametrize("where", LEADING)
def test_messages(where: str, command_lines: dict[str, list[str]], streams: None, tmp_path: Path) -> None:
    for arguments, code in ((command_lines["benchmark search"], 0), (["devices", "n\xf6where"], 2)):
        lead(1, "to a file", tmp_path)
        lead(2, where, tmp_path)
        output = open_outlets()
        assert code_after_output(run(arguments), output) == code
    if where == "to a terminal of ASCII":
        sys.stderr.flush()
        assert r"unknown device 'n\xf6where'" in (tmp_path / "2.txt").read_text()


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"### +-2 \u73ab \udc80 ..."), ("cp1252", "### \xb12 \\u73ab \\udc80 \x85")],
)
def test_what_an_encoding_lacks_is_shown_by_its_like(
    encoding: str, shown: str, streams: None, tmp_path: Path
) -> None:
    lead(1, {"ascii": "to a terminal of ASCII", "cp1252": "to one of cp1252"}[encoding], tmp_path)
    output = open_outlets()
    sys.stdout.write("███ ±2 玫 \udc80 …")
    assert code_after_output(0, output) == 0
    assert (tmp_path / "1.txt").read_bytes() == shown.encode("latin-1")


def test_a_code_that_tells_of_the_work_is_kept(streams: None, tmp_path: Path) -> None:
    lead(1, "to a full disk", tmp_path)
    output = open_outlets()
    sys.stdout.write("half")
    assert code_after_output(1, output) == 1


def test_a_pipe_that_does_not_block_is_waited_for(streams: None, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    lead(1, "nowhere", tmp_path)
    os.dup2(writer, 1)
    os.close(writer)
    output = open_outlets()
    with ThreadPoolExecutor() as pool, os.fdopen(reader, "rb") as file:
        read = pool.submit(file.read)
        sys.stdout.write("x" * 10**6)
        assert code_after_output(0, output) == 0
        os.close(1)
        assert len(read.result()) == 10**6


def test_a_closed_stream_is_no_file_that_a_command_opens(streams: None, tmp_path: Path) -> None:
    for number in (1, 2):
        lead(number, "nowhere", tmp_path)
    open_outlets()
    with (tmp_path / "precious").open("w") as file:
        assert file.fileno() > 2
        os.write(1, b"of a library")
    assert (tmp_path / "precious").read_text() == ""


@needs_full
@pytest.mark.parametrize(
    ("redirected", "code", "shown"),
    [
        ("| head -c 1", 0, "d"),
        (">&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("> /dev/full", 3, "error: standard output: cannot be written (No space left on device); the work "),
        ("> /dev/full 2> /dev/full", 3, ""),
        ("--nosuch 2> /dev/full", 2, ""),
    ],
)
def test_a_process_ends_in_good_order(redirected: str, code: int, shown: str) -> None:
    script = f"set -o pipefail; '{sys.executable}' -P -m edgenas devices {redirected}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert (done.stdout + done.stderr).startswith(shown) and (shown or not done.stdout + done.stderr)
    assert len((done.stdout + done.stderr).splitlines()) <= 1
