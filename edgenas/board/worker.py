"""ONNX Runtime in a separate process, so that nothing in this process disturbs its timings.

Sessions with thread pools of their own distort each other's timings: an idle pool's workers keep spinning on the cores
the next session needs (whole networks at two threads came out 1.1 to 3.5 times too slow). A shared pool avoids this,
but ONNX Runtime creates it only once per process. A separate process is also free of other libraries' threads, can be
pinned to cores, and does not take this one down when the runtime crashes.

The processes exchange lines of JSON; models, inputs and outputs go through files.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from typing import IO, Any, Callable, Mapping, NamedTuple, Sequence

from edgenas.board.execution import KernelRun, executed
from edgenas.board.host import peak_memory, pin
from edgenas.board.onnx_sessions import OnnxLoader, OnnxSession, share_pool
from edgenas.board.problem import BoardError, first_line, one_line
from edgenas.board.random_inputs import Shapes

WORKER = "--worker"

MEMORY_RUNS = 3
"""Runs after which memory no longer grows: the first plans it, the second allocates it in one piece."""

MAX_EXECUTION_S = 60.0
"""Of loading and running a model once, which may never end."""

MAX_WORDS = 200
"""Characters of what the process last said."""


class Worker:
    """The parent's side: starts the process, sends it requests, and kills it when no longer needed.

    Args:
        command: that of the process, such as `python3 run.py --worker`; provider and threads are appended.
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads per operator; the process is pinned to as many of the fastest cores.
        environment: variables of the process; None for those of this one.
    """

    def __init__(
        self,
        command: Sequence[str],
        provider: str,
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        """What libraries print is for nobody, unless the process dies of it."""
        self._process = subprocess.Popen(
            [*command, provider, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            universal_newlines=True,
            start_new_session=True,  # Ctrl-C reaches only the parent, which then kills this process
            env=environment,
        )
        weakref.finalize(self, _end, self._process)
        self.dropped: list[int] = []
        """Dropped sessions, freed before the next load: garbage collection may run in the middle of a request."""
        version, cores = self.request("hello")
        self.version: str = version
        self.cores: tuple[int, ...] = tuple(cores)

    def load(
        self, path: str, feeds: tuple[Sequence[str], str] | int, shapes: Shapes | None = None
    ) -> WorkerSession:
        """Load the model of a file.

        Args:
            path: the model.
            feeds: names of the inputs and an `.npz` file with their arrays in this order; or a batch size, for random
                inputs.
            shapes: as for `OnnxLoader.load`.
        """
        while self.dropped:
            self.request("forget", self.dropped.pop())
        return WorkerSession(self, self.request("load", path, feeds, shapes or {}))

    def execute(
        self,
        path: str,
        feeds: tuple[Sequence[str], str],
        folder: str,
        disabled: Sequence[str] = (),
        most_s: float = MAX_EXECUTION_S,
        runs: int = 1,
    ) -> list[KernelRun]:
        """Run the model of a file, as `execution.executed`.

        Raises:
            BoardError: also if it takes longer than `most_s` seconds, after which the process is gone.
        """
        timer = threading.Timer(most_s, self._process.kill)
        timer.start()
        try:
            found = self.request("execute", path, feeds, folder, disabled, runs)
            return [KernelRun(*each) for each in found]
        except WorkerDiedError:
            if timer.is_alive():
                raise
            raise BoardError(
                f"one run of the model takes more than {most_s:g} s",
                "give smaller inputs, and a model whose loops end",
            ) from None
        finally:
            timer.cancel()

    def request(self, verb: str, *arguments: Any) -> Any:
        """Send one request and return the answer.

        Raises:
            BoardError: the request failed, or the process died.
        """
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):  # it died, perhaps in the middle of an answer
            raise WorkerDiedError(cause_of(self._process.wait()), self._last_words())
        answer = json.loads(line)
        if "problem" in answer:
            raise BoardError(answer["problem"], answer["hint"])
        return answer["value"]

    def _last_words(self) -> str:
        """The last line that the process printed; empty if there is none."""
        self._said.seek(0)
        lines = [line for line in self._said.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return one_line(lines[-1].strip(), MAX_WORDS) if lines else ""


class WorkerDiedError(BoardError):
    """The process that times models died; `cause` is the name of the signal or the exit code."""

    def __init__(self, cause: str, last_words: str = "") -> None:
        self.cause = cause
        super().__init__(
            f"the process that times models died ({cause}{f': {last_words}' if last_words else ''})",
            "check memory and the provider's libraries, and try again",
        )


class MemoryUse(NamedTuple):
    """Memory of a process that loaded and ran one model and nothing else, bytes of physical memory.

    Attributes:
        before: of the process before: Python and the runtime.
        peak: the most it ever had, that included.
    """

    before: int
    peak: int


def memory_use(worker: Worker, path: str, batch: int, shapes: Shapes) -> MemoryUse | None:
    """The memory that a model takes; None if the system does not tell.

    Args:
        worker: a process that has loaded nothing yet.
        path: the model.
        batch: of its random inputs.
        shapes: as for `OnnxLoader.load`.
    """
    before = worker.request("memory")
    worker.load(path, batch, shapes).time_ms(MEMORY_RUNS)
    peak = worker.request("memory")
    return None if before is None or peak is None else MemoryUse(before, peak)


class WorkerSession:
    """A model loaded in the process; `interruptions` is how often the last timing was preempted."""

    interruptions = 0

    def __init__(self, worker: Worker, number: int) -> None:
        self._worker = worker
        self._number = number
        weakref.finalize(self, worker.dropped.append, number)

    def run(self, outputs: str) -> int:
        """Run once; writes the outputs to an `.npz` file and returns their number."""
        return int(self._worker.request("run", self._number, outputs))

    def loading_ms(self) -> tuple[float, float]:
        """Milliseconds of loading it, and of its first run."""
        load_ms, first_ms = self._worker.request("loading", self._number)
        return load_ms, first_ms

    def time_ms(self, calls: int) -> list[float]:
        """Milliseconds of each of `calls` consecutive runs."""
        times, self.interruptions = self._worker.request("time", self._number, calls)
        return list(times)


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # unread requests cannot be flushed
            if pipe:
                pipe.close()


def cause_of(code: int) -> str:
    """The name of the signal, or the exit code, that a process ended with."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def work(folder: str, provider: str, threads: str) -> None:
    """Be the process: answer requests until the parent is gone, then remove the folder, which only it used.

    Args:
        folder: where the parent puts files; empty for none.
        provider: execution provider.
        threads: threads per operator.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps output of the provider's libraries out of the answers
    cores = pin(int(threads))
    loader: OnnxLoader | BoardError
    try:
        if int(threads) > 1:
            share_pool(int(threads))
        loader = OnnxLoader(provider, int(threads), shared_pool=int(threads) > 1)
    except BoardError as error:
        loader = error
    _serve(loader, cores, answers)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)  # in case the parent was killed


def _serve(loader: OnnxLoader | BoardError, cores: Sequence[int], answers: IO[str]) -> None:
    sessions: dict[int, OnnxSession] = {}
    numbers = itertools.count()

    def hello() -> tuple[str, Sequence[int]]:
        if isinstance(loader, BoardError):
            raise loader
        return loader.version, cores

    def load(path: str, feeds: tuple[Sequence[str], str] | int, shapes: Shapes) -> int:
        assert isinstance(loader, OnnxLoader)
        number = next(numbers)
        sessions[number] = loader.load(path, feeds if isinstance(feeds, int) else _arrays(*feeds), shapes)
        return number

    def run(number: int, path: str) -> int:
        import numpy as np

        outputs = sessions[number].run()
        np.savez(path, *outputs)
        return len(outputs)

    def execute(path: str, feeds: tuple[Sequence[str], str], *how: Any) -> Any:
        return executed(path, _arrays(*feeds), *how)

    verbs: dict[str, Callable[..., Any]] = {
        "hello": hello,
        "load": load,
        "execute": execute,
        "run": run,
        "loading": lambda number: sessions[number].loading_ms,
        "time": lambda number, calls: (sessions[number].time_ms(calls), sessions[number].interruptions),
        "memory": peak_memory,
        "forget": lambda number: sessions.pop(number) and None,
    }
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        try:
            answer = {"value": verbs[verb](*arguments)}
        except BoardError as error:
            answer = {"problem": error.problem, "hint": error.hint}
        except Exception as error:  # from the runtime: report it to the parent
            answer = {"problem": f"the model cannot be run ({first_line(error)})", "hint": "check memory"}
        try:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        except BrokenPipeError:  # the parent is gone
            return


def _arrays(names: Sequence[str], path: str) -> dict[str, Any]:
    import numpy as np

    with np.load(path) as arrays:
        return {name: arrays[f"arr_{i}"] for i, name in enumerate(names)}
