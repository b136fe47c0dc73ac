import pytest

from edgenas.precision.scheme import SCHEMES, scheme_of_provider


def test_a_gpu_has_the_scheme_of_tensorrt_whatever_the_processor() -> None:
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider"):
        assert scheme_of_provider(provider, "x86-64") is SCHEMES["tensorrt"]


@pytest.mark.parametrize("processor", ["x86-64", "x86-64-vnni", "arm64"])
def test_a_processor_has_its_own(processor: str) -> None:
    assert scheme_of_provider("CPUExecutionProvider", processor).name == processor
