"""Models written piece by piece are what onnx takes for valid."""

import numpy as np
import onnx
import pytest

from edgenas.fragments.graph_builder import GraphBuilder
from edgenas.space.onnx_graph import INPUT


def _sketch(*shape: int) -> GraphBuilder:
    return GraphBuilder(shape, np.random.default_rng(0))


def _check(builder: GraphBuilder, value: str) -> None:
    """Every shape is the one that onnx infers."""
    inferred = onnx.shape_inference.infer_shapes(builder.model(value), check_type=True, strict_mode=True)
    for each in [*inferred.graph.value_info, *inferred.graph.output]:
        shape = tuple(dim.dim_value for dim in each.type.tensor_type.shape.dim)
        assert shape == builder.shape(value if each.name == "logits" else each.name)


@pytest.mark.parametrize("rows", [7, 14, 15])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 2), (3, 1), (3, 2), (2, 2), (4, 4), (7, 1)])
def test_images_have_the_size_that_onnx_infers(rows: int, kernel: int, stride: int) -> None:
    builder = _sketch(2, 8, rows, rows)
    value = builder.pooled(builder.conv(INPUT, 16, kernel, stride, 2), "MaxPool", 3, 2)
    _check(builder, value)


ACTIVATIONS = (
    "none", "relu", "relu6", "hswish", "hsigmoid", "sigmoid", "silu", "gelu", "gelu-tanh", "gelu-quick",
    "tanh", "leaky",
)  # fmt: skip


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_activations_keep_the_shape(act: str) -> None:
    builder = _sketch(1, 8, 4, 4)
    _check(builder, builder.activated(builder.conv(INPUT, 8), act))


@pytest.mark.parametrize("sizes", [(16,), (16, 12), (6, 8, 10)])
def test_images_may_have_any_number_of_axes(sizes: tuple[int, ...]) -> None:
    builder = _sketch(2, 8, *sizes)
    value = builder.pooled(builder.conv(INPUT, 8, 3, 2), "MaxPool", 2, 2)
    value = builder.conv(value, 4, [3] + [1] * (len(sizes) - 1), act="relu", dilation=2)
    assert builder.shape(value)[2:] == tuple(size // 4 for size in sizes)
    _check(builder, value)


def test_sequences_have_the_shape_that_onnx_infers() -> None:
    builder = _sketch(2, 8, 4, 4)
    first, second = builder.halves(builder.batch_norm(INPUT))
    image = builder.concatenated([first, second, INPUT])
    tokens = builder.normalised(builder.transposed(builder.reshaped(image, 2, 16, 16), 0, 2, 1))
    mixed = builder.matmul(builder.softmax(builder.matmul(tokens, tokens)), builder.scaled(tokens))
    _check(builder, builder.linear(builder.add(tokens, mixed), 12, "gelu"))


def test_multiplications_and_weights_are_counted() -> None:
    builder = _sketch(2, 8, 4, 4)
    value = builder.linear(builder.flat(builder.global_pooled(builder.conv(INPUT, 16, 3))), 5)
    assert builder.macs == 2 * (16 * 16 * 8 * 9 + 16 * 5)
    assert builder.weights == 16 * 8 * 9 + 16 + 16 * 5 + 5
    _check(builder, value)
