"""What ONNX Runtime runs of a model, as kernels."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgenas.device import onnx_execution
from edgenas.device.onnx_execution import OnnxExecutor, stores_in_blocks
from edgenas.errors import DeviceError
from edgenas.onnx_latency.kernels import Kernel
from edgenas.onnx_latency.runtime_kernels import kernels_that_run

from .conftest import model, node

IMAGE = {"x": np.ones((1, 8, 6, 6), np.float32)}
STEPS = {"x": np.ones((10, 2, 16), np.float32)}

Run = Callable[..., list[Kernel]]


@pytest.fixture(scope="module")
def run() -> Run:
    executor = OnnxExecutor(blocked=False)
    return lambda made, feeds=IMAGE: kernels_that_run(executor, made, feeds)


def _operators(kernels: list[Kernel]) -> Counter[str]:
    found = Counter[str]()
    for kernel in kernels:
        found[kernel.operators[0]] += kernel.times
    return found


def test_what_the_runtime_fuses_is_one_kernel(run: Run) -> None:
    nodes = [node("Conv", "x w", "a", pads=[1] * 4), node("Relu", "a", "y")]
    (kernel,) = run(model(nodes, weights={"w": (16, 8, 3, 3)}))
    assert (kernel.kind, kernel.operators) == ("dense", ("com.microsoft.FusedConv", "Relu"))
    assert (kernel.macs, kernel.reuse, kernel.weights) == (16 * 36 * 72, 16, 16 * 72)
    assert (kernel.elements_read, kernel.elements_written) == (8 * 36, 16 * 36)
    assert (kernel.input_shapes, kernel.output_shapes) == (((1, 8, 6, 6),), ((1, 16, 6, 6),))


def test_the_blocked_layout_has_kernels_of_its_own_on_processors_that_have_it() -> None:
    nodes = [node("Conv", "x w", "a", pads=[1] * 4), node("Conv", "a v", "y")]
    made = model(nodes, weights={"w": (32, 8, 3, 3), "v": (32, 32, 1, 1)})
    plain, blocked = (kernels_that_run(OnnxExecutor(each), made, IMAGE) for each in (False, True))
    assert _operators(plain) == {"Conv": 2}
    assert _operators(blocked).keys() in (  # as this processor has it or not
        {"com.microsoft.nchwc.Conv", "com.microsoft.nchwc.ReorderInput", "com.microsoft.nchwc.ReorderOutput"},
        {"com.microsoft.nchwc.Conv", "com.microsoft.nchwc.ReorderOutput"},
        {"Conv"},
    )
    assert sum(each.macs for each in blocked) == sum(each.macs for each in plain)
    assert stores_in_blocks("CPUExecutionProvider", "x86-64")
    assert not stores_in_blocks("CPUExecutionProvider", "arm64")
    assert not stores_in_blocks("CUDAExecutionProvider", "x86-64-vnni")


def test_constants_and_copies_of_nothing_do_not_run(run: Run) -> None:
    nodes = [node("Identity", "x", "a"), node("Exp", "w", "e"), node("Mul", "a e", "y")]
    assert _operators(run(model(nodes, weights={"w": (8, 1, 1)}))) == {"Mul": 1}


def test_a_layer_in_steps_counts_them(run: Run) -> None:
    weights = {"w": (1, 64, 16), "r": (1, 64, 16)}
    (kernel,) = run(model([node("LSTM", "x w r", "y", hidden_size=16)], (10, 2, 16), weights), STEPS)
    assert (kernel.kind, kernel.steps, kernel.macs) == ("recurrent", 10, 10 * 2 * 64 * 32)


def test_quantised_convolutions_are_those_of_the_runtime(run: Run) -> None:
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w s v", "dw"),
        node("Conv", "d dw", "c", pads=[1] * 4),
        node("QuantizeLinear", "c s z", "qc"),
        node("DequantizeLinear", "qc s z", "y"),
    ]
    weights = {
        "s": np.float32(0.1),
        "z": np.uint8(128),
        "v": np.int8(0),
        "w": np.ones((16, 8, 3, 3), np.int8),
    }
    kernels = run(model(nodes, weights=weights))
    (conv,) = (each for each in kernels if each.operators[0].endswith("QLinearConv"))
    assert (conv.macs, conv.element, conv.kind) == (16 * 36 * 72, "uint8.int8", "dense")


def _branch(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(
        nodes, name, [], [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)]
    )


def test_of_a_branch_that_runs_only_its_kernels_count(run: Run) -> None:
    condition = [node("ReduceMax", "x", "m", keepdims=0), node("Greater", "m zero", "c")]
    branches = {
        "then_branch": _branch("a", node("Exp", "x", "t")),
        "else_branch": _branch("b", node("Sin", "x", "e")),
    }
    made = model([*condition, node("If", "c", "y", **branches)], weights={"zero": np.float32(0)})
    found = _operators(run(made))
    assert found["Exp"] == 1 and "Sin" not in found and found["If"] == 1


def _looping() -> onnx.GraphProto:
    return helper.make_graph(
        [node("Sin", "v", "w"), node("Identity", "going", "on")],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, None),
        ],
    )


def test_a_loop_counts_its_kernels_as_often_as_they_run(run: Run) -> None:
    loop = node("Loop", "n true x", "y", body=_looping())
    made = model([loop], weights={"n": np.int64(7), "true": np.bool_(True)})
    assert _operators(run(made))["Sin"] == 7


def test_a_loop_without_end_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_execution, "CONTROL_FLOW_S", 1.0)
    made = model([node("Loop", " true x", "y", body=_looping())], weights={"true": np.bool_(True)})
    made.graph.node[0].input[:] = ["", "true", "x"]
    with pytest.raises(DeviceError, match=r"^one run of the model takes more than 1 s; give smaller inputs"):
        run(made)
    assert _operators(run(model([node("Exp", "x", "y")]))) == {"Exp": 1}


def test_nodes_without_names_or_of_one_name_are_told_apart(run: Run) -> None:
    nodes = [node("Exp", "x", "a"), node("Sin", "a", "b"), node("Exp", "b", "y")]
    for each, name in zip(nodes, ("", "same", "same"), strict=True):
        each.name = name
    assert len({each.nodes for each in run(model(nodes))}) == 3


def test_what_the_runtime_refuses_is_one_line(run: Run) -> None:
    made = model([node("Odd", "x", "y", domain="made.up")])
    with pytest.raises(
        DeviceError,
        match=r"^ONNX Runtime cannot run the model \(.*; check the file and its sizes$",
    ):
        run(made)
    assert _operators(run(model([node("Exp", "x", "y")]))) == {"Exp": 1}  # the next one runs


def test_large_weights_are_not_looked_at(run: Run) -> None:
    made = model([node("MatMul", "x w", "y")], (1, 4096), {"w": (4096, 512)})
    made.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4096, 512), np.float32), "w"))
    feeds: dict[str, Any] = {"x": np.ones((1, 4096), np.float32)}
    (kernel,) = run(made, feeds)
    assert (kernel.kind, kernel.weights, kernel.macs) == ("linear", 4096 * 512, 4096 * 512)


def test_kernels_are_timed_where_the_model_runs_more_than_once() -> None:
    made = model(
        [node("Conv", "x w", "c", pads=[1] * 4), node("Sin", "c", "y")], weights={"w": (64, 8, 3, 3)}
    )
    once, often = (kernels_that_run(OnnxExecutor(blocked=False), made, IMAGE, runs) for runs in (1, 5))
    assert [each.run_ms for each in once] == [0.0, 0.0]
    assert sum(each.run_ms for each in often) > 0
    assert [each.times for each in often] == [each.times for each in once]


def test_a_condition_takes_no_time_beside_its_branches() -> None:
    branch = _branch("inner", node("Sin", "x", "s"))
    condition = [node("ReduceMax", "x", "m", keepdims=0), node("Greater", "m zero", "b")]
    nodes = [*condition, node("If", "b", "y", then_branch=branch, else_branch=branch)]
    made = model(nodes, weights={"zero": np.float32(0)})
    kernels = kernels_that_run(OnnxExecutor(blocked=False), made, IMAGE, 5)
    assert [each.run_ms for each in kernels if each.kind == "control"] == [0.0]
