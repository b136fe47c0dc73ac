"""Graphs written node by node: inputs, types, constants, bodies of control flow."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from edgenas.fragments.graph_writer import CLASSICAL, MICROSOFT, GraphWriter
from edgenas.space.onnx_graph import INPUT, OUTPUT


def _writer(*shape: int, kind: int = TensorProto.FLOAT) -> GraphWriter:
    return GraphWriter(shape, np.random.default_rng(0), kind)


def test_inputs_have_names_shapes_and_types() -> None:
    writer = _writer(2, 3, kind=TensorProto.UINT8)
    other = writer.input((4,), TensorProto.INT64)
    assert writer.inputs == {INPUT: ((2, 3), "uint8"), other: ((4,), "int64")}
    value = writer.cast(INPUT, TensorProto.FLOAT)
    model = writer.model(value)
    assert [each.name for each in model.graph.input] == [INPUT, other]
    assert [each.name for each in model.graph.output] == [OUTPUT]
    assert model.graph.output[0].type.tensor_type.elem_type == writer.kind(value) == TensorProto.FLOAT
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    "kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64]
)
def test_weights_have_the_type_of_the_first_input_if_it_is_one_of_floats(kind: int) -> None:
    writer = _writer(2, 3, kind=kind)
    assert writer.kind(writer.weight(3)) == (TensorProto.FLOAT if kind == TensorProto.INT64 else kind)


def test_constants_are_what_they_are_asked_to_be() -> None:
    writer = _writer(1)
    drawn = writer.drawn(-3, 2, 1000, kind=TensorProto.INT8)
    names = [
        writer.integers(4, 5),
        writer.floats(0.5),
        writer.scalar(2),
        writer.scalar(2, TensorProto.INT32),
        drawn,
    ]
    model = writer.model(writer.node("Neg", [INPUT], (1,)))
    arrays = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    found = [arrays[name] for name in names]
    assert [each.dtype.name for each in found] == ["int64", "float32", "float32", "int32", "int8"]
    assert [each.tolist() for each in found[:4]] == [[4, 5], [0.5], 2, 2]
    assert set(found[4].tolist()) == {-3, -2, -1, 0, 1}


def test_further_outputs_have_names_of_their_own() -> None:
    writer = _writer(2, 6)
    first = writer.node("Split", [INPUT], (2, 2), axis=1)
    outputs = [first, writer.also((2, 2)), writer.also((2, 2))]
    assert len(set(outputs)) == 3
    value = writer.node("Sum", outputs, (2, 2))
    onnx.checker.check_model(writer.model(value), full_check=True)
    assert (writer.launches, writer.elements) == (2, 16)


def test_bodies_see_what_is_outside() -> None:
    writer = _writer(4)
    outside = writer.weight(4)
    branches = {
        f"{name}_branch": writer.body([], lambda: [writer.node("Add", [INPUT, outside], (4,))])
        for name in ("then", "else")
    }
    condition = writer.scalar(1, TensorProto.BOOL)
    value = writer.node("If", [condition], (4,), TensorProto.FLOAT, **branches)
    onnx.checker.check_model(writer.model(value), full_check=True)


def test_domains_are_declared_if_they_are_used() -> None:
    writer = _writer(2, 4)
    value = writer.node("Gelu", [INPUT], (2, 4), domain=MICROSOFT)
    value = writer.node("Normalizer", [value], (2, 4), domain=CLASSICAL, norm="L1")
    assert {each.domain for each in writer.model(value).opset_import} == {"", MICROSOFT, CLASSICAL}


def test_rows_become_dictionaries_by_class() -> None:
    writer = _writer(2, 3)
    model = writer.model(writer.dictionaries(INPUT))
    assert writer.dictionary_lists == 1
    onnx.checker.check_model(model, full_check=True)
    output = model.graph.output[0].type.sequence_type.elem_type.map_type
    assert output.key_type == TensorProto.INT64
    assert output.value_type.tensor_type.elem_type == TensorProto.FLOAT
