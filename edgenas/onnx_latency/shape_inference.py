"""Shape inference and constant folding.

One pass over the nodes: onnx infers the types of the outputs, constants are propagated, and small ones (the inputs of
a `Reshape`, computed by `Shape`, `Gather`, `Concat`) are evaluated, as later shapes depend on their values.
"""

import logging
import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TypeProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgenas.errors import FileFormatError, InputError, first_line
from edgenas.onnx_latency.kernels import Shape
from edgenas.onnx_latency.limits import MAX_FOLDED, MAX_FOLDED_NODES, MAX_VALUE_BYTES
from edgenas.onnx_latency.model_inputs import written
from edgenas.onnx_latency.onnx_content import STANDARD_DOMAINS
from edgenas.onnx_latency.onnx_reading import Model, label, live_nodes, operator, values_read
from edgenas.onnx_latency.stored_weights import size_bytes

log = logging.getLogger(__name__)

_FOLDED = {
    "Abs", "Add", "And", "Cast", "CastLike", "Ceil", "Clip", "Concat", "Constant", "ConstantOfShape", "Div",
    "Equal", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Greater",
    "GreaterOrEqual", "Identity", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or",
    "Pow", "Range", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "Reshape", "Round",
    "ScatterElements", "ScatterND", "Shape", "Sign", "Size", "Slice", "Split", "Sqrt", "Squeeze", "Sub",
    "Sum", "Tile", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip
"""What shapes are computed with; evaluating any operator could take for ever."""

_WINDOWED = ("AveragePool", "Conv", "LpPool", "MaxPool")
"""Their outputs are empty where the window is larger than the image."""

_SHAPE_OPERATORS = ("Shape", "Size")


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes that remain after constant folding, with all shapes.

    Attributes:
        nodes: in order; all of them depend on the input.
        shapes: of every value.
        constants: values that do not depend on the input.
        weights: constants with more than one element that are not shapes or indices.
        outputs: outputs of the model.
    """

    nodes: list[onnx.NodeProto]
    shapes: Mapping[str, Shape]
    constants: frozenset[str]
    weights: frozenset[str]
    outputs: frozenset[str]

    def size(self, value: str) -> int:
        """Number of elements of a value."""
        return math.prod(self.shapes[value])


def shaped(model: Model) -> Graph:
    """Infer the shape of every value and fold constants.

    Raises:
        InputError: a node is control flow, does not fit its inputs, or has an impossible shape, or a data-dependent
            one that is needed.
    """
    check_flow(model.path, model.nodes)
    pass_ = _Pass(model)
    for node in model.nodes:
        pass_.visit(node)
    outputs = {output.name for output in model.proto.graph.output}
    nodes = [node for node in model.nodes if not pass_.constants.issuperset(node.output)]
    nodes = live_nodes(nodes, outputs)
    if not nodes:
        raise InputError(f"{model.path}: its outputs depend on no input", "export the model with its input")
    needed = outputs.union(*(node.input for node in nodes))
    for node in nodes:
        pass_.check(node, needed)
    shapes = {name: shape for name, shape in pass_.shapes.items() if shape is not None}
    weights = (
        name for name in pass_.constants & shapes.keys() if _is_weight(pass_.types[name], shapes[name])
    )
    return Graph(nodes, shapes, frozenset(pass_.constants), frozenset(weights), frozenset(outputs))


def check_flow(path: Path, nodes: Iterable[onnx.NodeProto]) -> None:
    """Check that no node is control flow.

    Raises:
        InputError: one is.
    """
    for node in nodes:
        if any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute):
            raise InputError(
                f"{path}: {label(node)} is control flow, so its cost depends on the data",
                "export the model without If, Loop, Scan",
            )


def check_sizes(model: Model) -> None:
    """Check before a model is run that no value would be too large, as far as that can be told.

    What shape inference does not understand, a runtime may: it is passed over.

    Raises:
        ImpossibleSizeError: a value would have an impossible shape, or constants computed in the file be too large.
    """
    pass_ = _Pass(model, guesses=False)
    for node in model.proto.graph.node:
        try:
            pass_.visit(node)
        except ImpossibleSizeError:
            raise
        except InputError as error:
            log.debug("%s", error)


class ImpossibleSizeError(InputError):
    """A value that no device could hold."""


class _Pass:
    """State of the pass: types, evaluated constants, and which values are constant.

    Args:
        model: whose nodes are visited in order.
        guesses: whether outputs of unknown operators are taken to have the type of the first input.
    """

    def __init__(self, model: Model, guesses: bool = True) -> None:
        graph = model.proto.graph
        self.path = model.path
        self._opsets = {_domain(each.domain): each for each in reversed(model.proto.opset_import)}
        self.types: dict[str, TypeProto] = {}
        self.shapes: dict[str, Shape | None] = {}
        self.values: dict[str, onnx.TensorProto] = {}
        self.constants: set[str] = set()
        self._guesses = guesses
        self._constant_bytes = self._folded = 0
        self._batch = next(iter(model.shape), 1)
        self._recorded = {value.name: value.type for value in [*graph.value_info, *graph.output]}
        for given in model.inputs:
            self._enter(given.name, helper.make_tensor_type_proto(given.kind, given.shape))
        for tensor in graph.initializer:
            self._add_weight(tensor.name, tensor.data_type, tensor.dims)
            if math.prod(tensor.dims) <= MAX_FOLDED and tensor.data_location != tensor.EXTERNAL:
                self.values[tensor.name] = tensor
        for sparse in graph.sparse_initializer:
            self._add_weight(sparse.values.name, sparse.values.data_type, sparse.dims)

    def visit(self, node: onnx.NodeProto) -> None:
        for output in filter(None, node.output):
            self._enter(output, TypeProto())  # until it is known
        for output, type_ in self._inferred(node).items():
            self._enter(output, type_)
        for output in filter(None, node.output):
            self._check_size(node, output)
        if node.op_type in _SHAPE_OPERATORS or self.constants.issuperset(values_read(node)):
            self.constants.update(filter(None, node.output))
            self._count_constants(node)
            self._fold(node)

    def check(self, node: onnx.NodeProto, needed: Set[str]) -> None:
        """Check that all inputs and needed outputs have a shape, and that a convolution's weights fit its input."""
        for name in filter(None, [*node.input, *node.output]):
            if self.shapes[name] is None and (name in needed or name == node.output[0]):
                raise InputError(
                    f"{self.path}: the shape of {name!r} at {label(node)} depends on data",
                    "export with fixed sizes and with constant folding",
                )
        if node.op_type == "Conv":  # onnx's inference ignores channels here
            self._check_channels(node)

    def _check_channels(self, node: onnx.NodeProto) -> None:
        image, weight = (self.shapes[name] for name in node.input[:2])
        groups = next((each.i for each in node.attribute if each.name == "group"), 1)
        if image and weight and image[1] != (channels := weight[1] * groups):
            raise InputError(
                f"{self.path}: {label(node)} (Conv) does not fit its inputs (weights for {channels} channels, an image "
                f"of {image[1]})",
                "check the file with onnx.checker and export it again",
            )

    def _add_weight(self, name: str, data_type: int, dims: Iterable[int]) -> None:
        sizes = list(dims)
        if any(size < 0 for size in sizes):
            raise FileFormatError(self.path, name, f"has the sizes {sizes}", "export the model to ONNX again")
        self._enter(name, helper.make_tensor_type_proto(data_type, sizes))
        self.constants.add(name)

    def _enter(self, name: str, type_: TypeProto) -> None:
        self.types[name], self.shapes[name] = type_, _shape(type_)

    def _bytes(self, name: str) -> int:
        """Of a tensor; 0 if it is not known."""
        shape = self.shapes[name]
        return 0 if shape is None else size_bytes(self.types[name].tensor_type.elem_type, shape) or 0

    def _check_size(self, node: onnx.NodeProto, output: str) -> None:
        """Check that a value is possible: not of negative size, nor larger than any device's memory."""
        shape = self.shapes[output]
        least = 1 if node.op_type in _WINDOWED else 0
        if shape is not None and (min(shape, default=1) < least or self._bytes(output) > MAX_VALUE_BYTES):
            raise ImpossibleSizeError(
                f"{self.path}: the output of {label(node)} ({operator(node)}) would have the shape "
                f"{written(shape):.60}",
                "sizes must be positive, and of 2 GiB at most: check the file, or use smaller inputs",
            )

    def _count_constants(self, node: onnx.NodeProto) -> None:
        """A runtime evaluates constants when it loads a file, all of them."""
        self._constant_bytes += sum(self._bytes(name) for name in node.output if name)
        if self._constant_bytes > MAX_VALUE_BYTES:
            raise ImpossibleSizeError(
                f"{self.path}: the constants that it computes, up to {label(node)}, are larger than 2 GiB",
                "check the file, and export it again",
            )

    def _inferred(self, node: onnx.NodeProto) -> dict[str, TypeProto]:
        """Types of the outputs; for operators unknown to onnx, as declared in the file or as the first input."""
        domain = _domain(node.domain)
        version = self._opsets[domain].version if domain in self._opsets else 1
        try:
            schema = onnx.defs.get_schema(node.op_type, version, domain)
        except (onnx.defs.SchemaError, TypeError):  # TypeError: a version out of range
            return {name: self._assumed(node, name) for name in node.output if name}
        types = {name: self.types[name] for name in node.input if name}
        values = {name: self.values[name] for name in node.input if name in self.values}
        try:
            found = onnx.shape_inference.infer_node_outputs(
                schema, node, types, values, opset_imports=self._opsets_of(node)
            )
        except Exception as error:  # its C++ raises several types, without a common base
            raise InputError(
                f"{self.path}: {label(node)} ({operator(node)}) does not fit its inputs ({first_line(error)})",
                "check the file with onnx.checker and export it again",
            ) from None
        return {name: t if _shape(t) is not None else self._declared(name) or t for name, t in found.items()}

    def _opsets_of(self, node: onnx.NodeProto) -> list[onnx.OperatorSetIdProto]:
        """Those that matter to a node: a file may name any number."""
        return [self._opsets[each] for each in {"", _domain(node.domain)} & self._opsets.keys()]

    def _assumed(self, node: onnx.NodeProto, output: str) -> TypeProto:
        first = next((self.types[name] for name in node.input if name), TypeProto())
        return self._declared(output) or (first if self._guesses else TypeProto())

    def _declared(self, name: str) -> TypeProto | None:
        """The type that the file declares for a value, with the batch size filled in."""
        declared = self._recorded.get(name)
        if declared is None or not declared.tensor_type.HasField("shape"):
            return None
        sizes = [dim.dim_value for dim in declared.tensor_type.shape.dim]
        if sizes and sizes[0] < 1:
            sizes[0] = self._batch
        if any(size < 1 for size in sizes):
            return None
        return helper.make_tensor_type_proto(declared.tensor_type.elem_type, sizes)

    def _fold(self, node: onnx.NodeProto) -> None:
        """Evaluate a small constant; if that fails, the value stays unknown and nodes that need it raise."""
        if operator(node) not in _FOLDED or self._folded == MAX_FOLDED_NODES:
            return
        self._folded += 1
        sizes = [self.shapes[name] for name in node.output if name]
        if any(size is None or math.prod(size) > MAX_FOLDED for size in sizes):
            return
        try:
            feeds = {name: self._value(node, name) for name in node.input if name}
            for name, value in zip(node.output, _evaluated(node, feeds, self._opsets_of(node)), strict=True):
                self.values[name] = numpy_helper.from_array(np.asarray(value), name)
        except Exception as error:  # a reference implementation may raise anything
            log.debug("%s is not evaluated: %s", label(node), error)

    def _value(self, node: onnx.NodeProto, name: str) -> NDArray[Any]:
        shape = self.shapes[name]
        if node.op_type in _SHAPE_OPERATORS and shape is not None:
            return np.broadcast_to(np.float32(0), shape)  # takes no memory: only its shape is read
        return numpy_helper.to_array(self.values[name])


def _evaluated(
    node: onnx.NodeProto, feeds: dict[str, Any], opsets: list[onnx.OperatorSetIdProto]
) -> list[Any]:
    inputs = [helper.make_value_info(name, TypeProto()) for name in feeds]
    outputs = [helper.make_value_info(name, TypeProto()) for name in node.output]
    graph = helper.make_graph([node], "constant", inputs, outputs)
    return list(ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets)).run(None, feeds))


def _domain(name: str) -> str:
    """ONNX's own domain has two names."""
    return "" if name in STANDARD_DOMAINS else name


def _is_weight(type_: TypeProto, shape: Shape) -> bool:
    return math.prod(shape) > 1 and type_.tensor_type.elem_type != onnx.TensorProto.INT64


def _shape(type_: TypeProto) -> Shape | None:
    """Sizes of a tensor; None if one of them is dynamic, or it is not a tensor."""
    tensor = type_.tensor_type
    if not type_.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    sizes = tuple(dim.dim_value for dim in tensor.shape.dim if dim.HasField("dim_value"))
    return sizes if len(sizes) == len(tensor.shape.dim) else None
