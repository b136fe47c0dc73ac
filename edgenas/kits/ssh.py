"""A kit carried to a board over SSH, measured there, and its results brought back.

The system's `ssh` is used, so that the user's configuration, agent, jump hosts and known hosts apply. One connection
does it all: the remote command is constant but for the interpreter's name, whose characters mean nothing to a shell;
everything else goes through standard input and output.
"""

import hashlib
import io
import json
import logging
import os
import subprocess
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from typing import IO, Any

from edgenas.board.problem import one_line
from edgenas.board.receive import RECEIVED
from edgenas.errors import DeviceError
from edgenas.kits.runner_source import LOOK_MODULES, runner_source
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

MAX_LINE_BYTES = 12 * 2**20
"""Above any results that are accepted, quoted as JSON."""

MAX_SHORT_LINE_BYTES = 64 * 2**10
"""Above any line that holds no results."""

MAX_LOOK_BYTES = 256 * 2**10
"""Above what a board says of itself, and what its shell says before."""

MAX_COMPLAINT_BYTES = 4096

MAX_PHASES = 20
"""Above what a runner has; each is a bar on the terminal."""

MAX_SILENCE_S = 600.0
"""Boards tell their progress twice a second, but for the time that a large model takes to load."""

WATCH_S = 1.0

NO_SSH = ("ssh is not installed here", "install OpenSSH's client")

BY_HAND = "see whether it works by hand"

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

    @property
    def command(self) -> list[str]:
        """Starts a program on the board that is sent to it."""
        return [*SSH, "--", self.host, f"{self.python} -I -c '{STARTER}'"]

    def look(self) -> dict[str, Any]:
        """What the board is, as it says; not yet checked. See `board.look`.

        Raises:
            DeviceError: it cannot be reached, has no Python, or does not answer.
        """
        with tempfile.TemporaryFile() as complaints:
            process = self.connect(complaints)
            watch = threading.Timer(MAX_SILENCE_S, process.kill)
            watch.start()
            try:
                with process:
                    assert process.stdin and process.stdout
                    _send(process.stdin, _framed(runner_source(LOOK_MODULES).encode()))
                    _close(process.stdin)
                    content = process.stdout.read(MAX_LOOK_BYTES)
                    if process.stdout.read(1):
                        process.kill()
                late = watch.finished.is_set()
            finally:
                watch.cancel()
            complaint = _complaint(complaints)
        for answer in _answers(io.BytesIO(content), self.host):
            if isinstance(found := answer.get("board"), dict):
                return found
        if late:
            raise DeviceError(self.silence, BY_HAND)
        raise self.ended(process.returncode, complaint, BY_HAND)

    def connect(self, complaints: IO[bytes]) -> "subprocess.Popen[bytes]":
        """Start ssh; what it complains of goes to a file."""
        try:
            return subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
            )
        except FileNotFoundError:
            raise DeviceError(*NO_SSH) from None

    @property
    def silence(self) -> str:
        """What to say when it did not answer."""
        return f"{self.host} has said nothing for {MAX_SILENCE_S / 60:.0f} minutes"

    def ended(self, code: int, complaint: str, hint: str) -> DeviceError:
        """Why a connection ended with this code, without what it was for."""
        if code == _NO_CONNECTION:
            return DeviceError(
                f"{self.host} cannot be reached ({complaint or 'ssh says nothing'})",
                f"connect once by hand, which also shows the board's key to you: ssh {self.host}",
            )
        if code == _NO_COMMAND:
            return DeviceError(
                f"{self.host} has no {self.python}",
                "name an interpreter with numpy and onnxruntime: --ssh-python",
            )
        return DeviceError(f"{self.host} ended with code {code} ({complaint or 'no message'})", hint)

    def measure(
        self,
        archive: bytes,
        accept: Callable[[str], None],
        progress: Progress,
        pause: Callable[[float], object] = time.sleep,
        stopped: threading.Event | None = None,
    ) -> None:
        """Run a kit on the board; goes on after a dropped connection.

        Args:
            archive: the kit.
            accept: called with the text of the results, not yet checked. Raises a DeviceError if they cannot be used;
                after any other error the board keeps them and sends them again the next time.
            progress: told of the board's progress, in percent.
            pause: waits the given seconds before connecting again.
            stopped: set by another thread, it ends the connection, and no other is made.

        Raises:
            DeviceError: the board cannot be reached or cannot measure. What was measured is kept there.
        """
        folder, best = "", 0.0
        pauses = iter(PAUSES_S)
        while True:
            attempt = _Attempt(self, accept, progress, stopped or threading.Event())
            attempt.run(archive)
            if attempt.accepted:
                return
            folder = attempt.folder or folder
            if attempt.share > best:  # the connection is worth something: be patient again
                best, pauses = attempt.share, iter(PAUSES_S)
            pause_s = next(pauses, None)
            if not (folder and attempt.lost) or pause_s is None:
                raise attempt.error(folder)
            if not (stopped and stopped.is_set()):
                log.warning("the connection to %s was lost: connecting again in %g s", self.host, pause_s)
                pause(pause_s)
            if stopped and stopped.is_set():
                raise attempt.error(folder)


