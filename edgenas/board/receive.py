"""Receives a kit through standard input, runs it, and sends its results back: the board's end of a connection.

The starter in `kits.ssh` reads this program, then calls `receive`. A line of JSON follows that describes the kit's
archive, and the archive, if the board asks for it. Answers are lines of JSON, as those of `run.py --lines`. Results are
kept until the other end says that it has them: a connection may drop just when they are sent.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, Mapping

RECEIVED = b"received\n"
"""What the other end says when it has the results."""


def receive() -> int:
    """Serve one connection; returns the exit code of the runner."""
    header = json.loads(sys.stdin.buffer.readline())
    cache = Path.home() / ".cache" / "edgenas"
    folder = cache / ("kit-" + str(header["sha256"])[:16])
    present = _is_whole(folder, header["files"])
    _say(folder=str(folder), kit="present" if present else "missing")
    try:
        if not present and not _unpacked(header, folder):
            return 255  # the connection dropped
        code = _run(folder)
    except OSError as error:
        _say(
            error=f"{error.filename or cache} cannot be used ({error.strerror}); free disk space, or mend it"
        )
        return 3
    if code < 0:
        _say(
            error=f"run.py was ended by signal {-code}; another profile of this board, or a lack of memory, did it"
        )
        return 3
    results = folder / "results.json"
    if results.is_file():
        _say(results=results.read_text(encoding="utf-8"))
        if sys.stdin.buffer.readline() == RECEIVED:
            (folder / "delivered").touch()
    return code


def _run(folder: Path) -> int:
    """Run the kit, unless there are results that nobody has received yet."""
    results, delivered = folder / "results.json", folder / "delivered"
    if delivered.exists():
        for path in (results, delivered):  # in this order: what is left tells how far it came
            if path.exists():
                path.unlink()
    if results.is_file():
        return 0
    command = [sys.executable, str(folder / "run.py"), "--lines"]
    return subprocess.call(command, stdin=subprocess.DEVNULL)


def _is_whole(folder: Path, files: Mapping[str, int]) -> bool:
    """Whether all files are there, by their CRC-32."""
    try:
        return all(zlib.crc32((folder / name).read_bytes()) == crc for name, crc in files.items())
    except OSError:
        return False


def _unpacked(header: Mapping[str, Any], folder: Path) -> bool:
    """Whether the archive arrived whole; if so, it is unpacked, and kits whose results were delivered are removed."""
    content = sys.stdin.buffer.read(int(header["size"]))
    if hashlib.sha256(content).hexdigest() != header["sha256"]:
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=str(folder.parent)) as unpacking:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(unpacking)
        (unpacked,) = Path(unpacking).iterdir()
        os.sync()  # whole on the disk before it has its name
        for delivered in folder.parent.glob("kit-*/delivered"):
            shutil.rmtree(str(delivered.parent))
        if folder.is_dir():  # damaged
            shutil.rmtree(str(folder))
        unpacked.rename(folder)
    return True


def _say(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()
