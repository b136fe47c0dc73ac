"""A runtime whose clock is a formula, and a device for it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import platformdirs
import pytest
from numpy.typing import NDArray

from edgenas.device import Device, find_device, host
from edgenas.device.runtime import Feeds, Runtime, Session
from edgenas.latency.profiling import profile
from edgenas.latency.table import LatencyTable
from edgenas.space import SearchSpace, mbconv


class FakeSession(Session):
    """Says the model's time, and up to a tenth more where the clock is disturbed."""

    def __init__(self, milliseconds: float) -> None:
        self._ms = milliseconds

    def run(self) -> list[NDArray[np.float32]]:
        return []

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        return self._ms * (1 + 0.1 * (np.arange(calls) % 3) / 2)


class FakeRuntime(Runtime):
    """Time of a model: `overhead_ms`, and a block's weights and strides by a formula.

    Whole networks (an image in, logits out) take `slope` times the sum of their blocks and `constant_ms`.
    """

    name = "onnxruntime"
    provider = "CPUExecutionProvider"
    threads = 1

    def __init__(
        self,
        version: str = "1.0",
        overhead_ms: float = 0.5,
        slope: float = 0.9,
        constant_ms: float = 0.2,
        disturbance: Callable[[int], float] = lambda number: 1.0,
    ) -> None:
        self._version = version
        self.overhead_ms = overhead_ms
        self.slope = slope
        self.constant_ms = constant_ms
        self.disturbance = disturbance
        self.loaded: list[int] = []
        self.networks = 0

    @property
    def version(self) -> str:
        return self._version

    def load(self, model: bytes, feeds: Feeds) -> Session:
        graph = onnx.load_from_string(model).graph
        work = sum(int(np.prod(tensor.dims)) for tensor in graph.initializer) * 1e-4
        self.loaded.append(len(graph.node))
        operators = {node.op_type for node in graph.node}
        first = graph.input[0].type.tensor_type.shape.dim[1].dim_value
        if first == 3 and "Gemm" in operators:
            self.networks += 1
            work = (self.slope * work + self.constant_ms) * self.disturbance(self.networks)
        return FakeSession(self.overhead_ms + work)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the user's data folder is `data/edgenas` below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / "data" / name)
    return tmp_path


@pytest.fixture
def fake() -> type[FakeRuntime]:
    """The class, to make runtimes of."""
    return FakeRuntime


@pytest.fixture
def device() -> Device:
    """This host, as its file says it."""
    return find_device("cpu")


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    """A space of the smallest preset; its relu6 blocks need two constants of the graph each."""
    return mbconv(16, 10)


@pytest.fixture
def table(space: SearchSpace, device: Device) -> LatencyTable:
    """A complete table of the space, as the fake runtime gives it."""
    return profile(space, device, FakeRuntime()).table


@pytest.fixture
def make_table() -> Callable[..., LatencyTable]:
    """`make_table(*keys, **changes)`: a small table of this host with 1 ms for each key."""

    def make(*keys: str, ms: float = 1.0, **changes: Any) -> LatencyTable:
        entry = {"min_ms": ms, "p50_ms": ms, "p90_ms": ms, "n": 3, "spread": 0.0}
        fields: dict[str, Any] = {
            "device": "cpu",
            "runtime": "onnxruntime",
            "runtime_version": "1.0",
            "provider": "CPUExecutionProvider",
            "precision": "fp32",
            "threads": 1,
            "batch": 1,
            "power_mode": "default",
            "measured_at": "2026-01-01T00:00:00+00:00",
            "host": host.fingerprint(),
            "host_description": "here",
            "overhead_ms": 0.01,
            "entries": dict.fromkeys(keys, entry),
        }
        return LatencyTable.model_validate({**fields, **changes})

    return make
