"""Fills the channels of depthwise convolutions up to a multiple, for kernels that take several at once.

ONNX Runtime's int8 depthwise kernel for x86 takes 16 channels at once and the rest one by one: 72 channels cost 2.2
times as much as 80 (3x3 to 7x7, 32 px, AVX512-VNNI). The added channels have weights of zero and nothing reads
them, so the network's function stays as it is.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

_ELEMENTWISE = ("Clip", "Relu", "HardSwish", "HardSigmoid", "Sigmoid", "LeakyRelu")
"""Operators that may stand between the convolutions: channels do not meet in them."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """An expansion (a dense 1x1 convolution), a depthwise convolution, and the dense one that reads it."""

    before: NodeProto
    depthwise: NodeProto
    after: NodeProto


def with_full_channels(model: onnx.ModelProto, multiple: int) -> onnx.ModelProto:
    """The model, with the channels of its depthwise convolutions filled up to a multiple; changed in place.

    A depthwise convolution is left as it is unless it stands between a dense 1x1 convolution with an activation and
    another dense one, with nothing but elementwise operators in between, and no other node reads their weights or what
    is between them. These are the parts of one block: a network is changed just as its blocks are when timed alone.

    Args:
        model: of convolutions whose weights are initialisers.
        multiple: 1 leaves it as it is.
    """
    graph = _Graph(model.graph)
    for chain in graph.chains() if multiple > 1 else ():
        channels = _attributes(chain.depthwise)["group"]
        added = -channels % multiple
        if added:
            graph.widen(chain, channels + added)
            del model.graph.value_info[:]  # some of these shapes are no longer true
    return model


class _Graph:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._initialisers = {each.name: each for each in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._uses.update(each.name for each in graph.output)
        self._nodes = graph.node

    def chains(self) -> list[_Chain]:
        found = []
        for node in self._nodes:
            if self._is_conv(node) and self._is_depthwise(node):
                before, after = self._before(node), self._after(node)
                if before is not None and after is not None:
                    found.append(_Chain(before, node, after))
        return found

    def widen(self, chain: _Chain, channels: int) -> None:
        """Give the chain so many channels."""
        for node in (chain.before, chain.depthwise):
            for name in node.input[1:]:
                self._fill(name, 0, channels)
        self._fill(chain.after.input[1], 1, channels)
        for attribute in chain.depthwise.attribute:
            if attribute.name == "group":
                attribute.i = channels

    def _fill(self, name: str, axis: int, size: int) -> None:
        """Append zeros to a weight along an axis."""
        values = self._weight(name)
        missing = [(0, size - length if i == axis else 0) for i, length in enumerate(values.shape)]
        self._initialisers[name].CopyFrom(numpy_helper.from_array(np.pad(values, missing), name))

    def _weight(self, name: str) -> NDArray[np.float32]:
        return numpy_helper.to_array(self._initialisers[name])

    def _is_conv(self, node: NodeProto) -> bool:
        """Whether it is a convolution whose weights are its own."""
        return node.op_type == "Conv" and all(
            name in self._initialisers and self._uses[name] == 1 for name in node.input[1:]
        )

    def _is_depthwise(self, node: NodeProto) -> bool:
        out_channels, in_of_group = self._initialisers[node.input[1]].dims[:2]
        group = _attributes(node).get("group", 1)
        return bool(in_of_group == 1 < group == out_channels)

    def _is_dense(self, node: NodeProto) -> bool:
        return self._is_conv(node) and _attributes(node).get("group", 1) == 1

    def _before(self, node: NodeProto) -> NodeProto | None:
        """The expansion whose output, after an activation, a node alone reads."""
        name = node.input[0]
        while self._uses[name] == 1 and (maker := self._makers.get(name)) is not None:
            if maker.op_type not in _ELEMENTWISE:
                is_expansion = self._is_dense(maker) and name != node.input[0] and self._is_1x1(maker)
                return maker if is_expansion else None
            name = maker.input[0]
        return None

    def _is_1x1(self, node: NodeProto) -> bool:
        return list(self._initialisers[node.input[1]].dims[2:]) == [1, 1]

    def _after(self, node: NodeProto) -> NodeProto | None:
        """The dense convolution that alone reads a node's output."""
        name = node.output[0]
        while self._uses[name] == 1 and len(readers := self._readers.get(name, [])) == 1:
            (reader,) = readers
            if reader.op_type not in _ELEMENTWISE:
                return reader if self._is_dense(reader) and reader.input[0] == name else None
            name = reader.output[0]
        return None


def _attributes(node: NodeProto) -> Mapping[str, int]:
    return {each.name: each.i for each in node.attribute}
