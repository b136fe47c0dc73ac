"""Reading and validating ONNX files: the result has exactly one input, of known shape.

To predict, only the shapes of weights are used, so external data files are not opened.
"""

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import inliner
from onnx.external_data_helper import load_external_data_for_model

from edgenas.errors import FileFormatError, InputError, first_line
from edgenas.vocabulary import Precision

MAX_MODEL_BYTES = 2**31 - 1
"""Protobuf's limit; larger models keep their weights in external data."""

CONTROL_FLOW = ("If", "Loop", "Scan")
STANDARD_DOMAINS = ("", "ai.onnx")
QUANTISED = ("QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")

_EXPORT_AGAIN = "export the model to ONNX again"


@dataclass(frozen=True, slots=True)
class Model:
    """A validated model.

    Attributes:
        path: the file, for error messages.
        proto: the whole model, functions inlined.
        nodes: nodes that reach an output, in order.
        input: name of the input.
        shape: its shape, with the batch size filled in.
        open_batch: whether the file's batch axis is dynamic.
    """

    path: Path
    proto: onnx.ModelProto
    nodes: list[onnx.NodeProto]
    input: str
    shape: tuple[int, ...]
    open_batch: bool


def read_model(path: Path, batch: int | None) -> Model:
    """Read an ONNX file for a batch size; None for its own, which is 1 where it is open.

    Raises:
        FileFormatError: missing, too large, truncated, not ONNX, empty, or of an unsupported opset.
        InputError: control flow, several inputs, an input without shape or with dynamic axes besides the batch, or a
            fixed batch of another size.
    """
    proto = _inlined(path, _parsed(path))
    nodes = live_nodes(list(proto.graph.node), {output.name for output in proto.graph.output})
    if not nodes:
        raise FileFormatError(path, "graph", "has no nodes that reach an output", _EXPORT_AGAIN)
    for node in nodes:
        if any(isinstance(text, bytes) for text in (node.name, node.op_type, node.domain, *node.input)):
            raise FileFormatError(path, "graph", "has a name that is not UTF-8", _EXPORT_AGAIN)
        if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
            raise InputError(
                f"{path}: {label(node)} is control flow, so its cost depends on the data",
                "export the model without " + ", ".join(CONTROL_FLOW),
            )
    given = _input(path, proto, nodes)
    shape = _input_shape(path, given, batch)
    return Model(path, proto, nodes, given.name, shape, given.type.tensor_type.shape.dim[0].dim_value < 1)


def read_entries(path: Path) -> dict[str, str]:
    """What an ONNX file says of itself: its `metadata_props`.

    Raises:
        FileFormatError: missing, too large, truncated, not ONNX, or of an unsupported opset.
    """
    return {each.key: each.value for each in _parsed(path).metadata_props}


def read_whole_model(path: Path, batch: int | None) -> Model:
    """Read an ONNX file to run it, as `read_model` does: with its weights, also those in other files of its folder.

    Raises:
        FileFormatError: also if such a file is missing, damaged, or lies elsewhere.
        InputError: also if the input does not take float32.
    """
    model = read_model(path, batch)
    (given,) = (each for each in model.proto.graph.input if each.name == model.input)
    if (kind := given.type.tensor_type.elem_type) != onnx.TensorProto.FLOAT:
        name = onnx.TensorProto.DataType.Name(kind).lower()
        raise InputError(
            f"{path}: input {model.input!r} takes {name}, which cannot be timed",
            "export the model with a float32 input",
        )
    try:
        load_external_data_for_model(model.proto, str(path.parent))
        if model.proto.ByteSize() > MAX_MODEL_BYTES:
            raise ValueError("they are larger than 2 GiB")
    except Exception as error:  # onnx raises several types, without a common base
        raise FileFormatError(
            path, "weights", f"cannot be read ({first_line(error)})", "copy all files of the model together"
        ) from None
    return model


def precision_of(model: onnx.ModelProto) -> Precision:
    """int8 if anything is quantised; else fp16 or fp32, as most of the weights are."""
    if any(node.op_type in QUANTISED or node.op_type.startswith("QLinear") for node in model.graph.node):
        return "int8"
    kinds = Counter[int]()
    for tensor in model.graph.initializer:
        kinds[tensor.data_type] += math.prod(tensor.dims)
    half, whole = kinds[onnx.TensorProto.FLOAT16], kinds[onnx.TensorProto.FLOAT]
    return "fp16" if half > whole else "fp32"


