"""Models in TensorRT through `trtexec`, the program that comes with it: no package of Python is needed."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

from edgenas.board.problem import BoardError, one_line
from edgenas.board.random_inputs import Shapes
from edgenas.board.worker import WorkerDiedError, cause_of

PROGRAM = "trtexec"

USUAL_PLACE = "/usr/src/tensorrt/bin/trtexec"
"""Where JetPack and Debian's packages put it, outside of PATH."""

WARM_UP_MS = 200

MAX_BUILD_S, MAX_RUN_S = 3600.0, 300.0
"""A build that takes longer, or a timing, hangs."""

WAIT_S, TELL_S = 0.1, 30.0

_BANNER = re.compile(r"RUNNING TensorRT\.trtexec \[TensorRT v([0-9]{4,7})\]")


class Dialect(NamedTuple):
    """What differs between versions of TensorRT.

    Attributes:
        since: major and minor version.
        only_build: the flag that leaves out the inference after a build.
        fp16: flags for models with fp16 tensors.
        int8: flags for models with Q/DQ nodes.
    """

    since: tuple[int, int]
    only_build: str
    fp16: tuple[str, ...]
    int8: tuple[str, ...]


DIALECTS = (
    Dialect((11, 0), "--skipInference", (), ()),  # networks are always strongly typed
    Dialect((10, 0), "--skipInference", ("--stronglyTyped",), ("--stronglyTyped",)),
    Dialect((8, 6), "--skipInference", ("--fp16",), ("--int8", "--fp16")),
    Dialect((8, 2), "--buildOnly", ("--fp16",), ("--int8", "--fp16")),
)
"""The newest first."""


