"""Writing ONNX graphs node by node, with the shape and type of every value."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgenas.device.onnx_execution import graphs_of
from edgenas.space.onnx_graph import INPUT, IR_VERSION, OPSET, OUTPUT

Value = str

MICROSOFT, CLASSICAL = "com.microsoft", "ai.onnx.ml"
"""Domains of operators: ONNX Runtime's own, and those of trees and linear models."""

_ORDINALS = ("first", "second", "third", "fourth")
_VERSIONS = {MICROSOFT: 1, CLASSICAL: 3}
_REAL = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


class GraphWriter:
    """A model under construction: each method returns the name of what it adds.

    Args:
        shape: of the first input, batch first.
        rng: draws the weights, which do not affect timings.
        kind: ONNX's type of the first input; weights have it too if it is one of floats.

    Attributes:
        macs: multiply-accumulates of convolutions and products so far.
        weights: total number of weights so far.
        elements: total number of elements written so far.
    """

    def __init__(self, shape: Sequence[int], rng: np.random.Generator, kind: int = TensorProto.FLOAT) -> None:
        self.macs = self.weights = self.elements = 0
        self._shapes: dict[Value, tuple[int, ...]] = {}
        self._kinds: dict[Value, int] = {}
        self._inputs: list[Value] = []
        self._nodes: list[onnx.NodeProto] = []
        self._count = 0
        self._tensors: dict[Value, Callable[[], NDArray[Any]]] = {}
        self._dictionaries: set[Value] = set()
        self._real = kind if kind in _REAL else TensorProto.FLOAT
        self._rng = rng
        self.input(shape, kind)

    def input(self, shape: Sequence[int], kind: int = TensorProto.FLOAT) -> Value:
        """An input, the first of them being `INPUT`."""
        name = f"{INPUT}.{len(self._inputs)}" if self._inputs else INPUT
        self._inputs.append(name)
        return self._noted(name, shape, kind)

    @property
    def inputs(self) -> dict[Value, tuple[tuple[int, ...], str]]:
        """Shape and NumPy type of each input, by name."""
        return {name: (self._shapes[name], _dtype(self._kinds[name]).name) for name in self._inputs}

    @property
    def launches(self) -> int:
        """Nodes so far, those of control flow once."""
        return self._count

    @property
    def dictionary_lists(self) -> int:
        """Lists of dictionaries so far, which Python builds after a run."""
        return len(self._dictionaries)

    def shape(self, value: Value) -> tuple[int, ...]:
        """Shape of a value."""
        return self._shapes[value]

    def kind(self, value: Value) -> int:
        """ONNX's type of a value."""
        return self._kinds[value]

    def model(self, value: Value) -> onnx.ModelProto:
        """The finished model, with the last value added as its output."""
        self._nodes[-1].output[0] = OUTPUT
        graph = helper.make_graph(
            self._nodes,
            "fragment",
            [self._info(name, name) for name in self._inputs],
            [self._info(OUTPUT, value)],
            [numpy_helper.from_array(value(), name) for name, value in self._tensors.items()],
        )
        domains = {node.domain for each in graphs_of(graph) for node in each.node if node.domain}
        opsets = [helper.make_opsetid(name, _VERSIONS[name]) for name in sorted(domains)]
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET), *opsets], ir_version=IR_VERSION
        )

    def body(
        self, inputs: Sequence[tuple[Sequence[int], int]], build: Callable[..., Sequence[Value]]
    ) -> onnx.GraphProto:
        """A graph for control flow.

        Args:
            inputs: their shapes and types.
            build: makes its nodes from its inputs and returns its outputs.
        """
        outside, self._nodes = self._nodes, []
        self._count += 1
        names = [f"body.{self._count}.{i}" for i in range(len(inputs))]
        for name, (shape, kind) in zip(names, inputs, strict=True):
            self._noted(name, shape, kind)
        outputs = build(*names)
        before, after = ([self._info(name, name) for name in each] for each in (names, outputs))
        graph = helper.make_graph(self._nodes, f"body.{self._count}", before, after)
        self._nodes = outside
        return graph

    def node(
        self,
        operator: str,
        inputs: Sequence[Value],
        shape: Sequence[int],
        kind: int | None = None,
        **attributes: Any,
    ) -> Value:
        """Any operator; its output is of the first input's type if no other is given."""
        output = f"{operator}.{self._count}"
        self._count += 1
        kind = self._kinds[inputs[0]] if kind is None else kind
        self._nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        self.elements += math.prod(shape)
        return self._noted(output, shape, kind)

    def also(self, shape: Sequence[int], kind: int | None = None) -> Value:
        """A further output of the last node, of the first one's type if no other is given."""
        outputs = self._nodes[-1].output
        outputs.append(f"{outputs[0]}.{_ORDINALS[len(outputs)]}")
        self.elements += math.prod(shape)
        return self._noted(outputs[-1], shape, self._kinds[outputs[0]] if kind is None else kind)

    def dictionaries(self, value: Value) -> Value:
        """Rows of numbers as a list of dictionaries by class, as scikit-learn's converters end classifiers."""
        classes = range(self.shape(value)[-1])
        found = self.node("ZipMap", [value], (), domain=CLASSICAL, classlabels_int64s=[*classes])
        self._dictionaries.add(found)
        return found

    def cast(self, value: Value, kind: int) -> Value:
        """The same numbers in another type."""
        return self.node("Cast", [value], self.shape(value), kind, to=kind)

    def weight(self, *shape: int) -> Value:
        """A weight, drawn only when the model is made; positive, as variances must be."""
        self.weights += math.prod(shape)
        spread = 2 / max(1, math.prod(shape[1:]))
        seed, dtype = int(self._rng.integers(2**32)), _dtype(self._real)
        return self._constant(
            shape, lambda: (_noise(seed, shape) * np.float32(spread)).astype(dtype, copy=False), self._real
        )

    def drawn(self, low: int, high: int, *shape: int, kind: int = TensorProto.INT64) -> Value:
        """Constant integers from `low` to `high - 1`: indices, quantised weights."""
        self.weights += math.prod(shape)
        seed, dtype = int(self._rng.integers(2**32)), _dtype(kind)
        return self._constant(
            shape, lambda: np.floor(low + np.float64(_noise(seed, shape)) * (high - low)).astype(dtype), kind
        )

    def integers(self, *values: int, kind: int = TensorProto.INT64) -> Value:
        """A constant list of integers: sizes, axes."""
        return self._constant((len(values),), lambda: np.array(values, _dtype(kind)), kind)

    def floats(self, *values: float) -> Value:
        """A constant list of numbers."""
        return self._constant((len(values),), lambda: np.array(values, np.float32))

    def scalar(self, value: float, kind: int = TensorProto.FLOAT) -> Value:
        """A constant number."""
        name = f"scalar.{value}" if kind == TensorProto.FLOAT else f"scalar.{value}.{kind}"
        self._tensors[name] = lambda: np.array(value, _dtype(kind))
        return self._noted(name, (), kind)

    def _constant(
        self, shape: Sequence[int], value: Callable[[], NDArray[Any]], kind: int = TensorProto.FLOAT
    ) -> Value:
        name = f"constant.{len(self._tensors)}"
        self._tensors[name] = value
        return self._noted(name, shape, kind)

    def _noted(self, name: Value, shape: Sequence[int], kind: int) -> Value:
        self._shapes[name], self._kinds[name] = tuple(shape), kind
        return name

    def _info(self, name: str, value: Value) -> onnx.ValueInfoProto:
        if value in self._dictionaries:
            number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
            by_class = helper.make_map_type_proto(TensorProto.INT64, number)
            return helper.make_value_info(name, helper.make_sequence_type_proto(by_class))
        return helper.make_tensor_value_info(name, self._kinds[value], self._shapes[value])


def _dtype(kind: int) -> np.dtype[Any]:
    return helper.tensor_dtype_to_np_dtype(kind)


def _noise(seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Numbers between 0 and 1, a few thousand repeated; timings do not depend on the values."""
    return np.resize(np.random.default_rng(seed).random(4099, np.float32), shape)
