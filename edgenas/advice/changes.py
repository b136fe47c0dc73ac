"""Models without what costs: weights as inputs, nodes for nothing, fp16, convolutions quantised dynamically."""

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from edgenas.device.onnx_execution import graphs_of
from edgenas.onnx_latency.onnx_content import tensors_of
from edgenas.onnx_latency.onnx_reading import live_nodes, values_read

MIN_IR = 4
"""The first version of the format in which weights need not be inputs."""


def without_weight_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model whose weights are no longer inputs that a call may replace; itself if none is."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) == len(model.graph.input):
        return model
    changed = _copy(model)
    changed.graph.ClearField("input")
    changed.graph.input.extend(inputs)
    changed.ir_version = max(MIN_IR, changed.ir_version)
    return changed


def without_unneeded_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without nodes that no output depends on; itself if there are none."""
    nodes = list(model.graph.node)
    needed = live_nodes(nodes, {output.name for output in model.graph.output})
    if len(needed) == len(nodes):
        return model
    changed = _copy(model)
    changed.graph.ClearField("node")
    changed.graph.node.extend(needed)
    return changed


def in_fp32(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with fp32 wherever it has fp16, inputs and outputs included."""
    changed = _copy(model)
    for tensor in tensors_of(changed):
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for graph in graphs_of(changed.graph):
        for value in (*graph.input, *graph.output, *graph.value_info):
            if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
                value.type.tensor_type.elem_type = TensorProto.FLOAT
        for attribute in (each for node in graph.node for each in node.attribute):
            if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
    return changed


def with_float_convolutions(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model whose dynamically quantised convolutions have dequantised weights; None if they are of another form.

    Quantising each input makes `ConvInteger(DynamicQuantizeLinear(x), w)`, a cast, and a product with both scales.
    """
    changed = _copy(model)
    graph = changed.graph
    pattern = _DynamicConvolutions(graph)
    convolutions = {scaled.output[0]: conv for scaled, conv in pattern.found()}
    if not convolutions:
        return None
    graph.initializer.extend(pattern.weights)
    nodes = [convolutions.get(node.output[0], node) for node in graph.node]
    graph.ClearField("node")
    graph.node.extend(live_nodes(nodes, {output.name for output in graph.output}))
    return changed


class _DynamicConvolutions:
    """Finds dynamically quantised convolutions in a graph.

    Attributes:
        weights: of those that were found, in float.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.weights: list[TensorProto] = []
        self._nodes = graph.node
        self._stored = {tensor.name: tensor for tensor in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers = _readers(graph.node)

    def found(self) -> Iterator[tuple[NodeProto, NodeProto]]:
        """The node at the end of each, and the convolution in float that may stand in its place."""
        for node in self._nodes:
            if node.op_type != "ConvInteger":
                continue
            quantised = self._makers.get(node.input[0])
            scaled = self._only_reader(self._only_reader(node, "Cast"), "Mul")
            if quantised is None or quantised.op_type != "DynamicQuantizeLinear" or scaled is None:
                continue
            scale = self._weight_scale(scaled, quantised)
            weight = self._weight(node, scale)
            if weight is None:
                continue
            self.weights.append(weight)
            conv = helper.make_node(
                "Conv", [quantised.input[0], weight.name], [scaled.output[0]], name=node.name
            )
            conv.attribute.extend(node.attribute)
            yield scaled, conv

    def _only_reader(self, node: NodeProto | None, operator: str) -> NodeProto | None:
        readers = [] if node is None else self._readers.get(node.output[0], [])
        return readers[0] if len(readers) == 1 and readers[0].op_type == operator else None

    def _weight_scale(self, scaled: NodeProto, quantised: NodeProto) -> NDArray[np.float32] | None:
        """Of the two scales that the product is with, that of the weights."""
        for name in scaled.input:
            product = self._makers.get(name)
            if product is not None and product.op_type == "Mul" and quantised.output[1] in product.input:
                others = [each for each in product.input if each != quantised.output[1]]
                return self._value(others[0]) if others else None
        return None

    def _weight(self, node: NodeProto, scale: NDArray[np.float32] | None) -> TensorProto | None:
        """The weight of a convolution in float; None if it is not stored."""
        stored = self._value(node.input[1])
        zero = (
            self._value(node.input[3]) if len(node.input) > 3 and node.input[3] else np.zeros(1, np.float32)
        )
        if stored is None or zero is None or scale is None or {zero.size, scale.size} - {1, stored.shape[0]}:
            return None
        of_channels = (-1, *[1] * (stored.ndim - 1))
        values = (stored - zero.reshape(of_channels)) * scale.reshape(of_channels)
        return numpy_helper.from_array(values, f"{node.output[0]}/weight")

    def _value(self, name: str) -> NDArray[np.float32] | None:
        stored = self._stored.get(name)
        return None if stored is None else numpy_helper.to_array(stored).astype(np.float32)


def _readers(nodes: Iterable[NodeProto]) -> dict[str, list[NodeProto]]:
    """The nodes that read a value, by its name."""
    found: dict[str, list[NodeProto]] = {}
    for node in nodes:
        for name in set(values_read(node)):
            found.setdefault(name, []).append(node)
    return found


def has_control_flow(model: onnx.ModelProto) -> bool:
    """Whether what runs depends on data."""
    kinds = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
    return any(attribute.type in kinds for node in model.graph.node for attribute in node.attribute)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy
