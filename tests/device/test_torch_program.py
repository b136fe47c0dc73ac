"""ONNX operators as PyTorch's: each computes what ONNX says, or is refused by name."""

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgenas.device.torch_cuda import TorchRuntime
from edgenas.device.torch_program import program_from_onnx
from edgenas.errors import DeviceError
from edgenas.space import mbconv
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

Array = NDArray[Any]


def _model(
    op: str, constants: list[Array | None], opset: int = 17, domain: str = "", **attributes: Any
) -> onnx.ModelProto:
    """One node over an input and constants; None leaves an input out. Nothing reads the shapes."""
    names = [f"c{i}" if constant is not None else "" for i, constant in enumerate(constants)]
    initialisers = [
        numpy_helper.from_array(c, n) for c, n in zip(constants, names, strict=True) if c is not None
    ]
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"], domain=domain, **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "c", "h", "w"])],
        initialisers,
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _random(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)


def _scalar(value: float) -> NDArray[np.float32]:
    return np.array(value, np.float32)


CASES: list[tuple[str, tuple[int, ...], list[Array | None], dict[str, Any]]] = [
    ("Conv", (1, 4, 7, 6), [_random(6, 4, 3, 3)], {}),
    ("Conv", (2, 4, 7, 6), [_random(6, 2, 3, 5), _random(6)], {"group": 2, "pads": [1, 2, 1, 2], "strides": [2, 1]}),
    ("Conv", (2, 4, 8, 6), [_random(6, 2, 3, 5), _random(6)], {"group": 2, "pads": [0, 1, 1, 2], "strides": [2, 2]}),
    ("Conv", (1, 2, 9, 9), [_random(2, 2, 3, 3)], {"dilations": [2, 2], "kernel_shape": [3, 3], "auto_pad": "NOTSET"}),
    ("Clip", (3, 5), [_scalar(-0.5), _scalar(0.5)], {}),
    ("Clip", (3, 5), [_scalar(0.1)], {}),
    ("Clip", (3, 5), [None, _scalar(0.1)], {}),
    ("Relu", (3, 5), [], {}),
    ("HardSwish", (3, 5), [], {}),
    ("HardSigmoid", (3, 5), [], {}),
    ("HardSigmoid", (3, 5), [], {"alpha": 1 / 6, "beta": 0.5}),
    ("HardSigmoid", (3, 5), [], {"alpha": 0.5, "beta": 0.25}),
    ("Sigmoid", (3, 5), [], {}),
    ("Identity", (3, 5), [], {}),
    ("GlobalAveragePool", (2, 3, 5, 4), [], {}),
    ("ReduceMean", (2, 3, 5, 4), [], {"axes": [2, 3]}),
    ("ReduceMean", (2, 3, 5, 4), [], {"axes": [-1], "keepdims": 0}),
    ("ReduceMean", (2, 3, 5, 4), [], {}),
    ("Flatten", (2, 3, 5, 4), [], {}),
    ("Flatten", (2, 3, 5, 4), [], {"axis": 1}),
    ("Gemm", (2, 5), [_random(4, 5), _random(4)], {"transB": 1}),
    ("Gemm", (2, 5), [_random(5, 4), _random(4)], {}),
    ("Gemm", (2, 5), [_random(5, 4)], {"alpha": 1.0}),
    ("MatMul", (2, 5), [_random(5, 4)], {}),
    ("Mul", (2, 3, 5, 4), [_random(3, 1, 1)], {}),
    ("Add", (2, 3, 5, 4), [_random(1, 3, 5, 1)], {}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "shape", "constants", "attributes"), CASES, ids=[case[0] for case in CASES])
def test_operator_computes_what_onnx_says(
    op: str, shape: tuple[int, ...], constants: list[Array | None], attributes: dict[str, Any]
) -> None:
    model, x = _model(op, constants, **attributes), _random(*shape)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    (found,) = TorchRuntime("cpu").load(model.SerializeToString(), {"x": x}).run()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-5


def test_an_input_handed_through_is_the_callers() -> None:
    x = _random(2, 3)
    session = TorchRuntime("cpu").load(_model("Identity", []).SerializeToString(), {"x": x})
    (first,) = session.run()
    first[:] = 7
    assert np.array_equal(session.run()[0], x)


def test_axes_as_an_input() -> None:
    model, x = _model("ReduceMean", [np.array([1, 2])], opset=18, keepdims=0), _random(2, 3, 4)
    (found,) = TorchRuntime("cpu").load(model.SerializeToString(), {"x": x}).run()
    assert np.abs(found - x.mean(axis=(1, 2))).max() <= 1e-6


KERNEL = _random(2, 2, 3, 3)
REFUSED: list[tuple[str, list[Array | None], dict[str, Any], str]] = [
    ("Softmax", [], {}, r"^PyTorch has no operator Softmax here; use a device on onnxruntime$"),
    ("Gelu", [], {"domain": "com.microsoft"}, r"^PyTorch has no operator com\.microsoft\.Gelu here; use"),
    ("Conv", [KERNEL], {"auto_pad": "SAME_UPPER"}, r"no Conv with auto_pad = SAME_UPPER here"),
    ("Conv", [_random(2, 2, 3)], {"kernel_shape": [3], "pads": [0, 0]}, r"Conv with kernel_shape = \[3\] here"),
    ("Clip", [], {"opset": 6, "min": 0.0, "max": 6.0}, r"no Clip with (min = 0\.0|max = 6\.0) here"),
    ("Flatten", [], {"axis": 2}, r"no Flatten with axis = 2 here"),
    ("Gemm", [KERNEL[0, 0]], {"alpha": 2.0}, r"no Gemm with alpha = 2\.0 here"),
    ("Gemm", [KERNEL[0, 0]], {"transA": 1}, r"no Gemm with transA = 1 here"),
    ("ReduceMean", [], {"opset": 18, "noop_with_empty_axes": 1}, r"ReduceMean with noop_with_empty_axes = 1"),
    ("NoSuchOperator", [], {}, r"^PyTorch cannot load the model \(.*NoSuchOperator.*\); check that the file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("op", "constants", "options", "message"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_honoured_is_named(
    op: str, constants: list[Array | None], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        program_from_onnx(_model(op, constants, **options).SerializeToString())
    assert "\n" not in str(caught.value)


def test_computed_limits_are_refused() -> None:
    model = _model("Clip", [_scalar(0)])
    model.graph.node[0].input[1] = "low"
    model.graph.node.insert(0, helper.make_node("Relu", ["c0"], ["low"]))
    with pytest.raises(DeviceError, match=r"no Clip with a computed input \(low\) here"):
        program_from_onnx(model.SerializeToString())


def test_values_go_when_they_were_last_read() -> None:
    space = mbconv(16, 10, squeeze_excite=True)
    blocks = space.blocks(space.sample(np.random.default_rng(0)))
    program = program_from_onnx(onnx_from_blocks(blocks, random_weights(0)).SerializeToString())
    written, gone = (
        [step.output for step in program.steps],
        [name for step in program.steps for name in step.unused_after],
    )
    assert sorted(gone) == sorted(set(written) - set(program.outputs))
    for i, step in enumerate(program.steps):
        assert set(step.unused_after) <= set(step.inputs)
        later = {name for other in program.steps[i + 1 :] for name in other.inputs}
        assert not later & set(step.unused_after)
