"""Params, MACs and peak memory: as arrays and of one network, against the space and against figures made by hand."""

from typing import get_args

import numpy as np
import pytest

from edgenas.errors import InputError
from edgenas.space import Layout, MBConvSpace, SearchSpace, Stage, mbconv
from edgenas.space.block import MBConv, block_peak_elements
from edgenas.space.costs import CostName, cost_function, peak_memory_bytes
from edgenas.space.nasbench201 import NASBench201Space
from edgenas.space.nasbench_macro import nasbench_macro

SPACES = {
    "small images": mbconv(32, 10, squeeze_excite=True),
    "large images": mbconv(224, 1000),
    "macro": nasbench_macro(),
}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_arrays_agree_with_what_each_network_says(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    networks = [space.sample(rng) for _ in range(50)]
    vectors = np.stack([space.encode(network) for network in networks])
    said = {
        "params": [space.parameters(network) for network in networks],
        "macs": [space.macs(network) for network in networks],
        "peak-memory": [peak_memory_bytes(space, network) for network in networks],
    }
    assert set(said) == set(get_args(CostName))
    for name, figures in said.items():
        cost = cost_function(space, name)
        assert cost(vectors).tolist() == figures
        assert max(figures) <= cost.largest
        assert cost(vectors[:0]).shape == (0,)


@pytest.mark.parametrize("name", get_args(CostName))
@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
def test_the_largest_figure_is_that_of_a_network(space: SearchSpace, name: CostName) -> None:
    cost = cost_function(space, name)
    largest = [
        int(np.argmax([sum(layer.macs for layer in block.layers) if block else 0 for block in options]))
        for options in space.candidates
    ]
    assert cost(np.array([largest])).tolist() == [cost.largest]


def test_peak_of_a_block_that_adds_its_input() -> None:
    """48 channels of 4 x 4 in and out of the depthwise convolution, and 8 of the input kept for the addition."""
    block = MBConv(3, 6, 1, 0, "relu6", 8, 8, 4, 4)
    assert block_peak_elements(block) == 2 * 48 * 16 + 8 * 16


def test_peak_of_a_block_that_strides() -> None:
    """The expansion reads 8 and writes 16 channels of 4 x 4; afterwards the input is needed no more."""
    assert block_peak_elements(MBConv(3, 2, 2, 0, "relu6", 8, 16, 4, 4)) == 8 * 16 + 16 * 16


def test_peak_memory_of_a_network_made_up_by_hand() -> None:
    space = MBConvSpace(
        Layout(
            resolution=8, classes=3, stem_channels=8, stem_stride=1, head_channels=16,
            stages=(Stage(channels=8, depth=1, stride=1),), kernels=(3,), expansions=(2,),
        )
    )  # fmt: skip
    parameters = (
        3 * 9 * 8 + 2 * 8  # stem
        + 8 * 16 + 2 * 16 + 9 * 16 + 2 * 16 + 16 * 8 + 2 * 8  # expand, depthwise, project
        + 8 * 16 + 2 * 16 + 16 * 3 + 3  # head
    )  # fmt: skip
    depthwise = 2 * 16 * 64 + 8 * 64  # read and written, and the input of the block
    assert peak_memory_bytes(space, space.architecture(["k3e2"])) == 4 * (parameters + depthwise)


@pytest.mark.parametrize("name", get_args(CostName))
def test_a_space_without_blocks_has_no_such_costs(name: CostName) -> None:
    with pytest.raises(
        InputError,
        match=rf"objective {name}: space nasbench201 does not define the blocks of its networks; "
        "use accuracy,latency",
    ):
        cost_function(NASBench201Space(), name)
