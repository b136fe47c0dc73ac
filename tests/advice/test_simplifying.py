"""Simplifying a model in a process of its own."""

import numpy as np
import onnx
import pytest
from fixtures import needless
from onnx import numpy_helper

from edgenas.advice import own_process, simplifying
from edgenas.advice.changes import without_weight_inputs
from edgenas.advice.simplifying import MAX_FOLDED_BYTES, simplified
from edgenas.errors import DeviceError


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_what_does_nothing_is_gone() -> None:
    given = needless.redundant()
    made = simplified(given)
    assert operators(made) in (["Conv", "Add"], ["Conv"])
    onnx.checker.check_model(made)


@pytest.mark.parametrize("given", [needless.with_norm(), without_weight_inputs(needless.weights_as_inputs())])
def test_batch_norms_are_folded(given: onnx.ModelProto) -> None:
    assert "BatchNormalization" not in operators(simplified(given))


def test_the_interface_stays() -> None:
    given = needless.redundant()
    given.graph.input.append(onnx.helper.make_tensor_value_info("unread", onnx.TensorProto.FLOAT, ["n"]))
    made = simplified(given)
    assert made.graph.input == given.graph.input and made.graph.output == given.graph.output
    assert made.opset_import == given.opset_import and made.ir_version == given.ir_version
    assert made.metadata_props == given.metadata_props


def test_quantised_weights_stay_quantised() -> None:
    made = simplified(needless.fallen_back())
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(operators(made))
    assert onnx.TensorProto.INT8 in {each.data_type for each in made.graph.initializer}


def test_large_constants_are_left_to_the_runtime() -> None:
    given = needless.plain()
    shape = numpy_helper.from_array(np.array([MAX_FOLDED_BYTES]), "size")
    given.graph.initializer.append(shape)
    given.graph.node.insert(0, needless.node("ConstantOfShape", "size", "zeros"))
    given.graph.node.insert(1, needless.node("ReduceMax", "zeros", "zero", keepdims=0))
    given.graph.node[-1].CopyFrom(needless.node("Add", "conv zero", "y"))
    assert simplified(given).ByteSize() < given.ByteSize() + 10_000


def test_a_failure_is_one_line() -> None:
    given = needless.plain()
    given.graph.node[0].op_type = "MadeUp"
    given.graph.node[0].domain = "nowhere"
    given.graph.output[0].type.Clear()
    with pytest.raises(DeviceError, match=r"^simplifying the file failed \(.+\); check the file") as caught:
        simplified(given)
    assert "\n" not in str(caught.value)


def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        simplifying,
        "run_apart",
        lambda module, folder, what: own_process.run_apart(module, folder, what, most_s=0.01),
    )
    with pytest.raises(
        DeviceError, match=r"^simplifying the file takes more than 0\.01 s; give a smaller model$"
    ):
        simplified(needless.plain())
