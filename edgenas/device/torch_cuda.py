"""PyTorch on an NVIDIA GPU: a model's operators as one CUDA graph, timed by CUDA events.

Gives the latency without an inference engine's fusions: a convolution and its activation are two kernels.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.device.torch_program import Program, program_from_onnx
from edgenas.errors import DeviceError, first_line
from edgenas.vocabulary import Precision

WARM_UPS = 3
"""Runs before the capture, in which cuDNN selects kernels and libraries initialise."""

_DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "fp16": torch.float16}


class TorchRuntime(Runtime):
    """PyTorch in this process, on the current CUDA device; `cpu` runs the same operators without a GPU.

    On `cuda` a call replays a CUDA graph: neither Python nor launches of single kernels are timed.

    Args:
        provider: `cuda` or `cpu`.
        threads: threads per operator on `cpu`; ignored on `cuda`.
        precision: fp32 or fp16, for weights, inputs and all intermediate values.

    Raises:
        DeviceError: an unsupported provider or precision, or no GPU that PyTorch can use.
    """

    name = "torch"

    def __init__(self, provider: str = "cuda", threads: int = 1, precision: Precision = "fp32") -> None:
        if provider not in _SESSIONS:
            raise DeviceError(
                f"PyTorch times on {' and '.join(_SESSIONS)} here, not on {provider}", "use cuda"
            )
        if precision not in _DTYPES:
            raise DeviceError(
                f"PyTorch runs {' and '.join(_DTYPES)} here, not {precision}",
                f"for {precision} use a device on onnxruntime",
            )
        if provider == "cuda" and (reason := _missing_gpu()):
            raise DeviceError(
                f"this host has no CUDA GPU that PyTorch can use ({reason})",
                "check that nvidia-smi lists it and that PyTorch is a build for its CUDA version",
            )
        self.provider = provider
        self.threads = threads
        self.precision = precision

    @property
    @override
    def version(self) -> str:
        return (
            f"{torch.__version__}, CUDA {torch.version.cuda}"
            if self.provider == "cuda"
            else torch.__version__
        )

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        program = program_from_onnx(model)
        try:
            with torch.inference_mode():
                network = _Network(program, feeds, torch.device(self.provider), _DTYPES[self.precision])
                return _SESSIONS[self.provider](network, self.threads)
        except (RuntimeError, ValueError) as error:
            raise DeviceError(
                f"PyTorch cannot run the model ({first_line(error)})",
                "check its shapes, and free GPU memory",
            ) from error


def _missing_gpu() -> str:
    """Why PyTorch cannot use a GPU; empty if it can."""
    if torch.version.cuda is None:
        return f"PyTorch {torch.__version__} is built without CUDA"
    try:
        torch.cuda.current_device()
    except (RuntimeError, AssertionError) as error:
        return first_line(error).split(". ")[0]
    return ""


class _Network:
    """A program with its weights and inputs on the device; calling it returns the outputs, on the device."""

    def __init__(self, program: Program, feeds: Feeds, device: torch.device, dtype: torch.dtype) -> None:
        arrays = {**program.constants, **{name: feeds[name] for name in program.inputs}}
        self._held = {name: _placed(array, device, dtype) for name, array in arrays.items()}
        self._steps, self._outputs = program.steps, program.outputs

    def __call__(self) -> list[Tensor]:
        values: dict[str, Any] = {"": None, **self._held}
        for step in self._steps:
            values[step.output] = step.operation(*(values[name] for name in step.inputs))
            for name in step.unused_after:
                del values[name]
        return [values[name] for name in self._outputs]


def _placed(array: NDArray[Any], device: torch.device, dtype: torch.dtype) -> Tensor:
    """A copy on the device; 4-D arrays in channels_last layout, as tensor cores prefer."""
    layout = torch.channels_last if array.ndim == 4 else torch.contiguous_format
    return torch.from_numpy(array.copy()).to(
        device, dtype if array.dtype == np.float32 else None, memory_format=layout
    )


def _returned(outputs: Sequence[Tensor]) -> list[NDArray[np.float32]]:
    return [
        output.to("cpu", torch.float32, copy=True, memory_format=torch.contiguous_format).numpy()
        for output in outputs
    ]


class _CpuSession(Session):
    def __init__(self, network: _Network, threads: int) -> None:
        self._network, self._threads = network, threads
        self.run()

    @torch.inference_mode()
    def run(self) -> list[NDArray[np.float32]]:
        with _threads(self._threads):
            return _returned(self._network())

    @torch.inference_mode()
    def time_ms(self, calls: int) -> NDArray[np.float64]:
        clock = time.perf_counter_ns
        marks = np.empty(calls + 1, dtype=np.int64)
        with _threads(self._threads):
            marks[0] = clock()
            for i in range(calls):
                self._network()
                marks[i + 1] = clock()
        return np.maximum(np.diff(marks), 1) / 1e6


QUEUE_CYCLES = 50_000
"""GPU cycles to wait per queued run: about 30 microseconds, a few times the cost of queueing one."""


class _CudaSession(Session):
    def __init__(self, network: _Network, _: int) -> None:
        self._network = network  # the graph reads its weights and inputs in place
        self._graph, self._outputs = _captured(network)

    def run(self) -> list[NDArray[np.float32]]:
        self._graph.replay()
        return _returned(self._outputs)

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        starts, ends = _events(calls), _events(calls)
        # Keep the GPU busy until all runs are queued; otherwise the events would measure Python's queueing time.
        torch.cuda._sleep(QUEUE_CYCLES * calls)  # type: ignore[no-untyped-call]
        for start, end in zip(starts, ends, strict=True):
            start.record()
            self._graph.replay()
            end.record()
        torch.cuda.synchronize()
        times = [start.elapsed_time(end) for start, end in zip(starts, ends, strict=True)]
        return np.maximum(np.array(times, dtype=np.float64), 1e-6)


_SESSIONS: dict[str, Callable[[_Network, int], Session]] = {"cuda": _CudaSession, "cpu": _CpuSession}


def _captured(network: _Network) -> tuple[torch.cuda.CUDAGraph, list[Tensor]]:
    """The network as a CUDA graph, and the tensors each replay writes its outputs to."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    # No TF32: fp32 means a 24-bit mantissa on every GPU. Matrix products have TF32 off by default, convolutions
    # do not. Only the kernels selected here matter, so the caller's flags are restored.
    with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                network()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = network()
    return graph, outputs


def _events(count: int) -> list[torch.cuda.Event]:
    """Events recorded once beforehand, as the first recording creates them, which must not happen between replays."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(count)]  # type: ignore[no-untyped-call]
    for event in events:
        event.record()
    return events


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Set PyTorch's process-wide thread count temporarily."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
