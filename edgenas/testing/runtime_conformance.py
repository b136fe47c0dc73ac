"""Tests of the `Runtime` and `Session` contracts, to inherit."""

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from edgenas.device.runtime import Runtime, Session
from edgenas.errors import DeviceError
from edgenas.vocabulary import Precision


class RuntimeConformance:
    """Inherit and override `runtime`; pytest then checks your runtime against the `Runtime` contract.

    The tests check outputs and the form of timings, never speed. Override `with_missing_provider` too if your runtime
    has several providers.
    """

    tolerance = 1e-5
    """Largest accepted absolute difference of an output; raise it for lower precisions."""

    @pytest.fixture
    def runtime(self) -> Runtime:
        """The runtime under test."""
        raise NotImplementedError("override the fixture `runtime`")

    @pytest.fixture
    def with_missing_provider(self) -> Callable[[], object]:
        """A function that makes the runtime, or loads a model, with a provider that is not installed."""
        pytest.skip("this runtime has no choice of providers")

    def test_says_what_it_is(self, runtime: Runtime) -> None:
        """Name, provider, version, threads and precision, which tables record, are valid."""
        assert runtime.name and runtime.name == type(runtime).name
        assert runtime.provider
        assert runtime.version
        assert runtime.threads >= 1
        assert runtime.precision in get_args(Precision)

    def test_run_gives_the_outputs(self, runtime: Runtime) -> None:
        """Running computes the model's outputs, repeatably."""
        image = _image(seed=0)
        session = _load(runtime, 2.0, image)
        for _ in range(2):
            assert np.abs(_output(session) - np.maximum(2 * image, 0)).max() <= self.tolerance

    def test_outputs_are_float32(self, runtime: Runtime) -> None:
        """Inputs and outputs are float32 in every precision."""
        assert _output(_load(runtime, 1.0, _image(seed=0))).dtype == np.float32

    def test_batch_is_free(self, runtime: Runtime) -> None:
        """The dynamic batch axis takes the batch size of the feeds."""
        image = _image(seed=0, batch=3)
        assert _output(_load(runtime, 1.0, image)).shape == image.shape

    def test_load_copies_the_feeds(self, runtime: Runtime) -> None:
        """Changing the array after `load` has no effect."""
        image = _image(seed=1)
        expected = np.maximum(image, 0)
        session = _load(runtime, 1.0, image)
        image[:] = 7
        assert np.abs(_output(session) - expected).max() <= self.tolerance

    def test_sessions_are_independent(self, runtime: Runtime) -> None:
        """Loading, running and timing a second model does not affect the first."""
        image = _image(seed=2)
        first = _load(runtime, 1.0, image)
        before = _output(first).copy()
        second = _load(runtime, 3.0, image + 1)
        second.time_ms(2)
        assert np.abs(_output(second) - np.maximum(3 * (image + 1), 0)).max() <= self.tolerance
        assert np.array_equal(_output(first), before)

    def test_timed_sessions_disturb_no_other(self, runtime: Runtime) -> None:
        """Sessions loaded, timed and dropped before do not change another's outputs."""
        image = _image(seed=8)
        sessions = {factor: _load(runtime, factor, image) for factor in (1.0, 2.0, 3.0)}
        for session in sessions.values():
            session.time_ms(3)
        del sessions[2.0]
        _load(runtime, 4.0, image).time_ms(3)
        for factor, session in sessions.items():
            assert np.abs(_output(session) - np.maximum(factor * image, 0)).max() <= self.tolerance

    def test_outputs_belong_to_the_caller(self, runtime: Runtime) -> None:
        """Later runs do not change an output, and writing to it does not change later runs."""
        session = _load(runtime, 1.0, _image(seed=3))
        output = _output(session)
        expected = output.copy()
        session.time_ms(1)
        assert np.array_equal(output, expected)
        output[:] = -1
        assert np.array_equal(_output(session), expected)

    @pytest.mark.parametrize("calls", [1, 2, 7])
    def test_times_have_the_right_form(self, runtime: Runtime, calls: int) -> None:
        """One positive, finite time per call."""
        times = _load(runtime, 1.0, _image(seed=4)).time_ms(calls)
        assert times.shape == (calls,)
        assert times.dtype == np.float64
        assert np.isfinite(times).all() and (times > 0).all()

    def test_identity_stays_unchanged(self, runtime: Runtime) -> None:
        """Loading and running changes neither provider, threads, precision nor version."""
        before = _identity(runtime)
        _load(runtime, 1.0, _image(seed=5)).time_ms(1)
        assert _identity(runtime) == before

    @pytest.mark.parametrize("model", [b"", b"not a model", b"\x00" * 64], ids=["empty", "text", "zeros"])
    def test_refuses_invalid_models(self, runtime: Runtime, model: bytes) -> None:
        """Garbage is a `DeviceError` at `load`."""
        with pytest.raises(DeviceError):
            runtime.load(model, {"input": _image(seed=6)})

    def test_refuses_an_operator_it_lacks(self, runtime: Runtime) -> None:
        """An unknown operator is a `DeviceError` at `load`."""
        with pytest.raises(DeviceError):
            runtime.load(_model(1.0, operator="NoSuchOperator"), {"input": _image(seed=7)})

    def test_refuses_a_missing_provider(self, with_missing_provider: Callable[[], object]) -> None:
        """A provider that is not installed is a `DeviceError`, never replaced by another one."""
        with pytest.raises(DeviceError):
            with_missing_provider()


def _identity(runtime: Runtime) -> tuple[str, int, str, str]:
    return (runtime.provider, runtime.threads, runtime.precision, runtime.version)


def _image(seed: int, batch: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((batch, 3, 4, 4), dtype=np.float32)


def _load(runtime: Runtime, factor: float, image: NDArray[np.float32]) -> Session:
    return runtime.load(_model(factor), {"input": image})


def _output(session: Session) -> NDArray[np.float32]:
    (output,) = session.run()
    return output


def _model(factor: float, operator: str = "Relu") -> bytes:
    """`operator(factor * input)` over (batch, 3, 4, 4)."""
    from onnx import TensorProto, helper

    shape = ("batch", 3, 4, 4)
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["input", "factor"], ["scaled"]),
            helper.make_node(operator, ["scaled"], ["output"]),
        ],
        "conformance",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)],
        [helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
