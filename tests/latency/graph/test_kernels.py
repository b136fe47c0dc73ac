"""A kernel as work."""

from edgenas.latency.graph.kernels import Kernel
from edgenas.latency.work import Work


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
