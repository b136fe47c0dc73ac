"""One run of a model by ONNX Runtime: what ran, how often, and what is refused."""

import resource
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from fixtures.onnx_texts import EXP, LOOP
from numpy.typing import NDArray

from edgenas.board import execution
from edgenas.board.execution import OPTIMISED, PROFILE, WEIGHTS, KernelRun, executed
from edgenas.board.problem import BoardError

HEADER = '<ir_version: 8, opset_import: ["": 17, "com.made.up": 1]>'
ONES = np.ones((1, 8), np.float32)

Run = Callable[..., list[KernelRun]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(graph, x)`: what runs of a graph in ONNX's text form, in the test's folder."""

    def call(graph: str, x: NDArray[np.generic] = ONES, disabled: Sequence[str] = ()) -> list[KernelRun]:
        path = tmp_path / "model.onnx"
        onnx.save(onnx.parser.parse_model(HEADER + graph), path)
        return executed(str(path), {"x": x}, str(tmp_path), disabled)

    return call


def test_each_kernel_is_told_with_its_shapes(run: Run, tmp_path: Path) -> None:
    graph = "g (float[1,8] x) => (float[1,1] y) { [exp] a = Exp(x) [sum] y = ReduceSum(a) }"
    assert run(graph) == [
        KernelRun("exp", [("float", [1, 8])], [("float", [1, 8])], 1),
        KernelRun("sum", [("float", [1, 8])], [("float", [1, 1])], 1),
    ]
    assert not [*tmp_path.glob(f"{PROFILE}*")]  # the runtime's record is of no use any more


def test_kernels_of_a_loop_are_counted(run: Run) -> None:
    assert {each.node: each.times for each in run(LOOP)} == {"sin": 7, "on": 7, "loop": 1}


def test_the_same_kernel_with_other_shapes_is_another(run: Run) -> None:
    graph = LOOP.replace("[sin] w = Sin(v)", "[pair] w = Concat<axis=0>(v, v)")
    shapes = [each.inputs for each in run(graph) if each.node == "pair"]
    assert shapes == [[("float", [2**step, 8])] * 2 for step in range(7)]


def test_the_optimised_model_is_left_with_large_weights_beside_it(run: Run, tmp_path: Path) -> None:
    values = ",".join(["0.5"] * 8 * 64)
    run(f"""g (float[1,8] x) => (float[1,64] y) {{
        a = Constant<value = float[8,64] {{{values}}}>()
        [product] y = MatMul(x, a)
    }}""")
    (weights,) = onnx.load(tmp_path / OPTIMISED, load_external_data=False).graph.initializer
    assert (tuple(weights.dims), weights.data_location) == ((8, 64), onnx.TensorProto.EXTERNAL)
    assert (tmp_path / WEIGHTS).stat().st_size >= 4 * 8 * 64


def test_an_optimisation_that_is_disabled_is_not_made(run: Run) -> None:
    graph = "g (float[1,8] x) => (float[1,8] y) { [same] a = Identity(x) [exp] y = Exp(a) }"
    assert [each.node for each in run(graph)] == ["exp"]
    assert [each.node for each in run(graph, disabled=["EliminateIdentity"])] == ["same", "exp"]


@pytest.mark.parametrize(
    ("graph", "told"),
    [
        (EXP.replace("Exp(x)", "Odd(x)"), "No Op registered for Odd"),
        (EXP.replace("Exp(x)", "com.made.up.Odd(x)"), "com.made.up:Odd"),
        (EXP.replace("float[1,8] x", "float[1,9] x"), "Got invalid dimensions for input: x"),
    ],
    ids=["no such operator", "of nobody", "another shape"],
)
def test_what_the_runtime_refuses_is_one_line(graph: str, told: str, run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        BoardError,
        match=r"^ONNX Runtime cannot run the model \(.*\); check the file and its sizes$",
    ) as raised:
        run(graph)
    assert told in str(raised.value) and str(tmp_path) not in str(raised.value)


needs_limits = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc")


@needs_limits
def test_memory_is_limited_as_long_as_the_model_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    monkeypatch.setattr(execution, "MAX_MEMORY_BYTES", 2**28)
    graph = "g (int64[1] x) => (float y) { [fill] a = ConstantOfShape(x) [sum] y = ReduceSum<keepdims=0>(a) }"
    assert len(run(graph, np.array([2**10]))) == 2
    with pytest.raises(BoardError, match=r"^ONNX Runtime cannot run the model \(.*Failed to allocate memory"):
        run(graph, np.array([2**28]))
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_record_that_is_too_long_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "MAX_PROFILE_BYTES", 8_000)
    assert run(EXP)
    with pytest.raises(BoardError, match=r"^the model runs too many kernels; give one with fewer steps$"):
        run(LOOP.replace("{7}", "{200}"))
