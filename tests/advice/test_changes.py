"""Models without what costs needlessly."""

import numpy as np
import onnx
import onnxruntime
import pytest
from fixtures import needless
from onnx import TensorProto, helper

from edgenas.advice.changes import (
    has_control_flow,
    in_fp32,
    with_float_convolutions,
    without_weight_inputs,
)


def outputs(model: onnx.ModelProto, dtype: str = "float32") -> needless.Array:
    """Of two random pictures."""
    shape = (2, needless.CHANNELS, needless.SIZE, needless.SIZE)
    pictures = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": pictures})[0])


def test_weights_are_no_longer_inputs() -> None:
    given = needless.weights_as_inputs()
    changed = without_weight_inputs(given)
    assert len(given.graph.input) == 6
    assert list(changed.graph.input) == [given.graph.input[0]]
    assert changed.ir_version == 4
    assert changed.graph.node == given.graph.node and changed.graph.initializer == given.graph.initializer
    np.testing.assert_allclose(outputs(changed), outputs(given), atol=1e-5)


def test_a_model_whose_weights_are_no_inputs_is_left_as_it_is() -> None:
    given = needless.plain()
    assert without_weight_inputs(given) is given


def test_fp16_becomes_fp32() -> None:
    given = needless.fp16()
    changed = in_fp32(given)
    onnx.checker.check_model(changed, full_check=True)
    kinds = {each.data_type for each in changed.graph.initializer}
    assert kinds == {TensorProto.FLOAT} and TensorProto.FLOAT16 in {
        each.data_type for each in given.graph.initializer
    }
    np.testing.assert_allclose(outputs(changed), outputs(given, "float16"), atol=0.1)


@pytest.mark.parametrize("per_channel", [False, True])
def test_dynamically_quantised_convolutions_are_in_float_again(per_channel: bool) -> None:
    given = needless.dynamic_quantised(per_channel)
    changed = with_float_convolutions(given)
    assert changed is not None
    assert [node.op_type for node in changed.graph.node] == ["Conv"]
    expected = outputs(given)
    np.testing.assert_allclose(outputs(changed), expected, atol=0.02 * np.abs(expected).max())


def test_convolutions_of_another_form_are_left_alone() -> None:
    given = needless.dynamic_quantised()
    given.graph.node[2].attribute[
        0
    ].i = TensorProto.DOUBLE  # cast to something else, so no product with a float
    given.graph.node[2].op_type = "Identity"
    assert with_float_convolutions(given) is None
    assert with_float_convolutions(needless.plain()) is None


def test_control_flow_is_seen() -> None:
    assert not has_control_flow(needless.plain())
    branch = helper.make_graph([], "empty", [], [])
    made = needless.plain()
    made.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    assert has_control_flow(made)
