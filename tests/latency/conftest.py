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
from edgenas.space import Layout, MBConvSpace, SearchSpace, Stage, mbconv
from edgenas.space.precision import Precision


class FakeSession(Session):
    """Says the model's time, and up to a tenth more, times the mood of the machine."""

    def __init__(self, runtime: "FakeRuntime", milliseconds: float) -> None:
        self._runtime = runtime
        self._ms = milliseconds

    def run(self) -> list[NDArray[np.float32]]:
        return []

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        self._runtime.timings += 1
        mood = self._runtime.mood(self._runtime.timings)
        return mood * self._ms * (1 + 0.1 * (np.arange(calls) % 3) / 2)


class FakeRuntime(Runtime):
    """Time of a model: `overhead_ms`, and `weight_ms` for each of its weights.

    Whole networks (an image in, logits out) take `slope` times the sum of their blocks and `constant_ms`, times
    `disturbance(number)` of the network. `mood(number)` is how slow the machine is at each call of `time_ms`.
    """

    name = "onnxruntime"
    provider = "CPUExecutionProvider"
    threads = 1
    precision: Precision = "fp32"

    def __init__(
        self,
        version: str = "1.0",
        overhead_ms: float = 0.5,
        slope: float = 0.9,
        constant_ms: float = 0.2,
        weight_ms: float = 1e-4,
        disturbance: Callable[[int], float] = lambda number: 1.0,
        mood: Callable[[int], float] = lambda number: 1.0,
    ) -> None:
        self._version = version
        self.overhead_ms = overhead_ms
        self.slope = slope
        self.constant_ms = constant_ms
        self.weight_ms = weight_ms
        self.disturbance = disturbance
        self.mood = mood
        self.loaded: list[int] = []
        self.networks = 0
        self.timings = 0

    @property
    def version(self) -> str:
        return self._version

    def load(self, model: bytes, feeds: Feeds) -> Session:
        graph = onnx.load_from_string(model).graph
        work = sum(int(np.prod(tensor.dims)) for tensor in graph.initializer) * self.weight_ms
        self.loaded.append(len(graph.node))
        operators = {node.op_type for node in graph.node}
        first = graph.input[0].type.tensor_type.shape.dim[1].dim_value
        if first == 3 and "Gemm" in operators:
            self.networks += 1
            work = (self.slope * work + self.constant_ms) * self.disturbance(self.networks)
        return FakeSession(self, self.overhead_ms + work)


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
    """A space of the preset for small images; its relu6 blocks need two constants of the graph each."""
    return mbconv(32, 10)


@pytest.fixture(scope="session")
def small_space() -> SearchSpace:
    """400 encodings of 336 networks: of the first stage's three layers, either of the last two may be skipped."""
    stages = (Stage(channels=8, depth=3, stride=1), Stage(channels=16, depth=1, stride=2, squeeze_excite=4))
    return MBConvSpace(
        Layout(
            resolution=8,
            classes=3,
            stem_channels=8,
            stem_stride=1,
            stages=stages,
            head_channels=16,
            kernels=(3, 5),
            expansions=(2, 3),
        )
    )


@pytest.fixture(scope="session")
def table(space: SearchSpace) -> LatencyTable:
    """A complete table of the space, as the fake runtime gives it."""
    return profile(space, find_device("cpu"), FakeRuntime(), networks=20).table


@pytest.fixture
def make_table() -> Callable[..., LatencyTable]:
    """`make_table(*keys, **changes)`: a small table of this host with 1 ms for each key."""

    def make(*keys: str, ms: float = 1.0, **changes: Any) -> LatencyTable:
        entry = {"typical_ms": ms, "min_ms": ms, "p50_ms": ms, "p90_ms": ms, "n": 3, "spread": 0.0}
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
            "sentinel_ms": 0.1,
            "disturbed": 0.0,
            "entries": dict.fromkeys(keys, entry),
        }
        return LatencyTable.model_validate({**fields, **changes})

    return make
