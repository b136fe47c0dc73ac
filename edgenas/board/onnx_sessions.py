"""Models in ONNX Runtime, in this process: loading, running and timing them."""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Mapping

from edgenas.board.host import interruptions
from edgenas.board.problem import BoardError, first_line
from edgenas.board.random_inputs import Shapes, random_inputs

# Must be set before ONNX Runtime is loaded, or it sends telemetry; which variable it reads depends on its version.
for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):
    os.environ.setdefault(_name, "1")

CPU = "CPUExecutionProvider"
"""ONNX Runtime's name for the CPU, the only provider with a configurable thread count."""

SILENT = 4
"""Severity of what ONNX Runtime itself prints; its errors are raised too."""

GPUS = ("CUDAExecutionProvider", "TensorrtExecutionProvider")
"""Providers that run models on a GPU, in its memory."""


class OnnxLoader:
    """Loads models into ONNX Runtime.

    Args:
        provider: execution provider, such as `CPUExecutionProvider`.
        threads: threads per operator; operators run one after another.
        shared_pool: sessions share the pool made by `share_pool` instead of having their own.

    Raises:
        BoardError: ONNX Runtime is not installed, or the installed build lacks the provider.
    """

    def __init__(self, provider: str, threads: int, shared_pool: bool = False) -> None:
        self._runtime = _onnxruntime()
        self.version = str(self._runtime.__version__)
        available = self._runtime.get_available_providers()
        if provider not in available:
            raise BoardError(
                f"ONNX Runtime {self.version} here has no {provider} (it has {', '.join(available)})",
                "install the onnxruntime build that has it (for NVIDIA GPUs: pip install onnxruntime-gpu)",
            )
        self._provider = provider
        self._threads = threads
        self._shared_pool = shared_pool

    def load(
        self, model: str | bytes, feeds: Mapping[str, Any] | int, shapes: Shapes | None = None
    ) -> OnnxSession:
        """Load a model, as a path or serialised, and the inputs to run it on.

        Args:
            model: a path, or a serialised model.
            feeds: arrays by input name, which are copied; or a batch size, for random inputs.
            shapes: of random inputs whose open axes are not all of the batch's size.

        Raises:
            BoardError: the runtime cannot run the model, or would run it on another provider.
        """
        runtime = self._runtime
        options = runtime.SessionOptions()
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = SILENT
        if self._shared_pool:
            options.use_per_session_threads = False
        else:
            options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        if self._provider != CPU:  # otherwise nodes it lacks would silently run on the CPU
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        memory = "cuda" if self._provider in GPUS else "cpu"
        began_s = time.perf_counter()
        try:
            session = runtime.InferenceSession(model, options, providers=[self._provider])
            load_ms = 1e3 * (time.perf_counter() - began_s)
            fell_back = self._provider not in session.get_providers()
            inputs = _inputs(session, feeds, shapes or {})
            loaded = None if fell_back else OnnxSession(runtime, session, inputs, memory, load_ms)
        except Exception as error:  # ONNX Runtime's exceptions have no common base class
            reason = first_line(error).replace(f"Load model from {model!s:.1000} failed:", "")
            raise BoardError(
                f"ONNX Runtime cannot load the model ({reason})", "try another provider or version"
            ) from error
        if loaded is None:
            raise BoardError(
                f"ONNX Runtime fell back from {self._provider} to {', '.join(session.get_providers())}",
                "check that the provider's libraries (CUDA, cuDNN, TensorRT, ...) are installed",
            )
        return loaded


class OnnxSession:
    """A loaded model with fixed inputs.

    Attributes:
        interruptions: how often the last timing was preempted.
        loading_ms: milliseconds of loading it, and of its first run.
    """

    interruptions = 0

    def __init__(
        self, runtime: Any, session: Any, feeds: Mapping[str, Any], memory: str, load_ms: float
    ) -> None:
        self._session = session
        self._feeds = feeds
        began_s = time.perf_counter()
        # Inputs and outputs are bound once in device memory, as in a deployed engine, which copies neither. The
        # arrays are kept: on the CPU it is their memory that is bound.
        self._outputs = self.run()
        self.loading_ms = (load_ms, 1e3 * (time.perf_counter() - began_s))
        self._call = self._bound(runtime, memory)

    def _bound(self, runtime: Any, memory: str) -> Callable[[], Any]:
        """A call with bound inputs and outputs.

        On the CPU a plain one, which takes hardly longer, if an output cannot be bound: it is no array, or of another
        rank than the file declares.
        """
        session, binding = self._session, self._session.io_binding()
        try:
            for name, value in self._feeds.items():
                binding.bind_ortvalue_input(name, runtime.OrtValue.ortvalue_from_numpy(value, memory))
            for output, value in zip(session.get_outputs(), self._outputs):
                binding.bind_ortvalue_output(output.name, runtime.OrtValue.ortvalue_from_numpy(value, memory))
            session.run_with_iobinding(binding)
        except Exception:  # ONNX Runtime's exceptions have no common base class
            if memory != "cpu":  # each call would copy, and be timed with that
                raise
            return lambda: session.run(None, self._feeds)
        return lambda: session.run_with_iobinding(binding)

    def run(self) -> list[Any]:
        """Run once and return the outputs, as arrays."""
        return list(self._session.run(None, self._feeds))

    def time_ms(self, calls: int) -> list[float]:
        """Milliseconds of each of `calls` consecutive runs.

        Raises:
            BoardError: the clock went backwards.
        """
        call, clock = self._call, time.perf_counter_ns
        marks = [0] * (calls + 1)
        before = interruptions()
        marks[0] = clock()
        for i in range(calls):
            call()
            marks[i + 1] = clock()
        self.interruptions = interruptions() - before
        if any(later < earlier for earlier, later in zip(marks, marks[1:])):
            raise BoardError("the clock went backwards during a run", "restart the board and run this again")
        return [max(later - earlier, 1) / 1e6 for earlier, later in zip(marks, marks[1:])]


def share_pool(threads: int) -> None:
    """Create one thread pool for all sessions of this process; from then on no session can have its own."""
    _onnxruntime().set_global_thread_pool_sizes(threads, 1)


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise BoardError(
            f"ONNX Runtime cannot be imported ({first_line(error)})",
            "install numpy and onnxruntime in a virtual environment, and use its Python (over SSH: --ssh-python)",
        ) from error
    onnxruntime.set_default_logger_severity(SILENT)
    return onnxruntime


def _inputs(session: Any, feeds: Mapping[str, Any] | int, shapes: Shapes) -> dict[str, Any]:
    """Copies of the arrays, or random ones for a batch size."""
    if isinstance(feeds, int):
        return random_inputs(session, feeds, shapes)
    return {name: value.copy() for name, value in feeds.items()}
