"""ONNX Runtime with any execution provider the installed build offers."""

import time

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError


class OnnxRuntime(Runtime):
    """ONNX Runtime on this host.

    Args:
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads inside an operator; operators run one after the other.

    Raises:
        DeviceError: the installed build lacks the provider.
    """

    name = "onnxruntime"

    def __init__(self, provider: str = "CPUExecutionProvider", threads: int = 1) -> None:
        available = ort.get_available_providers()
        if provider not in available:
            raise DeviceError(
                f"ONNX Runtime {ort.__version__} here has no {provider} (it has {', '.join(available)})",
                "install the onnxruntime build that has it (for NVIDIA GPUs: pip install onnxruntime-gpu)",
            )
        self.provider = provider
        self.threads = threads

    @property
    @override
    def version(self) -> str:
        return str(ort.__version__)

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(model, options, providers=[self.provider])
        except Exception as error:  # ONNX Runtime raises many types, without a common base of its own
            raise DeviceError(
                f"ONNX Runtime cannot load the model ({_first_line(error)})",
                "try another provider or version",
            ) from error
        if self.provider not in session.get_providers():
            raise DeviceError(
                f"ONNX Runtime fell back from {self.provider} to {', '.join(session.get_providers())}",
                "check that the provider's libraries (CUDA, cuDNN, TensorRT, ...) are installed",
            )
        return _OnnxSession(session, {name: value.copy() for name, value in feeds.items()})


class _OnnxSession(Session):
    def __init__(self, session: ort.InferenceSession, feeds: Feeds) -> None:
        self._session = session
        self._feeds = dict(feeds)

    def run(self) -> list[NDArray[np.float32]]:
        return list(self._session.run(None, self._feeds))

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        run, feeds, clock = self._session.run, self._feeds, time.perf_counter_ns
        marks = np.empty(calls + 1, dtype=np.int64)
        marks[0] = clock()
        for i in range(calls):
            run(None, feeds)
            marks[i + 1] = clock()
        return np.maximum(np.diff(marks), 1) / 1e6


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
