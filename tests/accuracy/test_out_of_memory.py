import pytest
import torch

from edgenas.accuracy.out_of_memory import out_of_memory_named
from edgenas.errors import EdgenasError, InputError, OutOfMemoryError


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
                     "you tried to allocate 4503599627370496 bytes. Error code 12 (Cannot allocate memory)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["Python", "GPU", "CPU", "cuBLAS"],
)  # fmt: skip
def test_running_out_of_memory_names_what_needed_it(error: Exception) -> None:
    with (
        pytest.raises(
            OutOfMemoryError,
            match=r"^supernet: ran out of memory; use a smaller --resolution or --width, "
            r"or free memory and resume$",
        ) as caught,
        out_of_memory_named("supernet"),
    ):
        raise error
    assert isinstance(caught.value, EdgenasError)
    assert caught.value.exit_code == 1


def test_the_allocator_of_this_machine_is_understood() -> None:
    with (
        pytest.raises(OutOfMemoryError, match=r"^a petabyte: ran out of memory"),
        out_of_memory_named("a petabyte"),
    ):
        torch.empty(2**50)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("out of memory"),
        InputError("no such file"),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_other_errors_pass_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, out_of_memory_named("supernet"):
        raise error
    assert caught.value is error


def test_what_filled_the_memory_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    error = MemoryError()
    with pytest.raises(OutOfMemoryError), out_of_memory_named("supernet"):
        raise error
    assert (error.__traceback__, emptied) == (None, [True])


def test_without_an_error_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: pytest.fail("there is nothing to free"))
    with out_of_memory_named("supernet"):
        pass
