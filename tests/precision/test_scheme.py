import pytest

from edgenas.board import host
from edgenas.device import find_device
from edgenas.precision.scheme import SCHEMES, scheme_of_provider


def test_a_gpu_has_the_scheme_of_tensorrt_whatever_the_processor() -> None:
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        assert scheme_of_provider(provider, "x86-64") is SCHEMES["tensorrt"]


@pytest.mark.parametrize("processor", ["x86-64", "x86-64-vnni", "arm64"])
def test_a_processor_has_its_own(processor: str) -> None:
    assert scheme_of_provider("CPUExecutionProvider", processor).name == processor


@pytest.mark.parametrize(
    ("device", "scheme"), [("raspberry-pi-5", "arm64"), ("jetson-orin-nano", "tensorrt")]
)
def test_shipped_devices_have_that_of_their_runtime(device: str, scheme: str) -> None:
    assert find_device(device).scheme.name == scheme


def test_this_host_has_that_of_its_processor() -> None:
    assert find_device("cpu").scheme.name == host.instructions()


def test_a_device_file_may_say_it() -> None:
    board = find_device("raspberry-pi-5").model_copy(update={"processor": "x86-64"})
    assert board.scheme.name == "x86-64"
