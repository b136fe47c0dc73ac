"""ONNX models as PyTorch operations: one table from operator to handler."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor
from torch.nn import functional as F

from edgenas.errors import DeviceError, first_line

Operation = Callable[..., Tensor]
"""From a node's inputs (None if omitted) to its output."""


class Step(NamedTuple):
    """One node, with the names of the values it reads and writes."""

    operation: Operation
    inputs: tuple[str, ...]
    output: str
    unused_after: tuple[str, ...]
    """Values that no later step reads; their memory is reused, as in an inference engine."""


class Program(NamedTuple):
    """A model: its steps in order, its constants, and the names of its inputs and outputs."""

    steps: list[Step]
    constants: dict[str, NDArray[Any]]
    inputs: list[str]
    outputs: list[str]


def program_from_onnx(model: bytes) -> Program:
    """Convert a serialised ONNX model.

    Raises:
        DeviceError: not an ONNX model, or an unsupported operator or attribute.
    """
    parsed = _parsed(model)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in parsed.graph.initializer}
    operations = [_Node(proto, constants).operation() for proto in parsed.graph.node]
    inputs = [value.name for value in parsed.graph.input if value.name not in constants]
    outputs = [value.name for value in parsed.graph.output]
    return Program(_steps(parsed.graph.node, operations, outputs), constants, inputs, outputs)


def _parsed(model: bytes) -> onnx.ModelProto:
    try:
        parsed = onnx.load_from_string(model)
        onnx.checker.check_model(parsed)
    except Exception as error:  # protobuf and the checker raise their own types
        raise DeviceError(
            f"PyTorch cannot load the model ({first_line(error)})", "check that the file is ONNX"
        ) from error
    return parsed


def _steps(
    nodes: Sequence[onnx.NodeProto], operations: Sequence[Operation], outputs: Sequence[str]
) -> list[Step]:
    last_use = {name: i for i, node in enumerate(nodes) for name in node.input}
    passing = {node.output[0] for node in nodes} - set(outputs)
    steps = []
    for i, (node, operation) in enumerate(zip(nodes, operations, strict=True)):
        unused_after = tuple(name for name in {*node.input} & passing if last_use[name] == i)
        steps.append(Step(operation, tuple(node.input), node.output[0], unused_after))
    return steps


class _Node:
    """One ONNX node; handlers remove the attributes they support, so that none is ignored silently."""

    def __init__(self, proto: onnx.NodeProto, constants: Mapping[str, NDArray[Any]]) -> None:
        self.op = f"{proto.domain}.{proto.op_type}" if proto.domain else proto.op_type
        self._constants = constants
        self._inputs = list(proto.input)
        values = {attribute.name: helper.get_attribute_value(attribute) for attribute in proto.attribute}
        self._attributes = {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}

    def take(self, attribute: str, default: Any) -> Any:
        return self._attributes.pop(attribute, default)

    def expect(self, attribute: str, value: Any) -> None:
        """Take an attribute of which only one value is supported."""
        found = self.take(attribute, value)
        if found != value:
            raise self.unsupported(f"{attribute} = {found}")

    def constant(self, index: int) -> NDArray[Any] | None:
        """A constant input; None if it is omitted."""
        name = self._inputs[index] if index < len(self._inputs) else ""
        if name and name not in self._constants:
            raise self.unsupported(f"a computed input ({name})")
        return self._constants.get(name)

    def unsupported(self, what: str) -> DeviceError:
        return DeviceError(f"PyTorch has no {self.op} with {what} here", "use a device on onnxruntime")

    def operation(self) -> Operation:
        handler = _HANDLERS.get(self.op)
        if handler is None:
            raise DeviceError(f"PyTorch has no operator {self.op} here", "use a device on onnxruntime")
        operation = handler(self)
        for name, value in self._attributes.items():
            raise self.unsupported(f"{name} = {value}")
        return operation


def _conv(node: _Node) -> Operation:
    node.expect("auto_pad", "NOTSET")
    kernel, pads = node.take("kernel_shape", [1, 1]), node.take("pads", [0, 0, 0, 0])
    if len(kernel) != 2:
        raise node.unsupported(f"kernel_shape = {kernel}")
    stride, dilation = node.take("strides", [1, 1]), node.take("dilations", [1, 1])
    groups, padding = node.take("group", 1), pads[:2]
    if pads[:2] != pads[2:]:  # TensorFlow's, at the end only
        around = (pads[1], pads[3], pads[0], pads[2])
        return lambda x, weight, bias=None: F.conv2d(
            F.pad(x, around), weight, bias, stride, 0, dilation, groups
        )
    return lambda x, weight, bias=None: F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def _clip(node: _Node) -> Operation:
    # Plain numbers: the kernel would read tensor limits from memory for every element.
    low, high = (None if limit is None else float(limit) for limit in (node.constant(1), node.constant(2)))
    return lambda x, *_: torch.clamp(x, low, high)


def _hard_sigmoid(node: _Node) -> Operation:
    alpha, beta = node.take("alpha", 0.2), node.take("beta", 0.5)
    if np.isclose(alpha, 1 / 6) and beta == 0.5:
        return F.hardsigmoid
    return lambda x: torch.clamp(x * alpha + beta, 0.0, 1.0)


def _global_average_pool(_: _Node) -> Operation:
    return lambda x: F.adaptive_avg_pool2d(x, 1)


def _reduce_mean(node: _Node) -> Operation:
    node.expect("noop_with_empty_axes", 0)
    given = node.constant(1)
    axes = node.take("axes", None) if given is None else given.tolist()
    keep = bool(node.take("keepdims", 1))
    return lambda x, *_: torch.mean(x, axes, keep)


def _flatten(node: _Node) -> Operation:
    node.expect("axis", 1)
    return lambda x: torch.flatten(x, 1)


def _gemm(node: _Node) -> Operation:
    for attribute, value in (("alpha", 1.0), ("beta", 1.0), ("transA", 0)):
        node.expect(attribute, value)
    if node.take("transB", 0):
        return F.linear
    return lambda x, weight, bias=None: F.linear(x, weight.t(), bias)


_HANDLERS: dict[str, Callable[[_Node], Operation]] = {
    "Add": lambda _: torch.add,
    "Clip": _clip,
    "Conv": _conv,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda _: F.hardswish,
    "Identity": lambda _: lambda x: x,
    "MatMul": lambda _: torch.matmul,
    "Mul": lambda _: torch.mul,
    "ReduceMean": _reduce_mean,
    "Relu": lambda _: torch.relu,
    "Sigmoid": lambda _: torch.sigmoid,
}
