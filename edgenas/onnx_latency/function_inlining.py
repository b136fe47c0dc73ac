"""Replacing calls of a file's own functions by what they do."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import inliner

from edgenas.errors import FileFormatError, first_line
from edgenas.onnx_latency.limits import MAX_MODEL_BYTES, MAX_NODES

_EXPORT_AGAIN = "export the model to ONNX again, with its functions inlined"

_Key = tuple[str, str, str]
"""Domain, name and overload of a function."""


class _Amount(NamedTuple):
    nodes: int
    size_bytes: int


def inlined(path: Path, proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model without functions of its own.

    Args:
        path: of the file, for messages.
        proto: whose amount was checked.

    Raises:
        FileFormatError: its functions are nested too deeply.
    """
    if not proto.functions:
        return proto
    try:
        return inliner.inline_local_functions(proto)
    except Exception as error:  # its C++ raises several types, without a common base
        raise FileFormatError(
            path, "functions", f"cannot be inlined ({first_line(error)})", _EXPORT_AGAIN
        ) from None


def check_amount(path: Path, proto: onnx.ModelProto) -> None:
    """Check that a model has not too much in it once its functions are in their place.

    Raises:
        FileFormatError: it has, or a function calls itself.
    """
    functions = {_key(each.domain, each.name, each): each.node for each in proto.functions}
    calls = {key: functions.keys() & set(_called(nodes)) for key, nodes in functions.items()}
    amounts: dict[_Key, _Amount] = {}
    try:
        for key in TopologicalSorter(calls).static_order():
            amounts[key] = _amount(functions[key], amounts)
    except CycleError as error:
        raise FileFormatError(
            path, "functions", f"{error.args[1][0][1]!r:.60} calls itself", _EXPORT_AGAIN
        ) from None
    total = _amount(proto.graph.node, amounts)
    if total.nodes > MAX_NODES or total.size_bytes > MAX_MODEL_BYTES:
        what = f"{min(total.nodes, 10**18)} nodes of {min(total.size_bytes, 10**18)} bytes"
        raise FileFormatError(
            path, "graph", f"is too large ({what}; at most {MAX_NODES} of 2 GiB)", "give a smaller model"
        )


def _amount(nodes: Iterable[onnx.NodeProto], amounts: Mapping[_Key, _Amount]) -> _Amount:
    """What nodes are once all that they call is in their place."""
    nodes = list(nodes)
    called = [amounts.get(key, _Amount(1, 0)) for key in _called(nodes)]
    own_bytes = sum(node.ByteSize() for node in nodes)
    return _Amount(sum(each.nodes for each in called), own_bytes + sum(each.size_bytes for each in called))


def _called(nodes: Iterable[onnx.NodeProto]) -> Iterator[_Key]:
    """What nodes call, also those in their graphs: functions, and operators."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield _key(node.domain, node.op_type, node)
        for attribute in node.attribute:
            pending += attribute.g.node
            for graph in attribute.graphs:
                pending += graph.node


def _key(domain: str, name: str, of: onnx.NodeProto | onnx.FunctionProto) -> _Key:
    return domain, name, getattr(of, "overload", "")
