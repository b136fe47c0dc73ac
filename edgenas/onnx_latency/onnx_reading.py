"""Reading and validating ONNX files: the result has inputs of known shapes, and nodes in an order that works.

To predict, only the shapes of weights are used, so external data files are not opened.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from edgenas.board.problem import one_line
from edgenas.errors import FileFormatError, InputError
from edgenas.onnx_latency.likely_sizes import SAMPLES, axes_of, batch_axis
from edgenas.onnx_latency.limits import MAX_MODEL_BYTES
from edgenas.onnx_latency.model_inputs import (
    Axes,
    Input,
    Shapes,
    assumed,
    batch_of_inputs,
    check_named,
    decided_inputs,
)
from edgenas.onnx_latency.onnx_content import (
    EXPORT_AGAIN,
    STANDARD_DOMAINS,
    opened,
    tensors_of,
)
from edgenas.onnx_latency.stored_weights import fill_weights, load_weights
from edgenas.vocabulary import Precision

log = logging.getLogger(__name__)

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
        InputError: an input cannot be as asked (`model_inputs.decided_inputs`).
    """
    return _read(path, batch, shapes or {}, every=False)


def read_whole_model(path: Path, batch: int | None, shapes: Shapes | None = None) -> Model:
    """Read an ONNX file to run it, as `read_model` does: with its weights, also those in other files of its folder.

    The inputs are all that a runtime wants, also those that nothing reads.

    Raises:
        FileFormatError: also if such a file is missing or too short.
        InputError: also if arrays of an input's type cannot be made.
    """
    model = _read_to_run(path, batch, shapes)
    load_weights(path, tensors_of(model.proto))
    _check_size(model)
    return model


def read_model_to_run(path: Path, batch: int | None, shapes: Shapes | None = None) -> Model:
    """Read an ONNX file to see what a runtime makes of it, as `read_whole_model` does, but whose results nobody needs.

    Large weights in other files are not read: they have small values instead, and so have any that are missing.

    Raises:
        FileFormatError, InputError: as `read_whole_model`, but not for want of such a file.
    """
    model = _read_to_run(path, batch, shapes)
    fill_weights(path, tensors_of(model.proto))
    _check_size(model)
    return model


def batch_of(
    paths: Sequence[Path], batch: int | None, shapes: Shapes, axes: Axes | None = None
) -> int | None:
    """Images per call: as asked, or as given shapes or the first file say; None if that leaves it open.

    Raises:
        FileFormatError: as `onnx_content.opened`.
        InputError: no file has an input or an axis of a given name; or a batch is asked for, and the first has none.
    """
    inputs = {path: _inputs(opened(path)) for path in paths}
    check_named(inputs, shapes, axes or {})
    values = inputs[paths[0]]
    if batch is None:
        return batch_of_inputs(values, shapes, axes or {})
    firsts = {1, *(each.type.tensor_type.shape.dim[0].dim_value for each in values[:1] if axes_of(each))}
    if batch not in firsts and all(batch_axis(each) is None for each in values):
        raise InputError(
            f"{paths[0]}: no axis of its inputs is a batch, so it cannot be {batch}", "leave out --batch"
        )
    return batch


def shapes_of_call(path: Path, batch: int, shapes: Shapes, axes: Axes | None = None) -> Shapes:
    """The shapes of all inputs of a file in a call; what has to be assumed is told in one warning.

    Args:
        path: of the file.
        batch: images per call.
        shapes: given ones by name; names that the file lacks are passed over.
        axes: sizes of open axes by their names, likewise.

    Raises:
        FileFormatError: as `onnx_content.opened`.
        InputError: an input cannot be as asked (`model_inputs.decided_inputs`).
    """
    proto = opened(path)
    values = _inputs(proto)
    inputs = decided_inputs(path, values, batch, shapes, axes or {}, _metadata(proto))
    if told := assumed(inputs, values):
        log.warning("%s: %s; %s", path, *told)
    for each in inputs:
        if each.is_sample_rate:
            log.warning("%s: input %r is taken for a sample rate, and is %d", path, each.name, SAMPLES)
    return {each.name: each.shape for each in inputs}


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
            needed.update(values_read(node))
    return kept[::-1]


def values_read(node: onnx.NodeProto) -> Iterator[str]:
    """Names of the values that a node reads, also those that the graphs of control flow in it take from around it."""
    pending = [node]
    while pending:
        found = pending.pop()
        yield from filter(None, found.input)
        for attribute in found.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from (output.name for output in attribute.g.output)
                pending.extend(attribute.g.node)


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
    read = {name for node in nodes for name in values_read(node)}
    values = [value for value in _inputs(proto) if every or value.name in read]
    if read.isdisjoint(value.name for value in values):
        raise InputError(f"{path}: its outputs depend on no input", "export the model with its input")
    return Model(path, proto, nodes, decided_inputs(path, values, batch, shapes, metadata=_metadata(proto)))


def _read_to_run(path: Path, batch: int | None, shapes: Shapes | None) -> Model:
    """With all inputs that a runtime wants, and without the weights in other files."""
    model = _read(path, batch, shapes or {}, every=True)
    for each in model.inputs:
        if not each.dtype:
            name = onnx.TensorProto.DataType.Name(each.kind).lower()
            raise InputError(
                f"{path}: input {each.name!r} takes {name}, of which no arrays can be made",
                "export the model with a float32 input",
            )
    for value in model.proto.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value < 1:
                dim.ClearField("dim_value")  # open, but a runtime takes it at its word
    return model


def _check_size(model: Model) -> None:
    if model.proto.ByteSize() > MAX_MODEL_BYTES:
        raise FileFormatError(model.path, "weights", "are larger than 2 GiB", "give a smaller model")


def _metadata(proto: onnx.ModelProto) -> Mapping[str, str]:
    return {each.key: each.value for each in proto.metadata_props}


def _is_name(text: str) -> bool:
    """Whether a text can be shown as the name of an operator."""
    return 0 < len(text) <= MAX_LABEL and text.isprintable()


def _inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that are no weights; old files list these too."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in weights]


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
