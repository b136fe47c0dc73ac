import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from torch import from_numpy

from edgenas.exporting.onnx_export import run_onnx
from edgenas.precision.channel_padding import with_full_channels
from edgenas.space.block import Block, MBConv, Stem
from edgenas.space.layers import Activation
from edgenas.space.onnx_graph import onnx_from_blocks, random_weights

IMAGES = from_numpy(np.random.default_rng(0).standard_normal((3, 12, 9, 9), dtype=np.float32))


def block(
    kernel: int = 3,
    expansion: int = 3,
    stride: int = 1,
    squeeze: int = 0,
    activation: Activation = "relu6",
    channels: int = 12,
) -> Block:
    return MBConv(kernel, expansion, stride, squeeze, activation, channels, 12, 9, 9)


def made(*blocks: Block) -> onnx.ModelProto:
    return onnx_from_blocks(blocks, random_weights(1))


def widths(model: onnx.ModelProto) -> list[int]:
    """Channels of the depthwise convolutions."""
    weights = [numpy_helper.to_array(each) for each in model.graph.initializer]
    return [each.shape[0] for each in weights if each.ndim == 4 and each.shape[1] == 1]


@given(
    kernel=st.sampled_from([3, 5, 7]),
    expansion=st.integers(2, 6),
    stride=st.sampled_from([1, 2]),
    activation=st.sampled_from(["relu6", "hswish", "relu"]),
    multiple=st.sampled_from([8, 16]),
)
@settings(max_examples=25, deadline=None)
def test_channels_become_a_multiple_and_outputs_stay_as_they_are(
    kernel: int, expansion: int, stride: int, activation: Activation, multiple: int
) -> None:
    blocks = [block(kernel, expansion, stride, activation=activation)]
    padded = with_full_channels(made(*blocks), multiple)
    onnx.checker.check_model(padded, full_check=True)
    assert all(
        each % multiple == 0 and 12 * expansion <= each < 12 * expansion + multiple for each in widths(padded)
    )
    expected = run_onnx(made(*blocks).SerializeToString(), IMAGES)
    assert np.allclose(run_onnx(padded.SerializeToString(), IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_a_network_is_changed_as_its_blocks_are() -> None:
    blocks = [block(5), block(3, 6), block(7, 2)]
    alone = [widths(with_full_channels(made(each), 16))[0] for each in blocks]
    assert widths(with_full_channels(made(*blocks), 16)) == alone == [48, 80, 32]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([block(squeeze=4)], id="what is between is read by a squeeze-excite too"),
        pytest.param([block(expansion=1)], id="nothing before it"),
        pytest.param(
            [Stem(3, 1, "relu6", 12, 12, 9, 9), block(expansion=1)],
            id="the stem before it is another block's",
        ),
        pytest.param([block(expansion=1, stride=2), block(expansion=1)], id="so is a projection"),
        pytest.param([block(expansion=4)], id="it has a multiple already"),
    ],
)
def test_what_is_left_as_it_is(blocks: list[Block]) -> None:
    assert with_full_channels(made(*blocks), 16) == made(*blocks)


def test_a_multiple_of_one_changes_nothing() -> None:
    assert with_full_channels(made(block()), 1) == made(block())


def test_weights_that_another_node_reads_are_left_as_they_are() -> None:
    model = made(block())
    shared = next(each for each in model.graph.node if each.op_type == "Conv").input[1]
    model.graph.node.append(onnx.helper.make_node("Identity", [shared], ["kept"]))
    before = model.SerializeToString(deterministic=True)
    assert with_full_channels(model, 16).SerializeToString(deterministic=True) == before
