"""The table of operators: what each multiplies and which kernel it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto

from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.operators import _OPERATORS, UNKNOWN, operator_of

from .conftest import node

KernelsOf = Callable[..., list[Kernel]]


def test_the_table_names_operators_of_onnx() -> None:
    own = ("com.microsoft.", "SimplifiedLayerNormalization")
    domains = {name: name.rpartition(".")[::2] for name in _OPERATORS if not name.startswith(own)}
    assert [name for name, (domain, op) in domains.items() if not onnx.defs.has(op, domain)] == []


def test_other_domains_are_unknown() -> None:
    assert operator_of(node("Conv", "x w", "y", domain="made.up")) is UNKNOWN
    assert operator_of(node("Relu", "x", "y")) is not UNKNOWN


CONVOLUTIONS: list[tuple[dict[str, Any], tuple[int, ...], str, int]] = [
    ({"pads": [1] * 4}, (5, 8, 3, 3), "dense", 5 * 36 * 8 * 9),
    ({}, (5, 8, 1, 1), "pointwise", 5 * 36 * 8),
    ({"strides": [2, 2]}, (5, 8, 1, 1), "pointwise", 5 * 9 * 8),
    ({"group": 8, "pads": [2] * 4}, (8, 1, 5, 5), "depthwise", 8 * 36 * 25),
    ({"group": 8, "pads": [1] * 4}, (16, 1, 3, 3), "depthwise", 16 * 36 * 9),
    ({"group": 2, "pads": [1] * 4}, (6, 4, 3, 3), "grouped", 6 * 36 * 4 * 9),
    ({"group": 2}, (6, 4, 1, 1), "grouped", 6 * 36 * 4),
    ({"pads": [0, 3, 0, 3]}, (5, 8, 1, 7), "dense", 5 * 36 * 8 * 7),
    ({"dilations": [2, 2]}, (5, 8, 3, 3), "dense", 5 * 4 * 8 * 9),
]


@pytest.mark.parametrize(("attributes", "weight", "kind", "macs"), CONVOLUTIONS)
@pytest.mark.parametrize("batch", [1, 3])
def test_convolutions(
    kernels_of: KernelsOf,
    attributes: dict[str, Any],
    weight: tuple[int, ...],
    kind: str,
    macs: int,
    batch: int,
) -> None:
    nodes = [node("Conv", "x w b", "y", **attributes)]
    (kernel,) = kernels_of(nodes, weights={"w": weight, "b": weight[:1]}, batch=batch)
    assert (kernel.kind, kernel.macs) == (kind, batch * macs)
    assert kernel.reuse == weight[0] // attributes.get("group", 1)
    assert kernel.input_shapes == ((batch, 8, 6, 6),)
    assert kernel.weight_shapes == (weight, weight[:1])


def test_one_channel_is_no_depthwise_convolution(kernels_of: KernelsOf) -> None:
    (kernel,) = kernels_of([node("Conv", "x w", "y")], (1, 1, 6, 6), {"w": (4, 1, 3, 3)})
    assert kernel.kind == "dense"


def test_a_transposed_convolution_multiplies_every_input(kernels_of: KernelsOf) -> None:
    nodes = [node("ConvTranspose", "x w", "y", strides=[2, 2], group=2)]
    (kernel,) = kernels_of(nodes, weights={"w": (8, 3, 2, 2)})
    assert kernel.output_shapes == ((1, 6, 12, 12),)
    assert (kernel.kind, kernel.macs) == ("grouped", 8 * 36 * 3 * 4)


@pytest.mark.parametrize(
    ("made", "shape", "weights", "kind", "macs"),
    [
        (node("Gemm", "x w b", "y", transB=1), (1, 7), {"w": (5, 7), "b": (5,)}, "linear", 35),
        (node("Gemm", "x w b", "y"), (1, 7), {"w": (7, 5), "b": (5,)}, "linear", 35),
        (node("Gemm", "x w", "y", transA=1), (1, 7), {"w": (1, 5)}, "linear", 35),
        (node("MatMul", "x w", "y"), (1, 3, 4, 7), {"w": (7, 5)}, "linear", 3 * 4 * 35),
        (node("MatMul", "w x", "y"), (1, 3, 4, 7), {"w": (5, 4)}, "linear", 3 * 5 * 7 * 4),
        (node("MatMul", "x x", "y"), (1, 2, 5, 5), {}, "matmul", 2 * 125),
        (node("MatMul", "x w", "y"), (1, 7), {"w": (7,)}, "linear", 7),
    ],
)  # fmt: skip
def test_products(
    kernels_of: KernelsOf, made: NodeProto, shape: Any, weights: Any, kind: str, macs: int
) -> None:
    (kernel,) = kernels_of([made], shape, weights)
    assert (kernel.kind, kernel.macs) == (kind, macs)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (node("MaxPool", "x", "y", kernel_shape=[2, 2]), "pooling"),
        (node("AveragePool", "x", "y", kernel_shape=[6, 6]), "global-pooling"),
        (node("GlobalAveragePool", "x", "y"), "global-pooling"),
        (node("ReduceMean", "x", "y", axes=[2, 3], keepdims=0), "global-pooling"),
        (node("ReduceMean", "x", "y", axes=[1]), "reduction"),
        (node("Softmax", "x", "y"), "reduction"),
        (node("Sigmoid", "x", "y"), "elementwise"),
        (node("Concat", "x x", "y", axis=1), "copy"),
        (node("DepthToSpace", "x", "y", blocksize=2), "copy"),
        (node("MadeUp", "x", "y", domain="made.up"), "unknown"),
        (node("TopK", "x k", "y where", axis=1), "reduction"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.op_type,
)
def test_kinds_without_products(kernels_of: KernelsOf, made: NodeProto, kind: str) -> None:
    (kernel,) = kernels_of([made], weights={"k": np.array([2])})
    assert (kernel.kind, kernel.macs) == (kind, 0)
    assert kernel.elements_read >= 288 and kernel.elements_written > 0


def test_reductions_of_few_axes(kernels_of: KernelsOf) -> None:
    (kernel,) = kernels_of([node("ReduceSum", "x", "y", keepdims=0)], (1,))
    assert kernel.kind == "reduction"


@pytest.mark.parametrize(
    "made",
    [
        node("Slice", "x from to axis", "y"),
        node("Gather", "x axis", "y", axis=1),
    ],
    ids=lambda made: made.op_type,
)
def test_picking_reads_what_it_writes(kernels_of: KernelsOf, made: NodeProto) -> None:
    weights = {"from": np.array([0]), "to": np.array([1]), "axis": np.array([1])}
    (kernel,) = kernels_of([made], weights=weights)
    assert (kernel.kind, kernel.elements_read, kernel.elements_written, kernel.weights) == ("copy", 36, 36, 0)
