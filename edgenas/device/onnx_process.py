"""ONNX Runtime in a separate process, so that nothing in this process disturbs its timings.

Sessions with thread pools of their own distort each other's timings: an idle pool's workers keep spinning on the cores
the next session needs (whole networks at two threads came out 1.1 to 3.5 times too slow). A shared pool avoids this,
but ONNX Runtime creates it only once per process. A separate process is also free of other libraries' threads, can be
pinned to cores, and does not take this one down when a provider crashes.

The processes exchange lines of JSON; models, inputs and outputs go through files.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from typing_extensions import override

from edgenas.device import host
from edgenas.device.device import CPU
from edgenas.device.onnx_runtime import OnnxRuntime, share_pool
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError, InputError, first_line
from edgenas.space.precision import convert
from edgenas.vocabulary import Precision

MODEL, FEEDS, OUTPUTS = "model.onnx", "feeds.safetensors", "outputs.safetensors"


class OnnxProcess(Runtime):
    """ONNX Runtime on this host, in a process that starts with the first model and lives as long as this object.

    Args:
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads per operator; the process is pinned to as many of the fastest cores.
        precision: precision to convert models to; fp32 leaves them unchanged.

    Raises:
        DeviceError: the installed build lacks the provider.
    """

    name = "onnxruntime"

    def __init__(self, provider: str = CPU, threads: int = 1, precision: Precision = "fp32") -> None:
        self._version = OnnxRuntime(provider, threads).version
        self.provider = provider
        self.threads = threads
        self.precision = precision

    @property
    @override
    def version(self) -> str:
        return self._version

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        try:
            converted = convert(model, self.precision, feeds)
        except InputError as error:
            raise DeviceError(error.problem, error.hint) from error
        session = _ProcessSession(self._worker, converted, feeds)
        self.cores = self._worker.cores
        return session

    @cached_property
    def _worker(self) -> "_Worker":
        if self.threads > host.cores():
            raise DeviceError(
                f"{self.threads} threads are more than the {host.cores()} cores here", "use fewer --threads"
            )
        return _Worker(self.provider, self.threads)


class _ProcessSession(Session):
    def __init__(self, worker: "_Worker", model: bytes, feeds: Feeds) -> None:
        self._worker = worker
        worker.free_dropped()
        (worker.folder / MODEL).write_bytes(model)
        save_file(dict(feeds), worker.folder / FEEDS)
        self._number = worker.request("load")
        weakref.finalize(self, worker.dropped.append, self._number)

    def run(self) -> list[NDArray[np.float32]]:
        count = self._worker.request("run", self._number)
        outputs = load_file(self._worker.folder / OUTPUTS)
        return [outputs[str(i)] for i in range(count)]

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        times, self.interruptions = self._worker.request("time", self._number, calls)
        return np.array(times)


class _Worker:
    """The parent's side: starts the process, sends it requests, and kills it when no longer needed."""

    def __init__(self, provider: str, threads: int) -> None:
        self._files = tempfile.TemporaryDirectory(prefix="edgenas-", ignore_cleanup_errors=True)
        self.folder = Path(self._files.name)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self.folder, provider, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches only the parent, which then kills this process
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        weakref.finalize(self, _end, self._process)
        self.cores: tuple[int, ...] = tuple(self.request("cores"))
        self.dropped: list[int] = []
        """Dropped sessions, freed before the next load: garbage collection may run in the middle of a request."""

    def request(self, verb: str, *arguments: int) -> Any:
        """Send one request and return the answer.

        Raises:
            DeviceError: the request failed, or the process died.
        """
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise DeviceError(
                f"the process that times models died ({_cause(self._process.wait())})",
                "check memory and the provider's libraries, and try again",
            )
        answer = json.loads(line)
        if "problem" in answer:
            raise DeviceError(answer["problem"], answer["hint"])
        return answer["value"]

    def free_dropped(self) -> None:
        """Free the sessions in the process that are no longer referenced here."""
        while self.dropped:
            self.request("forget", self.dropped.pop())


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # unread requests cannot be flushed
            if pipe:
                pipe.close()


def _cause(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _serve(folder: Path, runtime: OnnxRuntime, cores: tuple[int, ...], answers: IO[str]) -> None:
    """The process's side: answer requests until the parent is gone."""
    sessions: dict[int, Session] = {}
    numbers = itertools.count()

    def load() -> int:
        number = next(numbers)
        sessions[number] = runtime.load((folder / MODEL).read_bytes(), load_file(folder / FEEDS))
        return number

    def run(number: int) -> int:
        outputs = sessions[number].run()
        save_file({str(i): output for i, output in enumerate(outputs)}, folder / OUTPUTS)
        return len(outputs)

    verbs: dict[str, Callable[..., Any]] = {
        "cores": lambda: cores,
        "load": load,
        "run": run,
        "time": lambda number, calls: (
            sessions[number].time_ms(calls).tolist(),
            sessions[number].interruptions,
        ),
        "forget": lambda number: sessions.pop(number) and None,
    }
    for line in sys.stdin:
        verb, *arguments = json.loads(line)
        try:
            answer = {"value": verbs[verb](*arguments)}
        except DeviceError as error:
            answer = {"problem": error.problem, "hint": error.hint}
        except Exception as error:  # from the runtime: report it to the parent
            answer = {"problem": f"the model cannot be run ({first_line(error)})", "hint": "check memory"}
        try:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
        except BrokenPipeError:  # the parent is gone
            return


def _main(folder: str, provider: str, threads: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # keeps output of the provider's libraries out of the answers
    cores = host.pin(int(threads))
    if int(threads) > 1:
        share_pool(int(threads))
    runtime = OnnxRuntime(provider, int(threads), shared_pool=int(threads) > 1)
    _serve(Path(folder), runtime, cores, answers)
    shutil.rmtree(folder, ignore_errors=True)  # in case the parent was killed


if __name__ == "__main__":
    _main(*sys.argv[1:])
