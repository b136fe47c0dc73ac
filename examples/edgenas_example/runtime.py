"""A runtime: ONNX's reference evaluator, which computes each operator with NumPy."""

import time

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from threadpoolctl import threadpool_limits
from typing_extensions import override

from edgenas.device import CPU, Device
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.errors import DeviceError, first_line


class ReferenceRuntime(Runtime):
    """Runs fp32 models on the processor; the device's number of threads applies to matrix products."""

    name = "onnx-reference"

    def __init__(self, device: Device) -> None:
        if (device.provider, device.precision) != (CPU, "fp32"):
            raise DeviceError(
                f"{self.name} cannot run on {device.provider} in {device.precision}", f"use {CPU} in fp32"
            )
        self.provider, self.threads, self.precision = device.provider, device.threads, device.precision

    @property
    @override
    def version(self) -> str:
        return onnx.__version__

    @override
    def load(self, model: bytes, feeds: Feeds) -> Session:
        try:
            onnx.checker.check_model(model)
            evaluator = ReferenceEvaluator(onnx.load_from_string(model))
        except Exception as error:  # the evaluator raises many types
            raise DeviceError(
                f"{self.name} cannot load the model ({first_line(error)})", "use another runtime"
            ) from error
        return _ReferenceSession(evaluator, feeds, self.threads)


class _ReferenceSession(Session):
    def __init__(self, evaluator: ReferenceEvaluator, feeds: Feeds, threads: int) -> None:
        self._evaluator, self._threads = evaluator, threads
        self._feeds = {name: value.copy() for name, value in feeds.items()}

    @override
    def run(self) -> list[NDArray[np.float32]]:
        with threadpool_limits(self._threads):
            return [np.array(output) for output in self._evaluator.run(None, self._feeds)]

    @override
    def time_ms(self, calls: int) -> NDArray[np.float64]:
        times = np.empty(calls)
        with threadpool_limits(self._threads):
            for i in range(calls):
                start = time.perf_counter()
                self._evaluator.run(None, self._feeds)
                times[i] = 1e3 * (time.perf_counter() - start)
        return times
