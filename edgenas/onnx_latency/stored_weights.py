"""The values of a model's weights: in the file, or in others of its folder (external data)."""

import math
import struct
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import TensorProto

from edgenas.errors import FileFormatError
from edgenas.onnx_latency.limits import MAX_FOLDED, MAX_WEIGHT_BYTES

_BITS: dict[int, int] = {
    TensorProto.FLOAT: 32,
    TensorProto.UINT8: 8,
    TensorProto.INT8: 8,
    TensorProto.UINT16: 16,
    TensorProto.INT16: 16,
    TensorProto.INT32: 32,
    TensorProto.INT64: 64,
    TensorProto.BOOL: 8,
    TensorProto.FLOAT16: 16,
    TensorProto.DOUBLE: 64,
    TensorProto.UINT32: 32,
    TensorProto.UINT64: 64,
    TensorProto.COMPLEX64: 64,
    TensorProto.COMPLEX128: 128,
    TensorProto.BFLOAT16: 16,
    TensorProto.FLOAT8E4M3FN: 8,
    TensorProto.FLOAT8E4M3FNUZ: 8,
    TensorProto.FLOAT8E5M2: 8,
    TensorProto.FLOAT8E5M2FNUZ: 8,
    TensorProto.UINT4: 4,
    TensorProto.INT4: 4,
}
"""Bits of a number; of other types, newer or text, sizes are not known."""

_SMALL: dict[int, bytes] = {
    TensorProto.FLOAT: struct.pack("<f", 2**-7),
    TensorProto.FLOAT16: struct.pack("<e", 2**-7),
    TensorProto.DOUBLE: struct.pack("<d", 2**-7),
    TensorProto.BFLOAT16: struct.pack("<f", 2**-7)[2:],
}
"""In place of weights that are not there."""

_LISTS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")

_DAMAGED = "export the model to ONNX again"
_COPY = "copy all files of the model into one folder"


def size_bytes(kind: int, dims: tuple[int, ...]) -> int | None:
    """Bytes of a tensor of a type of ONNX; None if its numbers have no known size."""
    bits = _BITS.get(kind)
    return None if bits is None else (math.prod(dims) * bits + 7) // 8


def check_size(path: Path, tensor: TensorProto) -> None:
    """Check that a tensor in a file has as many values as it says.

    Raises:
        FileFormatError: it has not, or it says nothing that is possible.
    """
    dims = tuple(tensor.dims)
    if any(size < 0 for size in dims):
        raise FileFormatError(path, _name(tensor), f"has the sizes {[*dims]}"[:100], _DAMAGED)
    if tensor.data_location == tensor.EXTERNAL:
        return
    count, expected = math.prod(dims), size_bytes(tensor.data_type, dims)
    if tensor.HasField("raw_data"):
        found, needed, unit = len(tensor.raw_data), expected, "bytes"
    else:
        found, needed, unit = sum(len(getattr(tensor, each)) for each in _LISTS), count, "values"
        if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
            needed = 2 * count
        elif _BITS.get(tensor.data_type) == 4:  # two in one
            needed = (count + 1) // 2
    if needed is not None and found != needed:
        raise FileFormatError(
            path, _name(tensor), f"has {found} {unit} instead of {needed}"[:100], "export the model again"
        )


def check_place(path: Path, tensor: TensorProto) -> None:
    """Check that the external data of a tensor are in the model's folder; they are not opened.

    Raises:
        FileFormatError: they are elsewhere, also by a link.
    """
    if tensor.data_location != tensor.EXTERNAL:
        return
    location = _entries(tensor).get("location", "")
    inside = location and not _leaves(location)
    if not inside or not _resolved(path.parent / location).is_relative_to(_resolved(path.parent)):
        raise FileFormatError(
            path, _name(tensor), f"is not in the model's folder, but in {location!r:.100}", _COPY
        )


def load_weights(path: Path, tensors: list[TensorProto]) -> None:
    """Read external data into their tensors, in place.

    Args:
        path: of the model.
        tensors: whose places and sizes were checked.

    Raises:
        FileFormatError: a file is missing or too short, or all are too large.
    """
    for tensor in _outside(path, tensors):
        _put_inside(tensor, _read(path, tensor))


def fill_weights(path: Path, tensors: list[TensorProto]) -> None:
    """As `load_weights`, but with small values in place of large weights, and of any that cannot be read.

    Args:
        path: of the model.
        tensors: whose places and sizes were checked.

    Raises:
        FileFormatError: all are too large, or one is of a type without a size.
    """
    for tensor in _outside(path, tensors):
        dims = tuple(tensor.dims)
        needed = size_bytes(tensor.data_type, dims)
        if needed is None:
            raise FileFormatError(path, _name(tensor), "has a type that cannot be stored apart", _DAMAGED)
        content = None
        if math.prod(dims) <= MAX_FOLDED:  # perhaps a shape or indices, whose values matter
            with suppress(FileFormatError):
                content = _read(path, tensor)
        _put_inside(tensor, content or _small(tensor.data_type, needed))


def _outside(path: Path, tensors: list[TensorProto]) -> list[TensorProto]:
    outside = [tensor for tensor in tensors if tensor.data_location == tensor.EXTERNAL]
    total = sum(size_bytes(each.data_type, tuple(each.dims)) or 0 for each in outside)
    if total > MAX_WEIGHT_BYTES:
        raise FileFormatError(path, "weights", "are larger than 2 GiB", "give a smaller model")
    return outside


def _put_inside(tensor: TensorProto, content: bytes) -> None:
    tensor.ClearField("external_data")
    tensor.data_location = TensorProto.DEFAULT
    tensor.raw_data = content


def _small(kind: int, needed: int) -> bytes:
    """Values of a type: small floats, and zeros otherwise, which are valid as indices too."""
    number = _SMALL.get(kind, b"\0")
    return number * (needed // len(number))


def _read(path: Path, tensor: TensorProto) -> bytes:
    entries = _entries(tensor)
    needed = size_bytes(tensor.data_type, tuple(tensor.dims))
    offset, length = (entries.get(each, "") for each in ("offset", "length"))
    if needed is None or not _is_count(offset or "0") or (length and length != str(needed)):
        raise FileFormatError(
            path, _name(tensor), "has an offset, length or type that cannot be right", _DAMAGED
        )
    file = path.parent / entries["location"]
    try:
        if not file.is_file():
            raise FileNotFoundError(2, "No such file")
        with file.open("rb") as opened:
            opened.seek(int(offset or 0))
            content = opened.read(needed)
    except OSError as error:
        raise FileFormatError(
            path, "weights", f"cannot be read ({file.name}: {error.strerror})", _COPY
        ) from None
    if content.startswith(b"version https://git-lfs"):
        raise FileFormatError(
            path, "weights", f"cannot be read ({file.name} is a pointer of Git LFS)", "fetch it: git lfs pull"
        )
    if len(content) < needed:
        raise FileFormatError(path, "weights", f"cannot be read ({file.name} is too short)", _COPY)
    return content


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _leaves(location: str) -> bool:
    """Whether a path is absolute or goes up, on this system or another."""
    paths = PurePosixPath(location), PureWindowsPath(location)
    return "\0" in location or any(each.is_absolute() or each.drive or ".." in each.parts for each in paths)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return Path("/")


def _entries(tensor: TensorProto) -> dict[str, str]:
    return {each.key: each.value for each in tensor.external_data}


def _name(tensor: TensorProto) -> str:
    return f"weight {tensor.name!r:.60}" if tensor.name else "a constant"
