"""ONNX Runtime on this host."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from edgenas.device.onnx_runtime import OnnxRuntime
from edgenas.device.runtime import Runtime
from edgenas.errors import DeviceError
from edgenas.space.block import Stem
from edgenas.space.onnx_graph import INPUT, onnx_from_blocks, random_weights
from edgenas.testing import RuntimeConformance


class TestOnnxRuntime(RuntimeConformance):
    @pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
    def runtime(self, request: pytest.FixtureRequest) -> Runtime:
        return OnnxRuntime(threads=request.param)

    @pytest.fixture
    def with_missing_provider(self) -> Callable[[], object]:
        return lambda: OnnxRuntime("AbacusExecutionProvider")


def _stem() -> bytes:
    return onnx_from_blocks([Stem(3, 2, "relu6", 3, 8, 8, 8)], random_weights(0)).SerializeToString()


def test_version_is_onnx_runtimes() -> None:
    assert OnnxRuntime().version == ort.__version__


def test_missing_provider_says_what_there_is() -> None:
    with pytest.raises(
        DeviceError,
        match=r"ONNX Runtime [\d.]+ here has no AbacusExecutionProvider \(it has .*CPUExecutionProvider.*\); install",
    ):
        OnnxRuntime("AbacusExecutionProvider")


def test_fallback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    runtime = OnnxRuntime("CUDAExecutionProvider")
    make = ort.InferenceSession
    monkeypatch.setattr(
        ort,
        "InferenceSession",
        lambda model, options, **_: make(model, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(
        DeviceError, match="fell back from CUDAExecutionProvider to CPUExecutionProvider; check"
    ):
        runtime.load(_stem(), {INPUT: np.zeros((1, 3, 8, 8), np.float32)})


def test_garbage_is_one_line() -> None:
    with pytest.raises(DeviceError, match=r"ONNX Runtime cannot load the model \(.+\)") as caught:
        OnnxRuntime().load(b"not a model", {})
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_one_thread_has_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, bool]] = []
    make = ort.InferenceSession

    def record(model: bytes, options: ort.SessionOptions, **rest: object) -> ort.InferenceSession:
        pool = (options.intra_op_num_threads, options.inter_op_num_threads, options.use_per_session_threads)
        seen.append(pool)
        return make(model, options, **rest)

    monkeypatch.setattr(ort, "InferenceSession", record)
    OnnxRuntime(threads=1).load(_stem(), {INPUT: np.zeros((1, 3, 8, 8), np.float32)})
    assert seen == [(1, 1, True)]


def test_a_clock_that_stands_still_gives_positive_times(monkeypatch: pytest.MonkeyPatch) -> None:
    session = OnnxRuntime().load(_stem(), {INPUT: np.zeros((1, 3, 8, 8), np.float32)})
    monkeypatch.setattr("time.perf_counter_ns", lambda: 7)
    assert (session.time_ms(3) == 1e-6).all()


def test_times_are_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    session = OnnxRuntime().load(_stem(), {INPUT: np.zeros((1, 3, 8, 8), np.float32)})
    marks = iter([0, 1_000_000, 3_000_000, 3_500_000])
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(marks))
    assert session.time_ms(3).tolist() == [1.0, 2.0, 0.5]


def test_onnx_runtime_leaves_nothing_behind_and_sends_nothing(tmp_path: Path) -> None:
    """Without being told, it makes an identifier of the device in the user's cache folder as it is loaded."""
    known = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    code = (
        "from edgenas.device import find_device, runtime_for; print(runtime_for(find_device('cpu')).version)"
    )
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in str(path.relative_to(tmp_path))] == []
