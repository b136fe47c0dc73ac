"""What is fed to a model to time it: random values where any are valid, ones where they may be indices or lengths."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

FLOATS = ("float16", "float32", "float64")
BYTES = ("uint8", "int8")
COUNTS = ("int16", "int32", "int64", "uint16", "uint32", "uint64")

TEXT = "str"

TYPES = (*FLOATS, *BYTES, *COUNTS, "bool", TEXT)
"""Types of inputs that can be made, by their names in NumPy."""

_RUNTIME_NAMES = {"float": "float32", "double": "float64", "string": TEXT}
"""Where ONNX Runtime's names are others."""

Shapes = Mapping[str, Sequence[int]]
"""By the name of an input."""


def random_input(shape: Sequence[int], dtype: str, seed: int = 0) -> Any:
    """An array of a shape and a type.

    Floats are normal, bytes are any, as those of pictures. Wider integers are ones, which are valid tokens, lengths and
    masks alike, and so are booleans. Texts are words of a digit, which may be numbers, too.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    if dtype in BYTES:
        kind = np.iinfo(dtype)
        return np.asarray(random.integers(kind.min, kind.max, shape, dtype, endpoint=True))
    if dtype in FLOATS:
        return np.asarray(random.standard_normal(shape, np.float32), dtype)
    return np.full(shape, str(seed + 1)) if dtype == TEXT else np.ones(shape, dtype)


def random_inputs(session: Any, batch: int, shapes: Shapes) -> dict[str, Any]:
    """Arrays for a session of ONNX Runtime; axes that are open have the size of the batch where no shape is given."""
    return {
        each.name: random_input(
            shapes.get(each.name) or [size if isinstance(size, int) else batch for size in each.shape],
            _numpy_name(each.type),
        )
        for each in session.get_inputs()
    }


def _numpy_name(of_runtime: str) -> str:
    """The name in NumPy of a type such as `tensor(float)`."""
    name = of_runtime.partition("(")[2].rstrip(")")
    return _RUNTIME_NAMES.get(name, name)
