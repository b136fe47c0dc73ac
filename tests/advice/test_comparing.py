"""Whether two models compute the same."""

from typing import Any

import numpy as np
import onnx
import pytest
from fixtures import needless
from onnx import numpy_helper

from edgenas.advice.comparing import difference, largest_difference, twice_the_batch
from edgenas.errors import DeviceError
from edgenas.onnx_latency.model_inputs import Input

INFINITE = float("inf")
PICTURE = Input("x", (1, needless.CHANNELS, needless.SIZE, needless.SIZE), onnx.TensorProto.FLOAT, (0,))


def changed_weights(by: float) -> onnx.ModelProto:
    made = needless.plain()
    weight = made.graph.initializer[0]
    values = numpy_helper.to_array(weight) * np.float32(1 + by)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return made


@pytest.mark.parametrize("by", [0.0, 0.01, 0.5])
def test_the_difference_is_a_share_of_the_largest_value(by: float) -> None:
    found = largest_difference(needless.plain(), changed_weights(by), [PICTURE])
    assert found.output == "y" and found.share == pytest.approx(by, abs=1e-5)


def test_a_batch_that_became_fixed_is_seen() -> None:
    fixed = needless.plain()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    assert largest_difference(needless.plain(), fixed, [PICTURE]) == (INFINITE, "y")


def test_what_cannot_be_run_is_one_line() -> None:
    odd = needless.plain()
    odd.graph.node[0].op_type = "MadeUp"
    with pytest.raises(
        DeviceError, match=r"^comparing the outputs failed \(\w+: .*MadeUp.*\); check the file with"
    ):
        largest_difference(odd, odd, [PICTURE])


def test_a_batch_that_is_not_as_open_as_the_file_says_is_passed_over() -> None:
    made = needless.plain()
    made.graph.initializer.append(
        numpy_helper.from_array(np.array([1, needless.CHANNELS, needless.SIZE, needless.SIZE]), "one")
    )
    made.graph.node.insert(0, needless.node("Reshape", "x one", "picture"))
    made.graph.node[1].input[0] = "picture"
    assert largest_difference(made, made, [PICTURE]).share == 0


def test_the_batch_of_every_input_grows() -> None:
    made = needless.plain()
    made.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.BOOL, ["n", "batch"]))
    mask = Input("mask", (5, 1), onnx.TensorProto.BOOL, (0, 1))
    assert [each.shape for each in twice_the_batch(made, [PICTURE, mask])] == [
        (2, *PICTURE.shape[1:]),
        (5, 2),
    ]
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    del made.graph.input[1]
    assert twice_the_batch(made, [Input(PICTURE.name, PICTURE.shape, PICTURE.kind, ())]) == []


@pytest.mark.parametrize(
    ("expected", "found", "share"),
    [
        ([1.0, 4.0], [1.0, 4.2], 0.05),
        ([0.0, 0.0], [0.0, 1e-6], 1e-3),
        ([1.0, np.nan], [1.0, np.nan], 0),
        ([1.0, np.nan], [1.0, 1.0], INFINITE),
        ([1.0, np.inf], [1.0, -np.inf], INFINITE),
        ([np.nan], [np.nan], 0),
        ([1.0], [1.0, 1.0], INFINITE),
        ([3, 4], [3, 4], 0),
        ([3, 4], [3, 5], INFINITE),
        ([1.0], [1], INFINITE),
        ([], [], 0),
    ],
    ids=str,
)
def test_differences(expected: list[Any], found: list[Any], share: float) -> None:
    assert difference(np.array(expected), np.array(found)) == pytest.approx(share)
    assert difference([np.array(expected)], [np.array(found)]) == pytest.approx(share)
    assert difference({"a": np.array(expected)}, {"a": np.array(found)}) == pytest.approx(share)


def test_other_structures_differ() -> None:
    one = np.ones(1)
    assert difference([one], [one, one]) == INFINITE
    assert difference({"a": one}, {"b": one}) == INFINITE
    assert difference([one], one) == INFINITE
