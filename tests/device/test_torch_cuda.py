"""PyTorch as a runtime: what it computes, on the processor and, where there is one, on a GPU."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.device.onnx_runtime import OnnxRuntime
from edgenas.device.runtime import Runtime
from edgenas.device.torch_cuda import TorchRuntime
from edgenas.errors import DeviceError
from edgenas.space import MBConvSpace, mbconv
from edgenas.space.onnx_graph import INPUT, onnx_from_blocks, random_weights
from edgenas.testing import RuntimeConformance
from edgenas.vocabulary import Precision

SPACES = [
    mbconv(16, 10, squeeze_excite=squeeze_excite, activation=activation)
    for activation in ("none", "relu", "relu6", "hswish")
    for squeeze_excite in (False, True)
]
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA GPU is here")


class TestOnCpu(RuntimeConformance):
    @pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
    def runtime(self, request: pytest.FixtureRequest) -> Runtime:
        return TorchRuntime("cpu", request.param)

    @pytest.fixture
    def with_missing_provider(self) -> Callable[[], object]:
        return lambda: TorchRuntime("abacus")


class TestHalfOnCpu(RuntimeConformance):
    tolerance = 2e-2

    @pytest.fixture
    def runtime(self) -> Runtime:
        return TorchRuntime("cpu", precision="fp16")


@needs_gpu
class TestOnGpu(RuntimeConformance):
    @pytest.fixture
    def runtime(self) -> Runtime:
        return TorchRuntime()


@needs_gpu
class TestHalfOnGpu(RuntimeConformance):
    tolerance = 2e-2

    @pytest.fixture
    def runtime(self) -> Runtime:
        return TorchRuntime(precision="fp16")


def _model(space: MBConvSpace, seed: int) -> tuple[bytes, NDArray[np.float32]]:
    """A random network of a space, and two images for it."""
    rng = np.random.default_rng(seed)
    model = onnx_from_blocks(space.blocks(space.sample(rng)), random_weights(seed))
    return model.SerializeToString(), rng.standard_normal((2, *space.input_shape), dtype=np.float32)


def _relative_error(runtime: Runtime, space: MBConvSpace, seed: int) -> float:
    """Largest difference to ONNX Runtime in fp32, as a share of the largest logit."""
    model, images = _model(space, seed)
    (expected,) = OnnxRuntime().load(model, {INPUT: images}).run()
    (found,) = runtime.load(model, {INPUT: images}).run()
    assert found.shape == expected.shape and np.abs(expected).max() > 1e-4
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@given(space=st.sampled_from(SPACES), seed=st.integers(0, 2**31))
@settings(max_examples=40)
def test_logits_are_those_of_onnx_runtime(space: MBConvSpace, seed: int) -> None:
    assert _relative_error(TorchRuntime("cpu"), space, seed) <= 1e-4


@needs_gpu
@given(space=st.sampled_from(SPACES), seed=st.integers(0, 2**31))
@settings(max_examples=20)
def test_logits_on_a_gpu_are_those_of_onnx_runtime(space: MBConvSpace, seed: int) -> None:
    assert _relative_error(TorchRuntime(), space, seed) <= 1e-3


@pytest.mark.parametrize("provider", ["cpu", pytest.param("cuda", marks=needs_gpu)])
@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"{space.layout.head_activation}")
def test_half_precision_is_near_and_rounded(provider: str, space: MBConvSpace) -> None:
    assert 1e-6 < _relative_error(TorchRuntime(provider, precision="fp16"), space, seed=0) <= 5e-2


@needs_gpu
def test_larger_models_take_longer_on_a_gpu() -> None:
    runtime, minima = TorchRuntime(), []
    for space in (mbconv(16, 10), mbconv(224, 10)):
        model, images = _model(space, seed=0)
        minima.append(runtime.load(model, {INPUT: images}).time_ms(30).min())
    assert minima[0] < minima[1]


@needs_gpu
def test_the_version_names_cuda() -> None:
    assert TorchRuntime().version == f"{torch.__version__}, CUDA {torch.version.cuda}"


def test_the_version_is_pytorchs() -> None:
    assert TorchRuntime("cpu").version == torch.__version__


@needs_no_gpu
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (RuntimeError("Found no driver. Please install\none"), "Found no driver"),
        (AssertionError("Torch not compiled with CUDA enabled"), "Torch not compiled with CUDA enabled"),
    ],
)
def test_a_host_without_gpu_is_told_so(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, reason: str
) -> None:
    def fail() -> int:
        raise failure

    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.cuda, "current_device", fail)
    expected = (
        rf"^this host has no CUDA GPU that PyTorch can use \({reason}\); check that nvidia-smi lists it"
    )
    with pytest.raises(DeviceError, match=expected):
        TorchRuntime()


def test_a_build_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(DeviceError, match=r"can use \(PyTorch \S+ is built without CUDA\); check that"):
        TorchRuntime()


def test_what_pytorch_does_not_time_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"^PyTorch times on cuda and cpu here, not on tpu; use cuda$"):
        TorchRuntime("tpu")
    expected = "^PyTorch runs fp32 and fp16 here, not int8; for int8 use a device on onnxruntime$"
    with pytest.raises(DeviceError, match=expected):
        TorchRuntime("cpu", precision="int8")


def test_shapes_that_do_not_fit_are_one_line() -> None:
    model, images = _model(SPACES[0], seed=0)
    with pytest.raises(
        DeviceError, match=r"^PyTorch cannot run the model \(.+\); check its shapes"
    ) as caught:
        TorchRuntime("cpu").load(model, {INPUT: images[:, :2]})
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_operators_see_channels_last_and_the_precision(
    monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    seen: list[torch.Tensor] = []
    convolve = torch.nn.functional.conv2d

    def record(x: torch.Tensor, weight: torch.Tensor, *rest: object) -> torch.Tensor:
        seen.extend((x, weight))
        return convolve(x, weight, *rest)

    monkeypatch.setattr(torch.nn.functional, "conv2d", record)
    model, images = _model(SPACES[0], seed=0)
    TorchRuntime("cpu", precision=precision).load(model, {INPUT: images})
    assert seen
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in seen)
    assert {tensor.dtype for tensor in seen} == {{"fp32": torch.float32, "fp16": torch.float16}[precision]}
    assert all(tensor.is_inference() for tensor in seen)


def test_threads_hold_while_it_runs_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    relu = torch.relu

    def record(x: torch.Tensor) -> torch.Tensor:
        seen.add(torch.get_num_threads())
        return relu(x)

    monkeypatch.setattr(torch, "relu", record)
    before = torch.get_num_threads()
    model, images = _model(mbconv(16, 10, activation="relu"), seed=0)
    session = TorchRuntime("cpu", threads=before + 1).load(model, {INPUT: images})
    session.run()
    session.time_ms(2)
    assert seen == {before + 1}
    assert torch.get_num_threads() == before


def test_times_are_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = _model(SPACES[0], seed=0)
    session = TorchRuntime("cpu").load(model, {INPUT: images})
    marks = iter([0, 1_000_000, 3_000_000, 3_000_000])
    monkeypatch.setattr("time.perf_counter_ns", lambda: next(marks))
    assert session.time_ms(3).tolist() == [1.0, 2.0, 1e-6]
