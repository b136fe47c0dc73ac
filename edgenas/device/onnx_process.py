"""ONNX Runtime in a separate process (`board.worker`), for timings that nothing in this process disturbs."""

import os
import sys
import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.board import host
from edgenas.board.onnx_sessions import CPU
from edgenas.board.worker import WORKER, MemoryUse, Worker, memory_use
from edgenas.device.onnx_runtime import OnnxRuntime, as_device_error
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import ConversionError, DeviceError
from edgenas.precision.conversion import convert
from edgenas.precision.scheme import Scheme, scheme_of_provider
from edgenas.units import counted
from edgenas.vocabulary import Precision

MODEL, FEEDS, OUTPUTS = "model.onnx", "feeds.npz", "outputs.npz"


class OnnxProcess(Runtime):
    """ONNX Runtime on this host, in a process that starts with the first model and lives as long as this object.

    Args:
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads per operator; the process is pinned to as many of the fastest cores.
        precision: precision to convert models to; fp32 leaves them unchanged.
        scheme: the form of int8; None for that of this host.

    Raises:
        DeviceError: the installed build lacks the provider.
    """

    name = "onnxruntime"

    def __init__(
        self,
        provider: str = CPU,
        threads: int = 1,
        precision: Precision = "fp32",
        scheme: Scheme | None = None,
    ) -> None:
        self._version = OnnxRuntime(provider, threads).version
        self.provider = provider
        self.threads = threads
        self.precision = precision
        self._scheme = scheme or scheme_of_provider(provider, host.instructions())

    @property
    @override
    def version(self) -> str:
        return self._version

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        try:
            converted = convert(model, self.precision, feeds, self._scheme)
        except ConversionError as error:
            raise DeviceError(error.problem, error.hint) from error
        process = self._process
        self.cores = process.worker.cores
        return _ProcessSession(process, converted, feeds)

    @override
    def memory_use(self, model: bytes, feeds: Feeds) -> MemoryUse | None:
        process = OnnxWorker(self.provider, self.threads)
        path = process.folder / MODEL
        path.write_bytes(model)
        with as_device_error():
            return memory_use(
                process.worker, str(path), 1, {name: each.shape for name, each in feeds.items()}
            )

    @cached_property
    def _process(self) -> "OnnxWorker":
        check_threads(self.threads)
        return OnnxWorker(self.provider, self.threads)


def check_threads(threads: int) -> None:
    """Check that this machine has a core for each thread.

    Raises:
        DeviceError: it has not.
    """
    if threads > (cores := host.cores()):
        raise DeviceError(
            f"{counted(threads, 'threads')} are more than the {counted(cores, 'cores')} here",
            "use fewer --threads",
        )


class OnnxWorker:
    """The process and the folder through which arrays and models are passed; both end with this object.

    Args:
        provider: execution provider.
        threads: threads per operator.
    """

    def __init__(self, provider: str, threads: int) -> None:
        self._files = tempfile.TemporaryDirectory(prefix="edgenas-", ignore_cleanup_errors=True)
        self.folder = Path(self._files.name)
        command = [sys.executable, "-P", "-m", "edgenas.board.run", WORKER, self._files.name]
        with as_device_error():
            self.worker = Worker(command, provider, threads, {**os.environ, "PYTHONPATH": module_folders()})


def module_folders() -> str:
    """Where the process looks for modules: as this one, but not among the user's files in the working folder."""
    here = Path.cwd()
    others = [each for each in sys.path if Path(each).resolve() != here]
    return os.pathsep.join([str(Path(__file__).parents[2]), *others])


class _ProcessSession(Session):
    def __init__(self, process: OnnxWorker, model: bytes, feeds: Feeds) -> None:
        self._process = process
        folder = process.folder
        (folder / MODEL).write_bytes(model)
        np.savez(folder / FEEDS, *feeds.values())
        with as_device_error():
            self._session = process.worker.load(str(folder / MODEL), (list(feeds), str(folder / FEEDS)))
            self.loading_ms = self._session.loading_ms()

    def run(self) -> list[NDArray[np.float32]]:
        path = self._process.folder / OUTPUTS
        with as_device_error():
            count = self._session.run(str(path))
        with np.load(path) as outputs:
            return [outputs[f"arr_{i}"] for i in range(count)]

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        with as_device_error():
            times = np.array(self._session.time_ms(calls))
        self.interruptions = self._session.interruptions
        return times
