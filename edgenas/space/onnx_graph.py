"""Blocks as ONNX graphs, batch norm folded; used both for timing and for deployment.

Building them directly takes milliseconds, an export through PyTorch seconds per model, and allows the operators that
runtimes fuse best (a `GlobalAveragePool` where the exporter writes a layout-breaking `ReduceMean`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgenas.space.block import Block, input_shape, output_shape
from edgenas.space.layers import Activation, Add, Conv, GlobalPool, Layer, Linear, SqueezeExcite

OPSET = 17
"""Old enough for most runtimes on boards; `device/target.py` tells which read less."""

IR_VERSION = 8
INPUT, OUTPUT = "input", "logits"

HARD_SWISH_SINCE = 14
"""The opset that brought the operator."""


class OnnxVersion(NamedTuple):
    """Of a file: version of the operators, 13 or later, and of the format itself."""

    opset: int = OPSET
    ir: int = IR_VERSION


USUAL = OnnxVersion()

Weights = Callable[[str, tuple[int, ...]], NDArray[np.float32]]
"""From name and shape to the weight."""


def onnx_from_blocks(
    blocks: Sequence[Block], weights: Weights, description: str = "", version: OnnxVersion = USUAL
) -> onnx.ModelProto:
    """Chain blocks into one ONNX model with a dynamic batch axis.

    Args:
        blocks: at least one; each takes the output of the one before.
        weights: called once for each weight, by name and shape (see `random_weights`, `given_weights`).
        description: the model's `doc_string`.
        version: what the model is declared to be; only operators of its opset are used.
    """
    graph = _Graph(weights, version.opset)
    value = INPUT
    for i, block in enumerate(blocks):
        block_input = value
        for j, layer in enumerate(block.layers):
            graph.scope = f"{i}.{j}"
            value = _EMITTERS[type(layer)](graph, layer, value, block_input)
    graph.nodes[-1].output[0] = OUTPUT
    proto = helper.make_graph(
        graph.nodes,
        "edgenas",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ("batch", *input_shape(blocks[0])))],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ("batch", *output_shape(blocks[-1])))],
        graph.initialisers,
    )
    return helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", version.opset)],
        ir_version=version.ir,
        producer_name="edgenas",
        doc_string=description,
    )


def with_fixed_batch(content: bytes, batch: int) -> bytes:
    """A serialised model, every axis that its inputs and outputs leave open of the size of the batch."""
    model = onnx.load_model_from_string(content)
    for value in (*model.graph.input, *model.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if not axis.HasField("dim_value"):
                axis.dim_value = batch
    return bytes(model.SerializeToString())


def random_weights(seed: int) -> Weights:
    """Random weights for timing, scaled so that activations neither vanish, overflow nor become denormal."""
    rng = np.random.default_rng(seed)

    def draw(_: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        scale = np.float32(np.sqrt(2.0 / max(1, int(np.prod(shape[1:])))))
        return rng.standard_normal(shape, dtype=np.float32) * scale

    return draw


def given_weights(weights: Mapping[str, NDArray[np.float32]]) -> Weights:
    """Trained weights by name, from `modules.folded_weights`."""

    def look_up(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return np.ascontiguousarray(weights[name].reshape(shape))

    return look_up


class _Graph:
    """Collects nodes and weights; `scope` is the name prefix of the current layer."""

    def __init__(self, weights: Weights, opset: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self.scope = ""
        self._weights = weights
        self._opset = opset

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        output = f"{self.scope}.{op}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def weight(self, name: str, *shape: int) -> str:
        full = f"{self.scope}.{name}"
        return self.constant(full, self._weights(full, shape))

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        if all(tensor.name != name for tensor in self.initialisers):
            self.initialisers.append(numpy_helper.from_array(value, name))
        return name

    def activation(self, kind: Activation, value: str) -> str:
        if kind == "relu6":
            low = self.constant("zero", np.array(0, np.float32))
            high = self.constant("six", np.array(6, np.float32))
            return self.node("Clip", [value, low, high])
        if kind == "hswish" and self._opset < HARD_SWISH_SINCE:
            return self.node("Mul", [value, self.hard_sigmoid(value)])
        if kind == "none":
            return value
        return self.node({"relu": "Relu", "hswish": "HardSwish"}[kind], [value])

    def hard_sigmoid(self, value: str) -> str:
        """PyTorch's and HardSwish's: a sixth of the input plus a half, from 0 to 1."""
        return self.node("HardSigmoid", [value], alpha=1 / 6, beta=0.5)


def _conv(graph: _Graph, layer: Conv, value: str, _: str) -> str:
    shape = (layer.out_channels, layer.in_channels // layer.groups, layer.kernel, layer.kernel)
    inputs = [value, graph.weight("weight", *shape), graph.weight("bias", layer.out_channels)]
    value = graph.node(
        "Conv",
        inputs,
        kernel_shape=[layer.kernel] * 2,
        pads=layer.pads,
        strides=[layer.stride] * 2,
        group=layer.groups,
    )
    return graph.activation(layer.activation, value)


def _squeeze_excite(graph: _Graph, layer: SqueezeExcite, value: str, _: str) -> str:
    gate = graph.node("GlobalAveragePool", [value])
    for name, out, inner in (
        ("reduce", layer.squeezed, layer.channels),
        ("expand", layer.channels, layer.squeezed),
    ):
        inputs = [gate, graph.weight(f"{name}.weight", out, inner, 1, 1), graph.weight(f"{name}.bias", out)]
        gate = graph.node("Conv", inputs, kernel_shape=[1, 1])
        gate = graph.activation("relu", gate) if name == "reduce" else graph.hard_sigmoid(gate)
    return graph.node("Mul", [value, gate])


def _add(graph: _Graph, _: Add, value: str, block_input: str) -> str:
    return graph.node("Add", [value, block_input])


def _pool(graph: _Graph, _: GlobalPool, value: str, __: str) -> str:
    return graph.node("Flatten", [graph.node("GlobalAveragePool", [value])], axis=1)


def _linear(graph: _Graph, layer: Linear, value: str, _: str) -> str:
    weight = graph.weight("weight", layer.out_features, layer.in_features)
    return graph.node("Gemm", [value, weight, graph.weight("bias", layer.out_features)], transB=1)


_EMITTERS: dict[type[Layer], Callable[[_Graph, Any, str, str], str]] = {
    Conv: _conv,
    SqueezeExcite: _squeeze_excite,
    Add: _add,
    GlobalPool: _pool,
    Linear: _linear,
}
