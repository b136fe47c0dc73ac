"""The table of names against the libraries' own networks: every name once, none invented, equal shapes."""

import pytest
from fixtures.weights import library_network

from edgenas.pretrained import SOURCES
from edgenas.pretrained.parameter_names import source_names
from edgenas.space.modules import Network


@pytest.mark.parametrize("name", [name for name in SOURCES if ":" in name])
def test_names_every_parameter_of_the_library_once(name: str) -> None:
    source = SOURCES[name]
    theirs = {k: v.shape for k, v in library_network(name).state_dict().items() if "tracked" not in k}
    ours = {k: v.shape for k, v in Network(source.blocks).state_dict().items() if "tracked" not in k}
    names = source_names(source.dialect, source.blocks)
    assert list(names) == list(ours)
    assert sorted(names.values()) == sorted(theirs)
    assert all(theirs[names[own]] == shape for own, shape in ours.items())


def test_known_names() -> None:
    lite = SOURCES["efficientnet-lite0"]
    names = source_names(lite.dialect, lite.blocks)
    assert names["0.layers.0.conv.weight"] == "_conv_stem.weight"
    assert names["1.layers.1.norm.bias"] == "_blocks.0._bn2.bias"
    assert names["16.layers.1.norm.running_var"] == "_blocks.15._bn1.running_var"
    assert names["17.layers.2.weight"] == "_fc.weight"


def test_published_stages_that_a_layout_splits_keep_their_numbers() -> None:
    """Single-Path NAS: the third stage has a layer of kernel 5 and three of kernel 3, two stages of the layout."""
    source = SOURCES["timm:spnasnet_100"]
    names = source_names(source.dialect, source.blocks)
    assert [names[f"{block}.layers.1.conv.weight"] for block in (5, 6, 8, 9)] == [
        "blocks.2.0.conv_dw.weight",
        "blocks.2.1.conv_dw.weight",
        "blocks.2.3.conv_dw.weight",
        "blocks.3.0.conv_dw.weight",
    ]
