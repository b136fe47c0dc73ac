"""Shapes and constants: what is known before the input is there."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenas.errors import InputError
from edgenas.onnx_latency.onnx_reading import read_model
from edgenas.onnx_latency.shape_inference import Graph, check_sizes, shaped

from .conftest import Save, model, node

GraphOf = Callable[..., Graph]
AXES = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "rest": np.array([-1])}

SHUFFLE = [
    node("Shape", "x", "shape"),
    node("Gather", "shape zero", "n", axis=0),
    node("Gather", "shape one", "c", axis=0),
    node("Div", "c two", "half"),
    node("Concat", "n two half rest", "wanted", axis=0),
    node("Reshape", "x wanted", "split"),
    node("Transpose", "split", "turned", perm=[0, 2, 1, 3]),
    node("Reshape", "turned shape", "y"),
]
"""A channel shuffle as exporters write it: sizes computed from the input's shape."""


@pytest.mark.parametrize("batch", [1, 3])
def test_arithmetic_on_shapes_is_worked_out_beforehand(graph_of: GraphOf, batch: int) -> None:
    graph = graph_of(SHUFFLE, weights=AXES, batch=batch)
    assert [n.op_type for n in graph.nodes] == ["Reshape", "Transpose", "Reshape"]
    assert graph.shapes["split"] == (batch, 2, 4, 36)
    assert graph.shapes["y"] == (batch, 8, 6, 6)
    assert graph.size("y") == batch * 288
    assert graph.outputs == {"y"}


def test_what_only_tells_a_shape_does_not_run(graph_of: GraphOf) -> None:
    nodes = [
        node("MadeUp", "x", "expensive", domain="made.up"),
        node("Shape", "expensive", "shape"),
        node("Expand", "w shape", "grown"),
        node("Add", "x grown", "y"),
    ]
    graph = graph_of(nodes, weights={"w": (1,)})
    assert [n.op_type for n in graph.nodes] == ["Add"]
    assert {"grown", "w"} <= graph.constants


def test_weights_are_told_from_sizes_and_single_numbers(graph_of: GraphOf) -> None:
    nodes = [
        node("Transpose", "w", "turned", perm=[1, 0]),
        node("MatMul", "x turned", "a"),
        node("Mul", "a scale", "b"),
        node("Reshape", "b shape", "y"),
    ]
    weights = {"w": (5, 6), "scale": (1,), "shape": np.array([0, -1])}
    graph = graph_of(nodes, weights=weights)
    assert [n.op_type for n in graph.nodes] == ["MatMul", "Mul", "Reshape"]
    assert {"w", "turned"} == graph.weights
    assert graph.shapes["turned"] == (6, 5)


def test_weights_beside_the_model_are_not_opened(tmp_path: Path) -> None:
    made = model([node("Conv", "x w", "y")], weights={"w": (4, 8, 1, 1)})
    weight = made.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "nowhere.bin"
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    assert shaped(read_model(path, 2)).shapes["y"] == (2, 4, 6, 6)


def test_an_unknown_operator_gives_what_the_file_notes_or_its_first_input(tmp_path: Path) -> None:
    made = model([node("MadeUp", "x", "a", domain="made.up"), node("Relu", "a", "y")])
    path = tmp_path / "model.onnx"
    for declared, shape in ((None, (3, 8, 6, 6)), (["batch", 5], (3, 5)), (["batch", "some"], (3, 8, 6, 6))):
        del made.graph.value_info[:]
        if declared:
            made.graph.value_info.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, declared))
        path.write_bytes(made.SerializeToString())
        assert shaped(read_model(path, 3)).shapes["y"] == shape


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("NonZero", "x", "where"), node("Cast", "where", "y", to=1)],
            r"the shape of 'where' at where depends on data; export with fixed sizes",
        ),
        (
            [node("MatMul", "x w", "y")],
            r"y \(MatMul\) does not fit its inputs \(.*\); check the file with onnx.checker",
        ),
        ([node("Relu", "x", "y", alpha=3)], r"y \(Relu\) does not fit its inputs \(Unrecognized attribute"),
        (
            [node("Conv", "x k", "y")],
            r"y \(Conv\) does not fit its inputs \(weights for 7 channels, an image of \d+\); check the file with",
        ),
    ],
    ids=["data decides", "sizes", "attribute", "channels"],
)
def test_shapes_that_cannot_be(graph_of: GraphOf, nodes: list[onnx.NodeProto], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        graph_of(nodes, weights={"w": (7, 7), "k": (2, 7, 1, 1)})
    assert "\n" not in str(caught.value)


def test_both_names_of_the_standard_domain(tmp_path: Path) -> None:
    made = model([node("Flatten", "x", "a", domain="ai.onnx"), node("Relu", "a", "y")])
    made.opset_import[0].domain = "ai.onnx"
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())
    assert shaped(read_model(path, 1)).shapes["y"] == (1, 288)


def test_large_constants_are_not_computed(graph_of: GraphOf) -> None:
    nodes = [node("ConstantOfShape", "size", "large"), node("Add", "x large", "y")]
    graph = graph_of(nodes, (1, 1), {"size": np.array([20_000, 20_000])})
    assert graph.shapes["y"] == (20_000, 20_000)


def _texts(*texts: str) -> onnx.TensorProto:
    return onnx.helper.make_tensor(
        "text", TensorProto.STRING, [len(texts)], [each.encode() for each in texts]
    )


ENDLESS = {
    "expression": [
        node("Constant", "", "text", value=_texts("a" * 40)),
        node("RegexFullMatch", "text", "match", pattern="(a+)+b"),
    ],
    "sum of products": [
        node("Constant", "", "w", value=numpy_helper.from_array(np.ones(4000, np.float32))),
        node("Einsum", "w w w w w w", "match", equation="a,b,c,d,e,f->"),
    ],
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("case", ENDLESS)
def test_only_what_sizes_are_computed_with_is_evaluated(case: str, graph_of: GraphOf) -> None:
    nodes = [*ENDLESS[case], node("Cast", "match", "w2", to=TensorProto.FLOAT), node("Add", "x w2", "y")]
    graph = graph_of(nodes, (1, 1), opset=20)
    assert graph.shapes["y"] == (1, 1)


@pytest.mark.parametrize("sizes", [(1, 8, 9, 9), (1, 8, 7, 7)])
def test_a_kernel_beyond_its_image_is_refused(graph_of: GraphOf, sizes: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"output of y \(Conv\) would have the shape 1x1x.+; sizes must be positive"
    ):
        graph_of([node("Conv", "x w", "y")], weights={"w": sizes})


def test_what_a_runtime_understands_alone_may_have_any_size(save: Save) -> None:
    """To predict, the output of an unknown operator is assumed to be as large as its input."""
    nodes = [node("Odd", "x", "a"), node("Conv", "a w", "y")]
    nodes[0].domain = "made.up"
    read = read_model(save(nodes, weights={"w": (4, 8, 9, 9)}), 1)
    with pytest.raises(InputError, match="sizes must be positive"):
        shaped(read)
    check_sizes(read)


def test_values_that_nothing_needs_may_depend_on_data(graph_of: Callable[..., Graph]) -> None:
    nodes = [
        helper.make_node("Dropout", ["x"], ["a", "mask"], name="a"),
        node("Relu", "a", "y"),
        node("NonZero", "x", "places"),
    ]
    assert graph_of(nodes, opset=10).shapes["y"] == (1, 8, 6, 6)
    with pytest.raises(InputError, match=r"the shape of 'y' at y depends on data; export with fixed sizes"):
        graph_of([node("NonZero", "x", "y")])