class Trtexec:
    """Builds engines and times them, each in a process of its own.

    Args:
        folder: for engines and the timing cache that builds share; an engine that is there is not built again.
        precision: of the models: fp32, fp16 or int8.
        tell: called with a line of text from time to time while a build takes long.

    Attributes:
        version: of TensorRT.
        cores: none, as nothing is pinned.

    Raises:
        BoardError: the program is missing, or of an unknown version.
    """

    cores: tuple[int, ...] = ()

    def __init__(self, folder: Path, precision: str, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell
        found = shutil.which(PROGRAM) or (USUAL_PLACE if os.access(USUAL_PLACE, os.X_OK) else None)
        if found is None:
            raise BoardError(
                f"{PROGRAM} is neither in PATH nor {USUAL_PLACE}",
                "install TensorRT's tools (Jetson, Debian: sudo apt install libnvinfer-bin)",
            )
        self._program = found
        version = self._version()
        self.version = ".".join(map(str, version))
        self._dialect = next((each for each in DIALECTS if version[:2] >= each.since), None)
        if self._dialect is None:
            raise BoardError(f"TensorRT {self.version} is too old", "install TensorRT 8.2 or later")
        typed = {"fp32": (), "fp16": self._dialect.fp16, "int8": self._dialect.int8}
        self._typed: Sequence[str] = typed[precision]

    def load(self, path: str, batch: int, shapes: Shapes | None = None) -> TrtexecSession:
        """Build the engine of a model, unless it is there.

        Args:
            path: the model, whose shapes are all fixed.
            batch: images per call, which the model has already.
            shapes: of its inputs, likewise.

        Raises:
            BoardError: TensorRT cannot build it.
        """
        if self._folder.is_symlink():
            raise BoardError(f"{self._folder} is a link", "remove it")
        self._folder.mkdir(exist_ok=True)
        engine = self._folder / f"{Path(path).stem}-{self.version}.engine"
        if not engine.is_file():
            built = engine.with_suffix(".part")
            assert self._dialect is not None
            self.run(
                [
                    f"--onnx={path}",
                    f"--saveEngine={built}",
                    f"--timingCacheFile={self._folder / 'timing.cache'}",
                    self._dialect.only_build,
                    *self._typed,
                ],
                MAX_BUILD_S,
                f"building the engine of {Path(path).name}",
            )
            if not built.is_file():
                raise BoardError(f"{PROGRAM} wrote no engine", "look at its output by hand")
            built.replace(engine)
        return TrtexecSession(self, engine)

    def run(self, options: Sequence[str], limit_s: float, what: str) -> str:
        """Run the program to its end, and return its output.

        Raises:
            WorkerDiedError: it died of a signal.
            BoardError: it failed, or took too long.
        """
        log = self._folder / "trtexec.log"
        with log.open("w+", encoding="utf-8", errors="replace") as output:
            process = subprocess.Popen(
                [self._program, *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                self._wait(process, limit_s, what)
            except BaseException:
                process.kill()
                process.wait()
                raise
            output.seek(0)
            text = output.read()
        if process.returncode < 0:
            raise WorkerDiedError(cause_of(process.returncode))
        if process.returncode:
            raise BoardError(f"{PROGRAM}: {_complaint(text)}", "try another version of TensorRT")
        return text

    def _wait(self, process: subprocess.Popen[Any], limit_s: float, what: str) -> None:
        began_s = told_s = time.monotonic()
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(WAIT_S)
            now_s = time.monotonic()
            if now_s - began_s > limit_s:
                raise BoardError(
                    f"{PROGRAM} was still {what} after {limit_s / 60:.0f} minutes", "restart the board"
                )
            if now_s - told_s > TELL_S:
                told_s = now_s
                self._tell(f"{what}: {now_s - began_s:.0f} s")

    def _version(self) -> tuple[int, int, int]:
        """Major, minor and patch, from the first line of its output, such as `[TensorRT v8502]` or `v100300`."""
        try:
            done = subprocess.run(
                [self._program, "--help"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=MAX_RUN_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BoardError(
                f"{self._program} cannot be run ({one_line(str(error))})", "install it again"
            ) from error
        if done.returncode < 0:
            raise WorkerDiedError(cause_of(done.returncode))
        found = _BANNER.search(done.stdout.decode("utf-8", "replace"))
        if found is None:
            raise BoardError(f"{self._program} does not say its version", "install TensorRT 8.2 or later")
        number = int(found.group(1))
        major = 10_000 if number >= 100_000 else 1000  # the weight of the major version, from 10 on
        return number // major, number % major // 100, number % 100


class TrtexecSession:
    """An engine on disk; every timing is a process of its own."""

    interruptions = 0

    def __init__(self, program: Trtexec, engine: Path) -> None:
        self._program = program
        self._engine = engine

    def loading_ms(self) -> None:
        """Nothing: loading is part of the process that times."""

    def time_ms(self, calls: int) -> list[float]:
        """Milliseconds on the GPU of each of `calls` consecutive runs, without copies to and from it.

        Raises:
            BoardError: the engine cannot be run, or the program exports something else than times.
        """
        times = self._engine.with_suffix(".json")
        with suppress(FileNotFoundError):
            times.unlink()
        options = [
            f"--loadEngine={self._engine}",
            f"--iterations={calls}",
            "--duration=0",
            f"--warmUp={WARM_UP_MS}",
            "--noDataTransfers",
            "--useSpinWait",
            f"--exportTimes={times}",
        ]
        self._program.run(options, MAX_RUN_S, f"timing {self._engine.name}")
        try:
            found = [float(each["computeMs"]) for each in json.loads(times.read_text(encoding="utf-8"))]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            found = []
        if len(found) < calls or not all(math.isfinite(ms) and ms > 0 for ms in found):
            raise BoardError(
                f"{PROGRAM} exported no times of {calls} runs", "try another version of TensorRT"
            )
        return found[-calls:]


def _complaint(text: str) -> str:
    """The first error in what the program wrote, else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "[E]" in line]
    chosen = errors[0].partition("[E]")[2] if errors else (lines or ["no message"])[-1]
    return one_line(chosen.strip())
