"""Modules of this room that run in a process of their own: others' code may crash on a file, or never end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgenas.board.execution import limited_memory
from edgenas.board.problem import first_line, one_line
from edgenas.board.worker import cause_of
from edgenas.device.onnx_process import module_folders
from edgenas.errors import DeviceError

MAX_S = 180.0
"""Of one such process; a network of 2,000 nodes is simplified in some ten seconds."""


MAX_SAID = 4096
"""Bytes of what a process said last."""


def run_apart(module: str, folder: Path, what: str, most_s: float = MAX_S) -> None:
    """Run a module, which is given the folder and leaves there what it makes.

    Args:
        module: its full name.
        folder: where its files are.
        what: it does, for messages.
        most_s: seconds that it may take.

    Raises:
        DeviceError: it fails, or takes longer.
    """
    with tempfile.TemporaryFile() as said:  # libraries may warn without end
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", module, str(folder)],
                env={**os.environ, "PYTHONPATH": module_folders()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                timeout=most_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise DeviceError(f"{what} takes more than {most_s:g} s", "give a smaller model") from None
        said.seek(max(0, said.seek(0, os.SEEK_END) - MAX_SAID))
        words = said.read()
    if done.returncode:
        reason = _last_line(words) or cause_of(done.returncode)
        raise DeviceError(f"{what} failed ({reason})", "check the file with onnx.checker")


def be_the_process(work: Callable[[Path], None]) -> None:
    """What such a module does when it is run: its work on the folder, in limited memory; a failure is one line."""
    try:
        with limited_memory():
            work(Path(sys.argv[1]))
    except Exception as error:  # others' code may raise anything
        sys.exit(f"{type(error).__name__}: {first_line(error)}")


def _last_line(said: bytes) -> str:
    """Of what a process said: the error that ended it."""
    lines = [line.strip() for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""
