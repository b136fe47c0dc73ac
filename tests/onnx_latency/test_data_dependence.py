"""What depends on data: several inputs are run, and the interval covers them all."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import edgenas
from edgenas.latency.latency import DataRange
from edgenas.onnx_latency.model_inputs import Input, feeds_of

from .conftest import Save, model, node

ELEMENTS = 8 * 6 * 6
ARRIVES = [node("Greater", "x zero", "positive"), node("Cast", "positive", "one", to=TensorProto.INT64)]
"""Whether each element is positive: about half of random ones, no zero, every one."""
WEIGHTS: dict[str, Any] = {"zero": np.float32(0), "true": np.bool_(True)}


@pytest.fixture
def predicted(save: Save) -> Any:
    """`predicted(nodes, weights)`: the prediction of such a file for a Raspberry Pi 5."""

    def predict(nodes: list[onnx.NodeProto], **weights: Any) -> Any:
        path: Path = save(nodes, (1, 8, 6, 6), WEIGHTS | weights)
        return edgenas.predict(str(path), "raspberry-pi-5")

    return predict


def _graph(name: str, nodes: list[onnx.NodeProto], inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    values = (
        [
            helper.make_tensor_value_info(each, kind, None if kind == TensorProto.FLOAT else [])
            for each, kind in side.items()
        ]
        for side in (inputs, outputs)
    )
    return helper.make_graph(nodes, name, *values)


def _loop(trips: str, value: str = "x", output: str = "y") -> onnx.NodeProto:
    """Takes the sine of a value so many times."""
    body = _graph(
        "body",
        [node("Sin", "v", "w"), node("Identity", "going", "on")],
        {"i": TensorProto.INT64, "going": TensorProto.BOOL, "v": TensorProto.FLOAT},
        {"on": TensorProto.BOOL, "w": TensorProto.FLOAT},
    )
    return node("Loop", f"{trips} true {value}", output, body=body)


def test_a_loop_is_given_as_a_range_and_by_its_step(predicted: Any) -> None:
    found = predicted([*ARRIVES, node("ReduceSum", "one", "n", keepdims=0), _loop("n")])
    spread = found.data_range
    assert spread.inputs == 4
    assert spread.fastest_ms < found.latency_ms.predicted < spread.slowest_ms
    assert found.latency_ms.low < spread.fastest_ms and spread.slowest_ms < found.latency_ms.high
    assert spread.slowest_ms - spread.fastest_ms == pytest.approx(ELEMENTS * spread.step_ms)


def test_a_longer_loop_that_is_always_the_same_hides_no_other(predicted: Any) -> None:
    alone, beside = (
        predicted([*ARRIVES, node("ReduceSum", "one", "n", keepdims=0), *loops], many=np.int64(999))
        for loops in ([_loop("n")], [_loop("n", output="z"), _loop("many", "z")])
    )
    assert beside.data_range.step_ms == pytest.approx(alone.data_range.step_ms)
    assert beside.data_range.fastest_ms > alone.data_range.fastest_ms


def test_inputs_that_are_alike_are_run_once(save: Save) -> None:
    made = model([node("NonZero", "x", "places"), node("Cast", "places", "y", to=1)], (4, 4))
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    path = save([node("Relu", "x", "y")])
    path.write_bytes(made.SerializeToString())
    found = edgenas.predict(str(path), "raspberry-pi-5").data_range
    assert found is not None and found.inputs == 2  # ones, which are the usual ones, and zeros


def test_a_sample_rate_is_always_one() -> None:
    inputs = (Input("sr", (1,), TensorProto.INT64, ()), Input("x", (2,), TensorProto.FLOAT, ()))
    feeds = feeds_of(inputs, fill=0)
    assert feeds["sr"].tolist() == [16000] and feeds["x"].tolist() == [0, 0]
    assert feeds["x"].dtype == np.float32


def test_a_loop_whose_length_is_an_input_is_given_by_its_step(save: Save) -> None:
    made = model([_loop("n")], (1, 8, 6, 6), {"true": np.bool_(True)})
    made.graph.input.append(helper.make_tensor_value_info("n", TensorProto.INT64, []))
    path = save([node("Relu", "x", "y")])
    path.write_bytes(made.SerializeToString())
    spread = edgenas.predict(str(path), "raspberry-pi-5").data_range
    assert spread is not None and spread.step_ms is not None
    assert spread.slowest_ms - spread.fastest_ms == pytest.approx(16 * spread.step_ms)  # of none, and of 16


def test_a_loop_of_known_length_has_no_range(predicted: Any) -> None:
    assert predicted([_loop("seven")], seven=np.int64(7)).data_range is None


def test_sizes_that_depend_on_data_have_a_range_without_steps(predicted: Any) -> None:
    found = predicted([*ARRIVES, node("NonZero", "one", "places"), node("Cast", "places", "y", to=1)])
    assert found.data_range.step_ms is None
    assert found.data_range.fastest_ms < found.latency_ms.predicted < found.data_range.slowest_ms


def test_so_have_branches(predicted: Any) -> None:
    few, many = (
        _graph(name, [node("Sin", "x", f"{name}0"), *nodes], {}, {output: TensorProto.FLOAT})
        for name, nodes, output in (
            ("few", [], "few0"),
            ("many", [node("Sin", f"many{i}", f"many{i + 1}") for i in range(9)], "many9"),
        )
    )
    found = predicted(
        [
            *ARRIVES,
            node("ReduceMin", "one", "least", keepdims=0),
            node("Cast", "least", "all", to=TensorProto.BOOL),
            node("If", "all", "y", then_branch=many, else_branch=few),
        ]
    )
    assert found.data_range.slowest_ms > 2 * found.data_range.fastest_ms


def test_a_branch_that_nothing_tried_runs_is_told(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    rare, usual = (
        _graph(name, [node("Sin", "x", name), *more], {}, {output: TensorProto.FLOAT})
        for name, more, output in (("rare", [node("Cos", "rare", "cos")], "cos"), ("usual", [], "usual"))
    )
    chosen = node("If", "is7", "y", then_branch=rare, else_branch=usual)
    made = model([node("Equal", "n seven", "is7"), chosen], (1, 8, 6, 6), {"seven": np.int64(7)})
    made.graph.input.append(helper.make_tensor_value_info("n", TensorProto.INT64, []))
    path = save([node("Relu", "x", "y")])
    path.write_bytes(made.SerializeToString())
    assert edgenas.predict(str(path), "raspberry-pi-5").data_range is None
    assert caplog.messages == [
        "the prediction leaves out the then branch of y (2 nodes), which none of the inputs tried runs"
    ]


def test_sizes_that_were_equal_for_all_inputs_are_told(
    predicted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    far = [node("Greater", "x far", "beyond"), node("NonZero", "beyond", "places")]
    assert predicted([*far, node("Cast", "places", "y", to=1)], far=np.float32(99)).data_range is None
    assert caplog.messages == [
        "how much NonZero gives depends on data, but was the same for all 4 inputs tried: for others the file may take "
        "longer or shorter"
    ]


def test_texts_are_words_that_may_be_numbers(save: Save) -> None:
    made = model([node("Cast", "x", "y", to=TensorProto.FLOAT)], ("N", 4))
    made.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    path = save([node("Relu", "x", "y")])
    path.write_bytes(made.SerializeToString())
    (kernel,) = edgenas.predict(str(path), "raspberry-pi-5").layers
    assert kernel.output_shapes == ((1, 4),)
    text = Input("x", (2,), TensorProto.STRING, ())
    assert [feeds_of([text], seed)["x"].tolist() for seed in (0, 1)] == [["1", "1"], ["2", "2"]]
    assert feeds_of([text], fill=16)["x"].tolist() == ["16", "16"]


def test_inputs_that_cannot_be_run_are_told_and_passed_over(
    predicted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    far_if_alike = [
        node("ReduceMin", "one", "least", keepdims=0),
        node("ReduceMax", "one", "most", keepdims=0),
        node("Equal", "least most", "alike"),
        node("Cast", "alike", "row", to=TensorProto.INT64),
        node("Mul", "row far", "index"),
        node("Gather", "table index", "g"),
    ]
    places = [
        node("NonZero", "positive", "places"),
        node("Cast", "places", "p", to=1),
        node("Add", "p g", "y"),
    ]
    found = predicted([*ARRIVES, *far_if_alike, *places], far=np.int64(99), table=np.ones((8, 1), np.float32))
    assert found.data_range.inputs == 2
    assert [text.partition(":")[0] for text in caplog.messages] == [
        f"with inputs of {value} the file cannot be run, so its range leaves them out" for value in (0, 1)
    ]


@pytest.mark.parametrize(
    ("step_ms", "text"),
    [
        (
            None,
            "what runs depends on the data: the latency is of random inputs; of 4 different ones, 0.5 ms to 2 ms",
        ),
        (
            0.01,
            "what runs depends on the data: the latency is of random inputs; of 4 different ones, 0.5 ms to 2 ms, "
            "0.01 ms for each further step",
        ),
    ],
)
def test_a_range_is_told(step_ms: float | None, text: str) -> None:
    assert DataRange(4, 0.5, 2.0, step_ms).text == text
