"""ONNX Runtime with any execution provider of the installed build."""

import time

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import host
from edgenas.device.device import CPU
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError, first_line
from edgenas.vocabulary import Precision

_GPU_MEMORY = ("CUDAExecutionProvider", "TensorrtExecutionProvider")


class OnnxRuntime(Runtime):
    """ONNX Runtime in this process, without conversion of models; for timing use `OnnxProcess`.

    Args:
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads per operator; operators run one after another.
        shared_pool: sessions share the pool made by `share_pool` instead of having their own.

    Raises:
        DeviceError: the installed build lacks the provider.
    """

    name = "onnxruntime"
    precision: Precision = "fp32"

    def __init__(self, provider: str = CPU, threads: int = 1, shared_pool: bool = False) -> None:
        available = ort.get_available_providers()
        if provider not in available:
            raise DeviceError(
                f"ONNX Runtime {ort.__version__} here has no {provider} (it has {', '.join(available)})",
                "install the onnxruntime build that has it (for NVIDIA GPUs: pip install onnxruntime-gpu)",
            )
        self.provider = provider
        self.threads = threads
        self._shared_pool = shared_pool

    @property
    @override
    def version(self) -> str:
        return str(ort.__version__)

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        options = ort.SessionOptions()
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        if self._shared_pool:
            options.use_per_session_threads = False
        else:
            options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        if self.provider != CPU:  # otherwise nodes it lacks would silently run on the CPU
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        memory = "cuda" if self.provider in _GPU_MEMORY else "cpu"
        copies = {name: value.copy() for name, value in feeds.items()}
        try:
            session = ort.InferenceSession(model, options, providers=[self.provider])
            fell_back = self.provider not in session.get_providers()
            loaded = None if fell_back else _OnnxSession(session, copies, memory)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            raise DeviceError(
                f"ONNX Runtime cannot load the model ({first_line(error)})", "try another provider or version"
            ) from error
        if loaded is None:
            raise DeviceError(
                f"ONNX Runtime fell back from {self.provider} to {', '.join(session.get_providers())}",
                "check that the provider's libraries (CUDA, cuDNN, TensorRT, ...) are installed",
            )
        return loaded


class _OnnxSession(Session):
    def __init__(
        self, session: ort.InferenceSession, feeds: dict[str, NDArray[np.float32]], memory: str
    ) -> None:
        self._session = session
        self._feeds = feeds
        # Inputs and outputs are bound once in device memory, as in a deployed engine, which copies neither. The
        # arrays are kept: on the CPU it is their memory that is bound.
        self._outputs = self.run()
        self._binding = session.io_binding()
        for name, value in feeds.items():
            self._binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value, memory))
        for output, value in zip(session.get_outputs(), self._outputs, strict=True):
            self._binding.bind_ortvalue_output(output.name, ort.OrtValue.ortvalue_from_numpy(value, memory))

    def run(self) -> list[NDArray[np.float32]]:
        return list(self._session.run(None, self._feeds))

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        run, binding, clock = self._session.run_with_iobinding, self._binding, time.perf_counter_ns
        marks = np.empty(calls + 1, dtype=np.int64)
        before = host.interruptions()
        marks[0] = clock()
        for i in range(calls):
            run(binding)
            marks[i + 1] = clock()
        self.interruptions = host.interruptions() - before
        return np.maximum(np.diff(marks), 1) / 1e6


def share_pool(threads: int) -> None:
    """Create one thread pool for all sessions of this process; from then on no session can have its own."""
    ort.set_global_thread_pool_sizes(threads, 1)
