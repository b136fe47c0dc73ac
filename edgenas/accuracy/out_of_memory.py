"""Running out of memory, on a GPU or off it, as an error that names what needed it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from edgenas.errors import OutOfMemoryError

_SIGNS = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
"""How PyTorch's allocators say it in a plain RuntimeError."""


@contextmanager
def out_of_memory_named(what: str) -> Iterator[None]:
    """Turn any way of running out of memory into an OutOfMemoryError about `what`; other errors pass.

    Raises:
        OutOfMemoryError: the block ran out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in _SIGNS):
            raise
        # The traceback holds the tensors that filled the memory.
        error.__traceback__ = None
    else:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise OutOfMemoryError(
        f"{what}: ran out of memory", "use a smaller --resolution or --width, or free memory and go on"
    )
