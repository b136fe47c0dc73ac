"""Building small ONNX models from common layers, in the form that exporters write them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from edgenas.fragments.graph_writer import GraphWriter, Value

__all__ = ["GraphBuilder", "Value"]


class GraphBuilder(GraphWriter):
    """A model under construction, layer by layer: each method adds nodes and returns the name of their output."""

    def channels(self, value: Value) -> int:
        """Channels of an image."""
        return self._shapes[value][1]

    # Convolutions and products.

    def conv(
        self,
        value: Value,
        out: int,
        kernel: int | Sequence[int] = 1,
        stride: int = 1,
        groups: int = 1,
        act: str = "none",
        dilation: int = 1,
    ) -> Value:
        """A convolution with bias, "same" padding and an activation, along as many axes as the value has."""
        batch, channels, *rest = self.shape(value)
        window = [kernel] * len(rest) if isinstance(kernel, int) else list(kernel)
        spans = [dilation * (size - 1) + 1 for size in window]
        shape = (batch, out, *self._size(value, spans, stride))
        weight = self.weight(out, channels // groups, *window)
        self.macs += math.prod(shape) * channels // groups * math.prod(window)
        dilations: dict[str, Any] = {"dilations": [dilation] * len(rest)} if dilation > 1 else {}
        value = self.node(
            "Conv", [value, weight, self.weight(out)], shape,
            kernel_shape=window, pads=[(span - 1) // 2 for span in spans] * 2, strides=[stride] * len(rest),
            group=groups, **dilations,
        )  # fmt: skip
        return self.activated(value, act)

    def linear(self, value: Value, out: int, act: str = "none") -> Value:
        """A linear layer: `Gemm` for two axes, `MatMul` and `Add` for more."""
        *outer, inner = shape = self.shape(value)
        self.macs += math.prod(shape) * out
        if len(shape) == 2:
            inputs = [value, self.weight(out, inner), self.weight(out)]
            return self.activated(self.node("Gemm", inputs, (*outer, out), transB=1), act)
        product = self.node("MatMul", [value, self.weight(inner, out)], (*outer, out))
        return self.activated(self.add(self.weight(out), product), act)

    def matmul(self, left: Value, right: Value) -> Value:
        """The product of two activations."""
        *outer, inner = self.shape(left)
        columns = self.shape(right)[-1]
        self.macs += math.prod(outer) * inner * columns
        return self.node("MatMul", [left, right], (*outer, columns))

    # Elementwise.

    def activated(self, value: Value, act: str) -> Value:
        """An activation as exporters write it: one node or several."""
        return _ACTIVATIONS[act](self, value)

    def unary(self, operator: str, value: Value, *constants: float, **attributes: Any) -> Value:
        """An operator with one input and scalar constants."""
        scalars = [self.scalar(constant, self.kind(value)) for constant in constants]
        return self.node(operator, [value, *scalars], self.shape(value), **attributes)

    def add(self, left: Value, right: Value) -> Value:
        """A sum; the result has the shape of the right operand."""
        return self.node("Add", [left, right], self.shape(right), self.kind(right))

    def multiply(self, left: Value, right: Value) -> Value:
        """An elementwise product; the result has the shape of the left operand."""
        return self.node("Mul", [left, right], self.shape(left))

    def scaled(self, value: Value) -> Value:
        """A product with a learned scale along the last axis."""
        return self.multiply(value, self.weight(self.shape(value)[-1]))

    def batch_norm(self, value: Value) -> Value:
        """A batch norm that is not folded into a convolution."""
        parameters = [self.weight(self.channels(value)) for _ in range(4)]
        return self.node("BatchNormalization", [value, *parameters], self.shape(value))

    # Pooling, reshaping, normalisation.

    def pooled(self, value: Value, operator: str, kernel: int, stride: int) -> Value:
        """`MaxPool` or `AveragePool`, padded like a convolution."""
        axes = len(self.shape(value)) - 2
        return self.node(
            operator, [value], (*self.shape(value)[:2], *self._size(value, [kernel] * axes, stride)),
            kernel_shape=[kernel] * axes, strides=[stride] * axes, pads=[(kernel - 1) // 2] * 2 * axes,
        )  # fmt: skip

    def global_pooled(self, value: Value) -> Value:
        """The mean of each channel, as a 1x1 image."""
        return self.node("GlobalAveragePool", [value], (*self.shape(value)[:2], 1, 1))

    def mean(self, value: Value) -> Value:
        """The mean of each channel, as exporters write it for `x.mean([2, 3])`."""
        return self.node("ReduceMean", [value], self.shape(value)[:2], axes=[2, 3], keepdims=0)

    def flat(self, value: Value) -> Value:
        """Flattened to (batch, features)."""
        batch, *rest = self.shape(value)
        return self.node("Flatten", [value], (batch, math.prod(rest)), axis=1)

    def concatenated(self, values: Sequence[Value]) -> Value:
        """Images concatenated along their channels."""
        batch, _, *rest = self.shape(values[0])
        return self.node("Concat", values, (batch, sum(map(self.channels, values)), *rest), axis=1)

    def halves(self, value: Value) -> list[Value]:
        """The two halves of an image's channels."""
        batch, channels, *rest = self.shape(value)
        shape = (batch, channels // 2, *rest)
        return [self.node("Split", [value], shape, axis=1), self.also(shape)]

    def reshaped(self, value: Value, *shape: int) -> Value:
        """The same elements in another shape."""
        return self.node("Reshape", [value, self.integers(*shape)], shape)

    def transposed(self, value: Value, *order: int) -> Value:
        """Axes in another order."""
        shape = self.shape(value)
        return self.node("Transpose", [value], [shape[axis] for axis in order], perm=order)

    def normalised(self, value: Value) -> Value:
        """Layer normalisation over the last axis."""
        width = self.shape(value)[-1]
        inputs = [value, self.weight(width), self.weight(width)]
        return self.node("LayerNormalization", inputs, self.shape(value), axis=-1)

    def softmax(self, value: Value) -> Value:
        """Over the last axis."""
        return self.node("Softmax", [value], self.shape(value), axis=-1)

    # Helpers.

    def _size(self, value: Value, spans: Sequence[int], stride: int) -> tuple[int, ...]:
        """Sizes after a sliding window; unchanged for odd windows of stride 1."""
        sizes = self.shape(value)[2:]
        return tuple(
            (size + 2 * ((span - 1) // 2) - span) // stride + 1
            for size, span in zip(sizes, spans, strict=True)
        )


def _silu(builder: GraphBuilder, value: Value) -> Value:
    return builder.multiply(value, builder.unary("Sigmoid", value))


def _gelu(builder: GraphBuilder, value: Value) -> Value:
    erf = builder.unary("Erf", builder.unary("Div", value, math.sqrt(2)))
    return builder.unary("Mul", builder.multiply(value, builder.unary("Add", erf, 1.0)), 0.5)


def _gelu_tanh(builder: GraphBuilder, value: Value) -> Value:
    cubic = builder.unary("Mul", builder.unary("Pow", value, 3.0), 0.044715)
    inner = builder.unary("Mul", builder.add(value, cubic), math.sqrt(2 / math.pi))
    outer = builder.unary("Add", builder.unary("Tanh", inner), 1.0)
    return builder.multiply(value, builder.unary("Mul", outer, 0.5))


def _gelu_quick(builder: GraphBuilder, value: Value) -> Value:
    return builder.multiply(value, builder.unary("Sigmoid", builder.unary("Mul", value, 1.702)))


_ACTIVATIONS: dict[str, Callable[[GraphBuilder, Value], Value]] = {
    "none": lambda _, value: value,
    "relu": lambda builder, value: builder.unary("Relu", value),
    "relu6": lambda builder, value: builder.unary("Clip", value, 0.0, 6.0),
    "hswish": lambda builder, value: builder.unary("HardSwish", value),
    "hsigmoid": lambda builder, value: builder.unary("HardSigmoid", value, alpha=1 / 6, beta=0.5),
    "sigmoid": lambda builder, value: builder.unary("Sigmoid", value),
    "silu": _silu,
    "gelu": _gelu,
    "gelu-tanh": _gelu_tanh,
    "gelu-quick": _gelu_quick,
    "tanh": lambda builder, value: builder.unary("Tanh", value),
    "leaky": lambda builder, value: builder.unary("LeakyRelu", value, alpha=0.1),
}
