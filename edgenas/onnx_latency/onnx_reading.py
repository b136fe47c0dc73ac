"""Reading and validating ONNX files: the result has inputs of known shapes, and nodes in an order that works.

To predict, only the shapes of weights are used, so external data files are not opened.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from edgenas.board.problem import one_line
from edgenas.errors import FileFormatError, InputError
from edgenas.onnx_latency.limits import MAX_MODEL_BYTES
from edgenas.onnx_latency.model_inputs import Input, Shapes, check_named, decided_inputs, has_batch
from edgenas.onnx_latency.onnx_content import (
    EXPORT_AGAIN,
    STANDARD_DOMAINS,
    opened,
    tensors_of,
)
from edgenas.onnx_latency.stored_weights import load_weights
from edgenas.vocabulary import Precision

CONTROL_FLOW = ("If", "Loop", "Scan")
QUANTISED = ("QuantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger")

MAX_LABEL = 200
"""Characters of a node's name."""

_CHECK = "check the file with onnx.checker and export it again"


@dataclass(frozen=True, slots=True)
class Model:
    """A validated model.

    Attributes:
        path: the file, for error messages.
        proto: the whole model, functions inlined.
        nodes: nodes that reach an output, in order.
        inputs: its inputs, at least one; the first is that of the images.
    """

    path: Path
    proto: onnx.ModelProto
    nodes: list[onnx.NodeProto]
    inputs: tuple[Input, ...]

    @property
    def input(self) -> str:
        """Name of the first input."""
        return self.inputs[0].name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.inputs[0].shape

    @property
    def open_batch(self) -> bool:
        """Whether the file leaves the batch open."""
        return 0 in self.inputs[0].open_axes

    @property
    def is_open(self) -> bool:
        """Whether the file leaves any size of an input open."""
        return any(each.open_axes for each in self.inputs)


def read_model(path: Path, batch: int | None, shapes: Shapes | None = None) -> Model:
    """Read an ONNX file for a batch size; None for its own, which is 1 where it is open.

    Args:
        path: of the file.
        batch: images per call.
        shapes: of inputs that have other axes open too.

    Raises:
        FileFormatError: as `onnx_content.opened`; or the graph is empty, not in order, or writes a value twice.
        InputError: control flow, or an input that cannot be decided (`model_inputs.decided_inputs`).
    """
    return _read(path, batch, shapes or {}, every=False)


def read_whole_model(path: Path, batch: int | None, shapes: Shapes | None = None) -> Model:
    """Read an ONNX file to run it, as `read_model` does: with its weights, also those in other files of its folder.

    The inputs are all that a runtime wants, also those that nothing reads.

    Raises:
        FileFormatError: also if such a file is missing or too short.
        InputError: also if arrays of an input's type cannot be made.
    """
    model = _read(path, batch, shapes or {}, every=True)
    for node in model.proto.graph.node:  # a runtime also runs what reaches no output
        _check_flow(path, node)
    for each in model.inputs:
        if not each.dtype:
            name = onnx.TensorProto.DataType.Name(each.kind).lower()
            raise InputError(
                f"{path}: input {each.name!r} takes {name}, of which no arrays can be made",
                "export the model with a float32 input",
            )
    load_weights(path, tensors_of(model.proto))
    if model.proto.ByteSize() > MAX_MODEL_BYTES:
        raise FileFormatError(path, "weights", "are larger than 2 GiB", "give a smaller model")
    return model


def batch_of_shapes(paths: Sequence[Path], shapes: Shapes) -> int | None:
    """Images per call that given shapes mean: the first axis of the first file's first input, if that is an open batch.

    Raises:
        FileFormatError, InputError: as `read_model`; or no file has an input of a given name.
    """
    if not shapes:
        return None
    inputs = {path: [value.name for value in _inputs(opened(path))] for path in paths}
    check_named(inputs, shapes)
    first = read_model(paths[0], None, shapes)
    value = next(each for each in first.proto.graph.input if each.name == first.input)
    return first.shape[0] if first.open_batch and first.input in shapes and has_batch(value) else None


def fixed_batch(proto: onnx.ModelProto) -> int | None:
    """The batch that a model's first input is fixed to; None if it is open, or has none."""
    for first in _inputs(proto)[:1]:
        for axis in first.type.tensor_type.shape.dim[:1] if has_batch(first) else ():
            return axis.dim_value if axis.dim_value > 0 else None
    return None


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
    return one_line(node.name or f"{operator(node)}:{node.output[0]}", MAX_LABEL)


def _read(path: Path, batch: int | None, shapes: Shapes, every: bool) -> Model:
    proto = opened(path)
    _check_order(path, proto.graph)
    nodes = live_nodes(list(proto.graph.node), {output.name for output in proto.graph.output})
    if not nodes:
        raise FileFormatError(path, "graph", "has no nodes that reach an output", EXPORT_AGAIN)
    for node in nodes:
        _check_flow(path, node)
    read = {name for node in nodes for name in node.input}
    values = [value for value in _inputs(proto) if every or value.name in read]
    if read.isdisjoint(value.name for value in values):
        raise InputError(f"{path}: its outputs depend on no input", "export the model with its input")
    return Model(path, proto, nodes, decided_inputs(path, values, batch, shapes))


def _is_name(text: str) -> bool:
    """Whether a text can be shown as the name of an operator."""
    return 0 < len(text) <= MAX_LABEL and text.isprintable()


def _inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that are no weights; old files list these too."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in weights]


def _check_flow(path: Path, node: onnx.NodeProto) -> None:
    if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
        raise InputError(
            f"{path}: {label(node)} is control flow, so its cost depends on the data",
            "export the model without " + ", ".join(CONTROL_FLOW),
        )


def _check_order(path: Path, graph: onnx.GraphProto) -> None:
    """Check that every value is written once, and before it is read."""
    weights = [tensor.name for tensor in graph.initializer]
    weights += [tensor.values.name for tensor in graph.sparse_initializer]
    inputs = [value.name for value in graph.input]
    known = {*weights, *inputs}
    if len(set(weights)) < len(weights) or len(set(inputs)) < len(inputs):
        raise FileFormatError(path, "graph", "has two inputs or weights of one name", EXPORT_AGAIN)
    for node in graph.node:
        if not _is_name(node.op_type) or not _is_name(f"{node.domain}.") or not any(node.output):
            raise FileFormatError(path, "graph", "has a node without operator or output", EXPORT_AGAIN)
        for name in filter(None, node.input):
            if name not in known:
                raise InputError(
                    f"{path}: {label(node)} reads {name!r:.60}, which no earlier node produces", _CHECK
                )
        for name in filter(None, node.output):
            if name in known:
                raise InputError(f"{path}: {label(node)} writes {name!r:.60}, which exists already", _CHECK)
            known.add(name)
    for output in graph.output:
        if output.name not in known:
            raise InputError(f"{path}: nothing produces its output {output.name!r:.60}", _CHECK)
