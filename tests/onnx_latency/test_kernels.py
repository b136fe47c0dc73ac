"""A kernel as work."""

import pytest

from edgenas.device_models.work import Kind, Work
from edgenas.onnx_latency.kernels import Kernel


def test_a_kernel_is_work() -> None:
    kernel = Kernel(
        kind="dense",
        nodes=("conv", "relu"),
        operators=("Conv", "Relu"),
        macs=1000,
        elements_read=30,
        elements_written=40,
        input_shapes=((1, 3, 10, 1),),
        weight_shapes=((4, 3, 1, 1), (4,)),
        output_shapes=((1, 4, 10, 1),),
        reuse=4,
    )
    assert kernel.weights == 16
    assert kernel.work == Work("dense", 1000, features=70, weights=16, launches=1, reuse=4)


def _kernel(kind: Kind, operators: tuple[str, ...], macs: int, inputs: int = 1, outputs: int = 1) -> Kernel:
    return Kernel(
        kind=kind,
        nodes=operators,
        operators=operators,
        macs=macs,
        elements_read=10 * inputs,
        elements_written=10 * outputs,
        input_shapes=((1, 10),) * inputs,
        weight_shapes=(),
        output_shapes=((1, 10),) * outputs,
    )


@pytest.mark.parametrize(
    ("operators", "functions"),
    [
        (("Conv", "BatchNormalization", "Add", "Relu"), 0),
        (("Conv", "Pad", "Clip"), 0),
        (("Conv", "Sigmoid", "Mul"), 10),
        (("MatMul", "Add", "Div", "Erf", "Add", "Mul"), 10),
    ],
)
def test_activations_dearer_than_a_rectifier_are_counted(operators: tuple[str, ...], functions: int) -> None:
    assert _kernel("pointwise", operators, macs=100).work.functions == functions


def test_only_products_have_activations_of_their_own() -> None:
    assert _kernel("elementwise", ("Mul", "Sigmoid"), macs=0).work.functions == 0


def test_every_piece_that_is_copied_is_a_launch() -> None:
    assert _kernel("copy", ("Concat",), 0, inputs=5).work.launches == 5
    assert _kernel("copy", ("Split",), 0, outputs=3).work.launches == 3
    assert _kernel("pointwise", ("Conv", "Add"), 100, inputs=2).work.launches == 1
