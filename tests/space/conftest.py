"""Networks with batch norm as training leaves it."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from edgenas.space.modules import Network


def _randomise(network: Network, seed: int) -> Network:
    """Random batch norm statistics, scales, shifts and biases; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.3, 3, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
            elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                module.bias.normal_(0, 0.3, generator=generator)
    return network.eval()


@pytest.fixture
def randomise() -> Callable[[Network, int], Network]:
    """`randomise(network, seed)`."""
    return _randomise