def live_nodes(nodes: list[onnx.NodeProto], wanted: set[str]) -> list[onnx.NodeProto]:
    """The nodes that the wanted values depend on, in order; ONNX requires graphs to be topologically sorted."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(node.input)
    return kept[::-1]


def operator(node: onnx.NodeProto) -> str:
    """The operator's name, prefixed by its domain if not ONNX's own: `Conv`, `com.microsoft.NGramRepeatBlock`."""
    return node.op_type if node.domain in STANDARD_DOMAINS else f"{node.domain}.{node.op_type}"


def label(node: onnx.NodeProto) -> str:
    """The node's name for messages; operator and output if it has none."""
    return node.name or f"{operator(node)}:{node.output[0]}"


def _parsed(path: Path) -> onnx.ModelProto:
    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            raise FileFormatError(
                path, "", "is larger than 2 GiB", "keep the weights beside it (external data)"
            )
        content = path.read_bytes()
    except OSError as error:
        raise FileFormatError(path, "", f"cannot be read ({error.strerror})", "check the path") from None
    try:
        proto = onnx.load_model_from_string(content)
    except Exception:  # protobuf's DecodeError; protobuf is not a direct dependency
        raise FileFormatError(path, "", "is not ONNX, or truncated", _EXPORT_AGAIN) from None
    if not proto.ir_version or not proto.HasField("graph"):
        raise FileFormatError(path, "", "is not ONNX: it has no graph", _EXPORT_AGAIN)
    _check_opset(path, proto)
    return proto


def _check_opset(path: Path, proto: onnx.ModelProto) -> None:
    versions = [opset.version for opset in proto.opset_import if opset.domain in STANDARD_DOMAINS]
    known = onnx.defs.onnx_opset_version()
    if not versions or min(versions) < 1:
        raise FileFormatError(path, "opset_import", "names no ONNX opset", _EXPORT_AGAIN)
    if max(versions) > known:
        raise FileFormatError(
            path,
            "opset_import",
            f"opset {max(versions)} is newer than {known}, the newest that onnx {onnx.__version__} supports",
            "update onnx, or export with an older opset",
        )


def _inlined(path: Path, proto: onnx.ModelProto) -> onnx.ModelProto:
    if not proto.functions:
        return proto
    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:  # its C++ raises several types, without a common base
        raise FileFormatError(
            path, "functions", f"cannot be inlined ({first_line(error)})", _EXPORT_AGAIN
        ) from None


def _input(path: Path, proto: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> onnx.ValueInfoProto:
    graph = proto.graph
    weights = {tensor.name for tensor in graph.initializer}  # old files also list these as inputs
    read = {name for node in nodes for name in node.input} - weights
    inputs: list[onnx.ValueInfoProto] = [value for value in graph.input if value.name in read]
    if not inputs:
        raise InputError(f"{path}: its outputs depend on no input", "export the model with its input")
    if len(inputs) > 1:
        names = ", ".join(value.name for value in inputs)
        raise InputError(
            f"{path}: has {len(inputs)} inputs ({names})",
            "only networks with one input are supported; make the others constant",
        )
    return inputs[0]


def _input_shape(path: Path, value: onnx.ValueInfoProto, batch: int | None) -> tuple[int, ...]:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape") or not tensor.shape.dim:
        raise InputError(
            f"{path}: input {value.name!r} has no shape", "export the model with a fixed input size"
        )
    first, *rest = tensor.shape.dim
    batch = batch or max(1, first.dim_value)
    still_open = [
        f"{axis} ({dim.dim_param})" if dim.dim_param else str(axis)
        for axis, dim in enumerate(rest, 1)
        if dim.dim_value < 1
    ]
    if still_open:
        raise InputError(
            f"{path}: input {value.name!r} has dynamic axes besides the batch: {', '.join(still_open)}",
            f"fix them: python -m onnxruntime.tools.make_dynamic_shape_fixed --input_name {value.name} "
            f"--input_shape {_example(tensor, batch)} {path.name} fixed.onnx",
        )
    if first.dim_value > 0 and first.dim_value != batch:
        raise InputError(
            f"{path}: input {value.name!r} has a fixed batch of {first.dim_value}, not {batch}",
            f"use --batch {first.dim_value}, or export with a dynamic batch axis",
        )
    return (batch, *(dim.dim_value for dim in rest))


def _example(tensor: onnx.TypeProto.Tensor, batch: int) -> str:
    sizes = [dim.dim_value if dim.dim_value > 0 else 224 for dim in tensor.shape.dim[1:]]
    return ",".join(map(str, [batch, *sizes]))
