"""Multiply-accumulates and parameters of modules that are not made of blocks."""

import logging

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgenas.pretrained.counting import macs_of, parameters_of
from edgenas.pretrained.foreign_networks import foreign_network
from edgenas.pretrained.sources import source_from_name
from edgenas.space.modules import Network


@pytest.mark.parametrize("name", ["efficientnet-lite0", "timm:mobilenetv2_050"])
def test_of_edgenas_networks_they_are_what_the_space_says(name: str) -> None:
    source = source_from_name(name)
    network = Network(source.blocks)
    assert macs_of(network, source.layout.resolution) == source.space.macs(source.architecture)
    assert parameters_of(network) == source.space.parameters(source.architecture)


def test_of_torchvision_they_are_the_published_ones() -> None:
    network = foreign_network("torchvision:mobilenet_v3_small").build(1000)
    assert parameters_of(network) == 2_542_856
    assert macs_of(network, 224) == pytest.approx(56.5e6, rel=0.01)  # 0.057 GFLOPS in its documents


class Attention(nn.Module):
    """Fused attention of 16 positions in 2 heads of 4 channels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        positions = x.flatten(1)[:, : 2 * 16 * 4].reshape(-1, 2, 16, 4)
        return functional.scaled_dot_product_attention(positions, positions, positions)


def test_fused_attention_counts_both_of_its_products() -> None:
    assert macs_of(Attention(), 8) == 2 * (2 * 16 * 16 * 4)


def test_counting_changes_and_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.LazyLinear(2))
    network(torch.zeros(2, 3, 8, 8))
    network.train()
    with caplog.at_level(logging.WARNING):
        assert macs_of(network, 8) == 36 * (27 * 4) + 36 * 4 * 2
    assert network.training and not caplog.records
