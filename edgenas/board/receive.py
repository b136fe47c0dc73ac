"""Receives a kit through standard input, runs it, and sends its results back: the board's end of a connection.

The starter in `kits.ssh` reads this program, then calls `receive`. A line of JSON with checksum and size of the kit's
archive follows and, if the board asks for it, the archive. Answers are lines of JSON, as those of `run.py --lines`.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any


def receive() -> int:
    """Serve one connection; returns the exit code of the runner."""
    header = json.loads(sys.stdin.buffer.readline())
    checksum = str(header["sha256"])
    cache = Path.home() / ".cache" / "edgenas"
    folder = cache / ("kit-" + checksum[:16])
    present = folder.is_dir()
    _say(folder=str(folder), kit="present" if present else "missing")
    try:
        if not present and not _unpacked(int(header["size"]), checksum, folder):
            return 255  # the connection dropped
    except OSError as error:
        _say(error=f"{cache} cannot be written ({error.strerror}); free disk space")
        return 3
    command = [sys.executable, str(folder / "run.py"), "--lines"]
    code = subprocess.call(command, stdin=subprocess.DEVNULL)
    if code in (0, 1):
        _say(results=(folder / "results.json").read_text(encoding="utf-8"))
    return code


def _unpacked(size: int, checksum: str, folder: Path) -> bool:
    """Whether the archive arrived whole; if so, it is unpacked."""
    content = sys.stdin.buffer.read(size)
    if hashlib.sha256(content).hexdigest() != checksum:
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(folder.parent)) as unpacking:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(unpacking)
        (unpacked,) = Path(unpacking).iterdir()
        if not folder.is_dir():  # another connection may have been faster
            unpacked.rename(folder)
    return True


def _say(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()
