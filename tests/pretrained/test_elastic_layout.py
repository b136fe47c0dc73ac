"""The space around a pretrained network: the network is its largest member."""

from dataclasses import replace

import numpy as np
import pytest

from edgenas.pretrained.elastic_layout import elastic_layout
from edgenas.pretrained.source import PretrainedSource
from edgenas.pretrained.sources import SOURCES
from edgenas.space.block import MBConv
from edgenas.space.mbconv import SKIP, MBConvSpace


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_the_largest_network_is_the_source(source: PretrainedSource) -> None:
    own = source.layout
    space = MBConvSpace(elastic_layout(own, own.resolution, own.classes))
    assert space.blocks(space.largest) == source.blocks
    rng = np.random.default_rng(0)
    assert max(space.macs(space.sample(rng)) for _ in range(20)) <= space.macs(space.largest)


@pytest.mark.parametrize("source", SOURCES.values(), ids=lambda source: source.name)
def test_smaller_networks_are_parts_of_the_largest(source: PretrainedSource) -> None:
    space = MBConvSpace(elastic_layout(source.layout, 128, 7))
    assert (space.input_shape, space.classes) == ((3, 128, 128), 7)
    for options in space.places:
        *smaller, largest = options
        for block in smaller:
            assert isinstance(block, MBConv) and isinstance(largest, MBConv)
            assert block.kernel <= largest.kernel and block.expansion <= largest.expansion
            assert replace(block, kernel=largest.kernel, expansion=largest.expansion) == largest


def test_the_choices_of_efficientnet_lite0() -> None:
    space = MBConvSpace(elastic_layout(SOURCES["efficientnet-lite0"].layout, 224, 1000))
    assert space.variables[0] == ("k3e3", "k3e4", "k3e6")
    assert space.variables[3] == ("k3e3", "k3e4", "k3e6", "k5e3", "k5e4", "k5e6", SKIP)
    assert len(space.variables) == 15


def test_stages_with_choices_of_their_own_stay_as_they_are() -> None:
    layout = elastic_layout(SOURCES["efficientnet-lite0"].layout, 96, 5)
    assert elastic_layout(layout, 96, 5) == layout
