"""Networks for RGB images that take grey ones."""

import torch
from torch import nn

from edgenas.pretrained.counting import parameters_of
from edgenas.pretrained.grey_input import GreyInput
from edgenas.pretrained.source import figures_for
from edgenas.pretrained.sources import IMAGENET_MEAN, IMAGENET_STD


def test_the_network_sees_the_rgb_image_of_the_same_grey() -> None:
    network = GreyInput(nn.Identity(), IMAGENET_MEAN, IMAGENET_STD)
    pixels = torch.rand(2, 1, 4, 4)
    ((mean,), (std,)) = figures_for(1, IMAGENET_MEAN), figures_for(1, IMAGENET_STD)
    seen = network((pixels - mean) / std)
    means, stds = (torch.tensor(each).view(1, -1, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close(seen, (pixels.expand(-1, 3, -1, -1) - means) / stds)


def test_it_has_no_weights_of_its_own() -> None:
    inner = nn.Conv2d(3, 2, 1)
    network = GreyInput(inner, IMAGENET_MEAN, IMAGENET_STD)
    assert parameters_of(network) == parameters_of(inner)
    assert {"weight", "bias"} <= network.state_dict().keys()
