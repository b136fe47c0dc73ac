"""Building small ONNX models from common layers, in the form that exporters write them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgenas.space.onnx_graph import INPUT, IR_VERSION, OPSET, OUTPUT

Value = str


class GraphBuilder:
    """A model under construction: each method adds nodes and returns the name of their output.

    Args:
        shape: of the input, batch first.
        rng: draws the weights, which do not affect timings.

    Attributes:
        macs: multiply-accumulates of convolutions and products so far.
        weights: total number of weights so far.
    """

    def __init__(self, shape: Sequence[int], rng: np.random.Generator) -> None:
        self.macs = self.weights = 0
        self._shapes: dict[Value, tuple[int, ...]] = {INPUT: tuple(shape)}
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[Value, Callable[[], NDArray[Any]]] = {}
        self._rng = rng

    def shape(self, value: Value) -> tuple[int, ...]:
        """Shape of a value."""
        return self._shapes[value]

    def channels(self, value: Value) -> int:
        """Channels of an image."""
        return self._shapes[value][1]

    def model(self, value: Value) -> onnx.ModelProto:
        """The finished model, with the last value added as its output."""
        self._nodes[-1].output[0] = OUTPUT
        graph = helper.make_graph(
            self._nodes,
            "fragment",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, self._shapes[INPUT])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, self._shapes[value])],
            [numpy_helper.from_array(value(), name) for name, value in self._tensors.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)

    # Convolutions and products.

    def conv(
        self, value: Value, out: int, kernel: int = 1, stride: int = 1, groups: int = 1, act: str = "none"
    ) -> Value:
        """A convolution with bias, "same" padding and an activation."""
        batch, channels, *_ = self.shape(value)
        shape = (batch, out, *self._size(value, kernel, stride))
        weight = self._weight(out, channels // groups, kernel, kernel)
        self.macs += math.prod(shape) * channels // groups * kernel**2
        value = self._node(
            "Conv", [value, weight, self._weight(out)], shape,
            kernel_shape=[kernel] * 2, pads=[(kernel - 1) // 2] * 4, strides=[stride] * 2, group=groups,
        )  # fmt: skip
        return self.activated(value, act)

    def linear(self, value: Value, out: int, act: str = "none") -> Value:
        """A linear layer: `Gemm` for two axes, `MatMul` and `Add` for more."""
        *outer, inner = shape = self.shape(value)
        self.macs += math.prod(shape) * out
        if len(shape) == 2:
            inputs = [value, self._weight(out, inner), self._weight(out)]
            return self.activated(self._node("Gemm", inputs, (*outer, out), transB=1), act)
        product = self._node("MatMul", [value, self._weight(inner, out)], (*outer, out))
        return self.activated(self.add(self._weight(out), product), act)

    def matmul(self, left: Value, right: Value) -> Value:
        """The product of two activations."""
        *outer, inner = self.shape(left)
        columns = self.shape(right)[-1]
        self.macs += math.prod(outer) * inner * columns
        return self._node("MatMul", [left, right], (*outer, columns))

    # Elementwise.

    def activated(self, value: Value, act: str) -> Value:
        """An activation as exporters write it: one node or several."""
        return _ACTIVATIONS[act](self, value)

    def unary(self, operator: str, value: Value, *constants: float, **attributes: Any) -> Value:
        """An operator with one input and scalar constants."""
        return self._node(operator, [value, *map(self._scalar, constants)], self.shape(value), **attributes)

    def add(self, left: Value, right: Value) -> Value:
        """A sum; the result has the shape of the right operand."""
        return self._node("Add", [left, right], self.shape(right))

    def multiply(self, left: Value, right: Value) -> Value:
        """An elementwise product; the result has the shape of the left operand."""
        return self._node("Mul", [left, right], self.shape(left))

    def scaled(self, value: Value) -> Value:
        """A product with a learned scale along the last axis."""
        return self.multiply(value, self._weight(self.shape(value)[-1]))

    def batch_norm(self, value: Value) -> Value:
        """A batch norm that is not folded into a convolution."""
        parameters = [self._weight(self.channels(value)) for _ in range(4)]
        return self._node("BatchNormalization", [value, *parameters], self.shape(value))

    # Pooling, reshaping, normalisation.

    def pooled(self, value: Value, operator: str, kernel: int, stride: int) -> Value:
        """`MaxPool` or `AveragePool`, padded like a convolution."""
        return self._node(
            operator, [value], (*self.shape(value)[:2], *self._size(value, kernel, stride)),
            kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[(kernel - 1) // 2] * 4,
        )  # fmt: skip

    def global_pooled(self, value: Value) -> Value:
        """The mean of each channel, as a 1x1 image."""
        return self._node("GlobalAveragePool", [value], (*self.shape(value)[:2], 1, 1))

    def mean(self, value: Value) -> Value:
        """The mean of each channel, as exporters write it for `x.mean([2, 3])`."""
        return self._node("ReduceMean", [value], self.shape(value)[:2], axes=[2, 3], keepdims=0)

    def flat(self, value: Value) -> Value:
        """Flattened to (batch, features)."""
        batch, *rest = self.shape(value)
        return self._node("Flatten", [value], (batch, math.prod(rest)), axis=1)

    def concatenated(self, values: Sequence[Value]) -> Value:
        """Images concatenated along their channels."""
        batch, _, *rest = self.shape(values[0])
        return self._node("Concat", values, (batch, sum(map(self.channels, values)), *rest), axis=1)

    def halves(self, value: Value) -> list[Value]:
        """The two halves of an image's channels."""
        batch, channels, *rest = self.shape(value)
        output = self._node("Split", [value], (batch, channels // 2, *rest), axis=1)
        second = f"{output}.second"
        self._nodes[-1].output.append(second)
        self._shapes[second] = self._shapes[output]
        return [output, second]

    def reshaped(self, value: Value, *shape: int) -> Value:
        """The same elements in another shape."""
        return self._node(
            "Reshape", [value, self._constant((len(shape),), lambda: np.array(shape, np.int64))], shape
        )

    def transposed(self, value: Value, *order: int) -> Value:
        """Axes in another order."""
        shape = self.shape(value)
        return self._node("Transpose", [value], [shape[axis] for axis in order], perm=order)

    def normalised(self, value: Value) -> Value:
        """Layer normalisation over the last axis."""
        width = self.shape(value)[-1]
        inputs = [value, self._weight(width), self._weight(width)]
        return self._node("LayerNormalization", inputs, self.shape(value), axis=-1)

    def softmax(self, value: Value) -> Value:
        """Over the last axis."""
        return self._node("Softmax", [value], self.shape(value), axis=-1)

    # Helpers.

    def _node(self, operator: str, inputs: Sequence[Value], shape: Sequence[int], **attributes: Any) -> Value:
        output = f"{operator}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        self._shapes[output] = tuple(shape)
        return output

    def _size(self, value: Value, kernel: int, stride: int) -> tuple[int, ...]:
        """Rows and columns after a sliding window; unchanged for odd kernels of stride 1."""
        margin = 2 * ((kernel - 1) // 2) - kernel
        return tuple((size + margin) // stride + 1 for size in self.shape(value)[2:])

    def _weight(self, *shape: int) -> Value:
        """A weight, drawn only when the model is made; positive, as variances must be."""
        self.weights += math.prod(shape)
        spread = 2 / max(1, math.prod(shape[1:]))
        seed = int(self._rng.integers(2**32))
        return self._constant(shape, lambda: _noise(seed, shape) * np.float32(spread))

    def _scalar(self, value: float) -> Value:
        name = f"scalar.{value}"
        self._tensors[name] = lambda: np.array(value, np.float32)
        return name

    def _constant(self, shape: tuple[int, ...], value: Callable[[], NDArray[Any]]) -> Value:
        name = f"constant.{len(self._tensors)}"
        self._tensors[name] = value
        self._shapes[name] = shape
        return name


def _noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers between 0 and 1, a few thousand repeated; timings do not depend on the values."""
    return np.resize(np.random.default_rng(seed).random(4099, np.float32), shape)


def _silu(builder: GraphBuilder, value: Value) -> Value:
    return builder.multiply(value, builder.unary("Sigmoid", value))


def _gelu(builder: GraphBuilder, value: Value) -> Value:
    erf = builder.unary("Erf", builder.unary("Div", value, math.sqrt(2)))
    return builder.unary("Mul", builder.multiply(value, builder.unary("Add", erf, 1.0)), 0.5)


_ACTIVATIONS: dict[str, Callable[[GraphBuilder, Value], Value]] = {
    "none": lambda _, value: value,
    "relu": lambda builder, value: builder.unary("Relu", value),
    "relu6": lambda builder, value: builder.unary("Clip", value, 0.0, 6.0),
    "hswish": lambda builder, value: builder.unary("HardSwish", value),
    "hsigmoid": lambda builder, value: builder.unary("HardSigmoid", value, alpha=1 / 6, beta=0.5),
    "sigmoid": lambda builder, value: builder.unary("Sigmoid", value),
    "silu": _silu,
    "gelu": _gelu,
}
