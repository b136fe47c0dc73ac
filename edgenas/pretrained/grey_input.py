"""Networks for RGB images that take grey ones."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgenas.pretrained.source import figures_for


class GreyInput(nn.Module):
    """A network in front of which the one channel of grey images becomes three.

    Grey images are normalised by one mean and standard deviation, `figures_for(1, ...)`; each channel by those of the
    network. It is what the network makes of the RGB image that shows the same grey. A convolution of one pixel does
    both: every runtime has it, and it is the same on all devices.

    Args:
        network: takes normalised (N, 3, H, W).
        mean: of each channel, which its images are normalised by.
        std: likewise.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        means, stds = torch.tensor([*mean]), torch.tensor([*std])
        ((own_mean,), (own_std,)) = figures_for(1, tuple(mean)), figures_for(1, tuple(std))
        self.register_buffer("weight", (own_std / stds).view(-1, 1, 1, 1))
        self.register_buffer("bias", (own_mean - means) / stds)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised (N, 1, H, W) to logits, (N, classes)."""
        return cast(Tensor, self.network(functional.conv2d(x, self.weight, self.bias)))
