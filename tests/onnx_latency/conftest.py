"""Small ONNX files, made by hand or by torchvision."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fixtures.timing import device, fake, folders, make_table, small_space, space, table
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgenas.onnx_latency.kernel_fusion import fused_kernels
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.shape_inference import Graph, shaped

Save = Callable[..., Path]

__all__ = ["device", "fake", "folders", "make_table", "small_space", "space", "table"]


def node(op: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    """A node, inputs and outputs separated by blanks; named as its first output."""
    return helper.make_node(op, inputs.split(), output.split(), name=output.split()[0], **attributes)


def model(
    nodes: Sequence[NodeProto],
    shape: Sequence[int | str | None] = ("batch", 8, 6, 6),
    weights: dict[str, Any] | None = None,
    output: str = "y",
    opset: int = 17,
    **fields: Any,
) -> onnx.ModelProto:
    """A model with input `x`; weights by shape (a tuple) or by value."""
    tensors = [
        numpy_helper.from_array(np.zeros(v, np.float32) if isinstance(v, tuple) else np.asarray(v), name)
        for name, v in (weights or {}).items()
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_value_info(name, onnx.TypeProto()) for name in output.split()],
        tensors,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("made.up", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, **fields)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """`save(nodes, ...)` writes a model (arguments of `model`) and gives its path."""

    def write(*arguments: Any, **options: Any) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(model(*arguments, **options).SerializeToString())
        return path

    return write


@pytest.fixture
def graph_of(save: Save) -> Callable[..., Graph]:
    """`graph_of(nodes, ...)`: what is left to run, for a batch of 1 or `batch`."""

    def make(*arguments: Any, batch: int = 1, **options: Any) -> Graph:
        return shaped(read_model(save(*arguments, **options), batch))

    return make


@pytest.fixture
def kernels_of(graph_of: Callable[..., Graph]) -> Callable[..., list[Kernel]]:
    """`kernels_of(nodes, ...)`: the kernels, for a batch of 1 or `batch`."""
    return lambda *arguments, **options: fused_kernels(graph_of(*arguments, **options))
