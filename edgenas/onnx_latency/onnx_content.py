"""Opening ONNX files, which anybody may have made: what is returned is whole, readable and of a sane size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from edgenas.errors import FileFormatError
from edgenas.file_content import content_of
from edgenas.onnx_latency import other_formats
from edgenas.onnx_latency.function_inlining import check_amount, inlined
from edgenas.onnx_latency.limits import MAX_MODEL_BYTES
from edgenas.onnx_latency.stored_weights import check_place, check_size

STANDARD_DOMAINS = ("", "ai.onnx")

EXPORT_AGAIN = "export the model to ONNX again"

_NOT_ONNX = "give an ONNX file; weights of a large model belong beside it (external data)"

_TEXT = 9
"""Protobuf's number for a field of text."""


def opened(path: Path) -> onnx.ModelProto:
    """The model in a file, its functions inlined; external data are not opened.

    Raises:
        FileFormatError: missing, too large, truncated, damaged, not ONNX, or newer than the installed onnx; it has
            names that are no text, too many nodes, weights of another size than they say, or weights elsewhere than
            in its folder.
    """
    proto = _parsed(path, content_of(path, MAX_MODEL_BYTES, _NOT_ONNX))
    _check_versions(path, proto)
    check_amount(path, proto)
    for message in _messages(proto):
        _check_texts(path, message)
        if isinstance(message, onnx.TensorProto):
            check_size(path, message)
            check_place(path, message)
    return inlined(path, proto)


def tensors_of(proto: onnx.ModelProto) -> list[onnx.TensorProto]:
    """All tensors that a model holds: weights, and constants in its nodes."""
    return [each for each in _messages(proto) if isinstance(each, onnx.TensorProto)]


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
    try:
        proto = onnx.load_model_from_string(content)
    except Exception:  # protobuf's DecodeError; protobuf is not a direct dependency
        proto = None
    if proto is not None and proto.ir_version and proto.HasField("graph"):
        return proto
    if other := other_formats.told(path, content):
        raise FileFormatError(path, "", *other)
    what = "is not ONNX, or truncated" if proto is None else "is not ONNX: it has no graph"
    raise FileFormatError(path, "", what, EXPORT_AGAIN)


def _check_versions(path: Path, proto: onnx.ModelProto) -> None:
    versions = [opset.version for opset in proto.opset_import if opset.domain in STANDARD_DOMAINS]
    if not proto.opset_import or min(versions, default=1) < 1:
        raise FileFormatError(path, "opset_import", "names no ONNX opset", EXPORT_AGAIN)
    _check_known(path, "opset_import", "opset", max(versions, default=1), onnx.defs.onnx_opset_version())
    _check_known(path, "ir_version", "version", proto.ir_version, onnx.IR_VERSION)


def _check_known(path: Path, field: str, what: str, found: int, newest: int) -> None:
    if found > newest:
        raise FileFormatError(
            path,
            field,
            f"{what} {found} is newer than {newest}, the newest that onnx {onnx.__version__} supports",
            f"update onnx, or export with an older {what}",
        )


def _messages(root: Any) -> Iterator[Any]:
    """A message of protobuf and all that it holds, but not what is in tensors."""
    pending = [root]
    while pending:
        message = pending.pop()
        yield message
        if isinstance(message, onnx.TensorProto):
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                pending.extend([value] if hasattr(value, "ListFields") else value)


def _check_texts(path: Path, message: Any) -> None:
    for field, value in message.ListFields():
        texts = () if field.type != _TEXT else [value] if isinstance(value, str | bytes) else value
        if any(isinstance(text, bytes) for text in texts):
            raise FileFormatError(path, "graph", "has a name that is not UTF-8", EXPORT_AGAIN)
