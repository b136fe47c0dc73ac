"""A kit carried to a board over SSH, measured there, and its results brought back.

The system's `ssh` is used, so that the user's configuration, agent, jump hosts and known hosts apply. One connection
does it all: the remote command is constant but for the interpreter's name, whose characters mean nothing to a shell;
everything else goes through standard input and output.
"""

import hashlib
import json
import logging
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import IO, Any

from edgenas.errors import DeviceError
from edgenas.progress import Progress

log = logging.getLogger(__name__)

SSH = (
    "ssh",
    "-T",
    *("-o", "StrictHostKeyChecking=yes"),
    *("-o", "ConnectTimeout=20"),
    # A dead connection is noticed within a minute.
    *("-o", "ServerAliveInterval=15"),
    *("-o", "ServerAliveCountMax=4"),
)

STARTER = "import sys; exec(sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))); sys.exit(receive())"
"""Runs the program that follows in standard input; within single quotes no shell changes any of it."""

PAUSES_S = (2.0, 5.0, 15.0, 30.0, 60.0)
"""Before each attempt to connect again."""

MAX_LINE_BYTES = 20 * 2**20
"""Far above any results."""

MAX_SHOWN = 300

_NO_CONNECTION, _NO_COMMAND = 255, 127
"""Exit codes of ssh: its own failure, and a command that the board lacks."""


@dataclass(frozen=True, slots=True)
class SshBoard:
    """A board that is reached over SSH.

    Attributes:
        host: as given to ssh: a name of its configuration, HOST or USER@HOST, or ssh://USER@HOST:PORT.
        python: the interpreter on the board that has numpy and the runtime.
    """

    host: str
    python: str = "python3"

    def measure(self, archive: bytes, progress: Progress, pause: Callable[[float], None] = time.sleep) -> str:
        """Run a kit on the board; goes on after a dropped connection.

        Args:
            archive: the kit.
            progress: told of the board's progress, in percent.
            pause: waits the given seconds before connecting again.

        Returns:
            The text of its results, not yet checked.

        Raises:
            DeviceError: the board cannot be reached or cannot measure. What was measured is kept there.
        """
        for pause_s in (*PAUSES_S, None):
            attempt = _Attempt(self, progress)
            attempt.run(archive)
            if attempt.results is not None:
                return attempt.results
            if not attempt.dropped or pause_s is None:
                raise attempt.error()
            log.warning("the connection to %s was lost: connecting again", self.host)
            pause(pause_s)
        raise AssertionError("unreachable")


class _Attempt:
    """One connection."""

    def __init__(self, board: SshBoard, progress: Progress) -> None:
        self.results: str | None = None
        self._board = board
        self._progress = progress
        self._folder = ""
        self._error = ""
        self._complaint = ""
        self._code = 0

    @property
    def dropped(self) -> bool:
        """Whether the connection had been made and was lost."""
        return bool(self._folder) and not self._error and self._code == _NO_CONNECTION

    def run(self, archive: bytes) -> None:
        """Connect, carry the kit if it is not there, and listen until the end."""
        command = [*SSH, "--", self._board.host, f"{self._board.python} -I -c '{STARTER}'"]
        with tempfile.TemporaryFile() as complaints:
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
                )
            except FileNotFoundError:
                raise DeviceError("ssh is not installed here", "install OpenSSH's client") from None
            with process:
                try:
                    self._converse(process, archive)
                except BaseException:
                    process.kill()
                    raise
                finally:
                    _close(process.stdin)
            self._code = process.wait()
            complaints.seek(0)
            self._complaint = _last_line(complaints.read())

    def _converse(self, process: "subprocess.Popen[bytes]", archive: bytes) -> None:
        assert process.stdin and process.stdout
        program = files("edgenas.board").joinpath("receive.py").read_bytes()
        header = {"sha256": hashlib.sha256(archive).hexdigest(), "size": len(archive)}
        _send(process.stdin, b"%d\n%s%s\n" % (len(program), program, json.dumps(header).encode()))
        for answer in _answers(process.stdout, self._board.host):
            if answer.get("kit") == "missing":
                self._progress(f"{self._board.host}: carrying the kit", 0, 1)
                _send(process.stdin, archive)
                self._progress(f"{self._board.host}: carrying the kit", 1, 1)
            self._hear(answer)

    def _hear(self, answer: dict[str, Any]) -> None:
        host = self._board.host
        match answer:
            case {"folder": str(folder)}:
                self._folder = _shown(folder)
            case {"warning": str(text)}:
                log.warning("%s: %s", host, _shown(text))
            case {"line": str(text)}:
                log.info("%s: %s", host, _shown(text))
            case {"phase": str(phase), "share": float(share)} if 0 <= share <= 1:
                self._progress(f"{host}: {_shown(phase)}", round(100 * share), 100)
            case {"error": str(text)}:
                self._error = _shown(text)
            case {"results": str(text)}:
                self.results = text

    def error(self) -> DeviceError:
        """Why there are no results."""
        host, python = self._board.host, self._board.python
        kept = f"what was measured is kept on the board, in {self._folder}: repeat the command to go on"
        if self._error:
            problem, _, hint = self._error.partition("; ")
            return DeviceError(f"{host}: {problem}", hint)
        if self.dropped:
            return DeviceError(f"the connection to {host} was lost ({self._complaint})", kept)
        if self._code == _NO_CONNECTION:
            return DeviceError(
                f"{host} cannot be reached ({self._complaint or 'ssh says nothing'})",
                f"connect once by hand, which also shows the board's key to you: ssh {host}",
            )
        if self._code == _NO_COMMAND:
            return DeviceError(
                f"{host} has no {python}", "name an interpreter with numpy and onnxruntime: --ssh-python"
            )
        hint = kept if self._folder else "see whether it works by hand"
        return DeviceError(f"{host} ended with code {self._code} ({self._complaint or 'no message'})", hint)


def _send(stream: IO[bytes], content: bytes) -> None:
    with suppress(BrokenPipeError):  # the connection has ended: its exit code says why
        stream.write(content)
        stream.flush()


def _close(stream: IO[bytes] | None) -> None:
    """Close what is written to, whose buffer may hold what nobody reads any more."""
    with suppress(BrokenPipeError):
        if stream:
            stream.close()


def _answers(stream: IO[bytes], host: str) -> Iterator[dict[str, Any]]:
    """Lines of JSON objects; others, such as what a shell's start-up files print, are skipped."""
    while line := stream.readline(MAX_LINE_BYTES):
        if not line.endswith(b"\n") and len(line) == MAX_LINE_BYTES:
            raise DeviceError(f"{host} sends more than results can be", "is it the right board?")
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, dict):
            yield answer


def _shown(text: str) -> str:
    """Text from the board as it may be shown on a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text[:MAX_SHOWN])


def _last_line(complaints: bytes) -> str:
    lines = complaints.decode("utf-8", "replace").strip().splitlines()
    return _shown(lines[-1]) if lines else ""
