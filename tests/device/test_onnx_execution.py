"""What ONNX Runtime runs of a model, found out in a process of its own, and how long it may take."""

import math
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from fixtures.onnx_texts import EXP, LOOP

from edgenas.device import onnx_execution
from edgenas.device.onnx_execution import Execution, OnnxExecutor, graphs_of, stores_in_blocks
from edgenas.errors import DeviceError

HEADER = '<ir_version: 8, opset_import: ["": 17]>'
ENDLESS = LOOP.replace("(n, true, x)", '("", true, x)').replace("int64 n = {7}, ", "")
BODY = ENDLESS[ENDLESS.index("{\n") :]
IN_A_BRANCH = f"""g (float[1,8] x) => (float[1,8] y) <bool true = {{1}}> {{
    y = If (true) <
        then_branch = a () => (float[1,8] y) {BODY},
        else_branch = b () => (float[1,8] e) {{ e = Exp(x) }}
    >
}}"""


def constant(*shape: int) -> str:
    """A constant full of halves, in ONNX's text form."""
    values = ",".join(["0.5"] * math.prod(shape))
    return f"Constant<value = float[{','.join(map(str, shape))}] {{{values}}}>()"


Execute = Callable[..., Execution]


@pytest.fixture(scope="module")
def executor() -> OnnxExecutor:
    """One process for all of them, as for the files of one command."""
    return OnnxExecutor(blocked=False)


@pytest.fixture
def execute(executor: OnnxExecutor) -> Execute:
    """`execute(graph, *shape)`: one run of a graph in ONNX's text form, `x` full of ones."""

    def call(graph: str, *shape: int) -> Execution:
        feeds = {"x": np.ones(shape or (1, 8), np.float32)}
        return executor.execution(onnx.parser.parse_model(HEADER + graph), feeds)

    return call


def test_nodes_of_control_flow_are_found_by_the_names_of_what_ran(execute: Execute) -> None:
    found = execute(LOOP)
    assert {name: node.op_type for name, node in found.nodes.items()} == {
        "loop": "Loop",
        "sin": "Sin",
        "on": "Identity",
    }
    assert {each.node: each.times for each in found.runs} == {"loop": 1, "sin": 7, "on": 7}


def test_of_weights_the_shapes_are_told(execute: Execute) -> None:
    found = execute(f"""g (float[1,8] x) => (float[16,32] y) <int64[2] shape = {{16, 32}}> {{
        small = {constant(8, 2)}
        large = {constant(2, 512)}
        [first] a = MatMul(x, small)
        [second] b = MatMul(a, large)
        [fold] y = Reshape(b, shape)
    }}""")
    weights = {name: shape for name, shape in found.weights.items() if name not in found.indices}
    assert sorted(weights.values()) == [(2, 512), (8, 2)]
    assert {found.weights[name] for name in found.indices} == {(2,)}


def test_the_blocked_layout_is_not_used_where_it_is_disabled() -> None:
    graph = f"""g (float[1,8,4,4] x) => (float[1,32,4,4] y) {{
        w = {constant(32, 8, 1, 1)}
        [conv] y = Conv(x, w)
    }}"""
    model = onnx.parser.parse_model(HEADER + graph)
    feeds = {"x": np.ones((1, 8, 4, 4), np.float32)}
    plain, blocked = (OnnxExecutor(each).execution(model, feeds) for each in (False, True))
    assert {node.domain for node in plain.nodes.values()} == {""}
    # The runtime stores channels in blocks on x86 processors alone.
    assert {node.domain for node in blocked.nodes.values()} in ({""}, {"com.microsoft.nchwc"})


@pytest.mark.parametrize(
    ("provider", "processor", "blocks"),
    [
        ("CPUExecutionProvider", "x86-64", True),
        ("CPUExecutionProvider", "arm64", False),
        ("CUDAExecutionProvider", "x86-64-vnni", False),
    ],
)
def test_channels_are_stored_in_blocks_on_x86_processors(provider: str, processor: str, blocks: bool) -> None:
    assert stores_in_blocks(provider, processor) == blocks


@pytest.mark.parametrize("graph", [ENDLESS, IN_A_BRANCH], ids=["loop", "in a branch"])
def test_a_loop_without_end_is_told_and_the_next_model_runs(
    graph: str, execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_execution, "CONTROL_FLOW_S", 0.5)
    message = (
        r"^one run of the model takes more than 0\.5 s; give smaller inputs, and a model whose loops end$"
    )
    with pytest.raises(DeviceError, match=message):
        execute(graph)
    monkeypatch.setattr(onnx_execution, "CONTROL_FLOW_S", 0.0)  # is not that of models without loops
    assert [each.node for each in execute(EXP).runs] == ["exp"]


@pytest.mark.parametrize(
    ("graph", "shape", "reason"),
    [
        (EXP.replace("Exp(x)", "Odd(x)"), (1, 8), "No Op registered for Odd"),
        (EXP, (1, 9), "Got invalid dimensions for input: x"),
    ],
    ids=["no such operator", "another shape"],
)
def test_what_the_runtime_refuses_is_one_line(
    graph: str, shape: tuple[int, ...], reason: str, execute: Execute
) -> None:
    with pytest.raises(
        DeviceError,
        match=rf"^ONNX Runtime cannot run the model \(.*{reason}.*\); check the file and its sizes$",
    ):
        execute(graph, *shape)
    assert execute(EXP).runs  # the next one runs


def test_graphs_of_control_flow_are_those_of_any_depth() -> None:
    model = onnx.parser.parse_model(HEADER + IN_A_BRANCH)
    found = [{node.op_type for node in graph.node} for graph in graphs_of(model.graph)]
    assert sorted(found, key=sorted) == [{"Exp"}, {"Sin", "Identity"}, {"If"}, {"Loop"}]
