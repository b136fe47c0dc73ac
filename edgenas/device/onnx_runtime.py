"""ONNX Runtime with any execution provider of the installed build."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.board.onnx_sessions import CPU, OnnxLoader, OnnxSession
from edgenas.board.problem import BoardError
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError
from edgenas.vocabulary import Precision


class OnnxRuntime(Runtime):
    """ONNX Runtime in this process, without conversion of models; for timing use `OnnxProcess`.

    Args:
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads per operator; operators run one after another.

    Raises:
        DeviceError: the installed build lacks the provider.
    """

    name = "onnxruntime"
    precision: Precision = "fp32"

    def __init__(self, provider: str = CPU, threads: int = 1) -> None:
        with as_device_error():
            self._loader = OnnxLoader(provider, threads)
        self.provider = provider
        self.threads = threads

    @property
    @override
    def version(self) -> str:
        return self._loader.version

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        with as_device_error():
            return _OnnxSession(self._loader.load(model, feeds))


class _OnnxSession(Session):
    def __init__(self, loaded: OnnxSession) -> None:
        self._loaded = loaded
        self.loading_ms = loaded.loading_ms

    def run(self) -> list[NDArray[np.float32]]:
        return self._loaded.run()

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        with as_device_error():
            times = np.array(self._loaded.time_ms(calls))
        self.interruptions = self._loaded.interruptions
        return times


@contextmanager
def as_device_error() -> Iterator[None]:
    """Raise what fails on a board as an error of edgenas."""
    try:
        yield
    except BoardError as error:
        raise DeviceError(error.problem, error.hint) from error.__cause__