class _Attempt:
    """One connection."""

    def __init__(
        self, board: SshBoard, accept: Callable[[str], None], progress: Progress, stopped: threading.Event
    ) -> None:
        self.accepted = False
        """Whether there were results, which were accepted."""
        self.folder = ""
        """Of the kit on the board; empty if the board did not answer."""
        self.share = 0.0
        """How much of the timing was done in the end, 0..1."""
        self._board = board
        self._accept = accept
        self._progress = progress
        self._stopped = stopped
        self._phases: set[str] = set()
        self._error = ""
        self._complaint = ""
        self._silent = False
        self._taking = False
        self._code = 0

    @property
    def lost(self) -> bool:
        """Whether ssh itself failed, rather than the board."""
        return self._code == _NO_CONNECTION and not self._error

    def run(self, archive: bytes) -> None:
        """Connect, carry the kit if it is not there, and listen until the end."""
        with tempfile.TemporaryFile() as complaints:
            process = self._board.connect(complaints)
            with process:
                try:
                    self._converse(process, archive)
                except BaseException:
                    process.kill()
                    raise
                finally:
                    _close(process.stdin)
            self._code = process.wait()
            self._complaint = _complaint(complaints)

    def _converse(self, process: "subprocess.Popen[bytes]", archive: bytes) -> None:
        assert process.stdin and process.stdout
        program = files("edgenas.board").joinpath("receive.py").read_bytes()
        _send(process.stdin, _framed(program) + _header(archive) + b"\n")
        with self._patience(process) as heard:
            for answer in _answers(process.stdout, self._board.host):
                heard()
                if answer.get("kit") == "missing":
                    self._progress(f"{self._board.host}: carrying the kit", 0, 1)
                    _send(process.stdin, archive)
                    self._progress(f"{self._board.host}: carrying the kit", 1, 1)
                if isinstance(text := answer.get("results"), str):
                    self._take(text, process.stdin)
                self._hear(answer)

    def _take(self, text: str, stdin: IO[bytes]) -> None:
        """Pass results on, and say that they need not be kept; other results would be no better."""
        self._taking = True  # the silence is ours
        try:
            self._accept(text)
        except DeviceError:
            _send(stdin, RECEIVED)
            raise
        _send(stdin, RECEIVED)
        self.accepted = True

    @contextmanager
    def _patience(self, process: "subprocess.Popen[bytes]") -> Iterator[Callable[[], None]]:
        """End a connection over which nothing comes for long; what it yields is called when something came."""
        last_s = time.monotonic()
        ended = threading.Event()

        def heard() -> None:
            nonlocal last_s
            last_s = time.monotonic()

        def watch() -> None:
            while not ended.wait(WATCH_S):
                self._silent = not self._taking and time.monotonic() - last_s > MAX_SILENCE_S
                if self._silent or self._stopped.is_set():
                    process.kill()
                    return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield heard
        finally:
            ended.set()
            watcher.join()

    def _hear(self, answer: dict[str, Any]) -> None:
        host = self._board.host
        match answer:
            case {"folder": str(folder)}:
                self.folder = one_line(folder)
            case {"warning": str(text)}:
                log.warning("%s: %s", host, one_line(text))
            case {"line": str(text)}:
                log.info("%s: %s", host, one_line(text))
            case {"phase": str(phase), "share": float(share)} if 0 <= share <= 1:
                self._phases.add(phase)
                self.share = max(self.share, share) if phase == "timing" else self.share
                if len(self._phases) <= MAX_PHASES:
                    self._progress(f"{host}: {one_line(phase)}", round(100 * share), 100)
            case {"error": str(text)}:
                self._error = one_line(text)

    def error(self, folder: str) -> DeviceError:
        """Why there are no results.

        Args:
            folder: in which an earlier or this attempt left the kit on the board; empty for none.
        """
        host, hint = self._board.host, BY_HAND
        if folder:
            hint = f"what was measured is kept on the board, in {folder}: repeat the command to go on"
        if self._error:
            problem, _, mend = self._error.partition("; ")
            return DeviceError(f"{host}: {problem}", mend)
        if self._silent:
            return DeviceError(self._board.silence, hint)
        if self.lost and folder:
            return DeviceError(f"the connection to {host} was lost ({self._complaint})", hint)
        return self._board.ended(self._code, self._complaint, hint)


def _framed(program: bytes) -> bytes:
    """A program as the starter reads it."""
    return b"%d\n%s" % (len(program), program)


def _header(archive: bytes) -> bytes:
    """What the board is told of a kit before it gets it: its checksum and size, and the CRC-32 of each file."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        sums = {entry.filename.partition("/")[2]: entry.CRC for entry in opened.infolist()}
    header = {"sha256": hashlib.sha256(archive).hexdigest(), "size": len(archive), "files": sums}
    return json.dumps(header).encode()


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
        if len(line) > MAX_SHORT_LINE_BYTES and not line.startswith(b'{"results": "'):
            continue
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(answer, dict):
            yield answer


def _complaint(complaints: IO[bytes]) -> str:
    """The last line of what ssh, or a program on the board, complained of."""
    complaints.seek(max(0, complaints.seek(0, os.SEEK_END) - MAX_COMPLAINT_BYTES))
    lines = complaints.read().decode("utf-8", "replace").strip().splitlines()
    return one_line(lines[-1]) if lines else ""
