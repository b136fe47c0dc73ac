"""Turns running out of CPU or GPU memory into an error that says what needed the memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from edgenas.errors import OutOfMemoryError

_SIGNS = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""How PyTorch's allocators report it in a plain RuntimeError."""


@contextmanager
def out_of_memory_named(what: str) -> Iterator[None]:
    """Turn any out-of-memory error into an OutOfMemoryError that names `what`; other errors pass through.

    Raises:
        OutOfMemoryError: the block ran out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _SIGNS):
            raise
        # Its frames keep the tensors alive that filled the memory.
        error.__traceback__ = None
    else:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemoryError(
        f"{what}: ran out of memory", "use a smaller --resolution or --width, or free memory and resume"
    )
