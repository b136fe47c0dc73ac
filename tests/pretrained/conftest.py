"""Batch norm as training leaves it, and downloads that do not touch the network."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fixtures.weights import Publisher
from torch import nn


def _randomise(model: nn.Module, seed: int) -> nn.Module:
    """Random batch norm statistics, scales, shifts and biases; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None and module.running_var is not None
                module.running_mean.normal_(0, 0.3, generator=generator)
                module.running_var.uniform_(0.3, 3, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
            elif isinstance(module, nn.Linear):
                module.weight.normal_(0, 0.05, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return model.eval()


@pytest.fixture
def randomise() -> Callable[[nn.Module, int], nn.Module]:
    """`randomise(model, seed)`."""
    return _randomise


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Publisher:
    """Downloads come from it, into a folder of the test's own."""
    found = Publisher()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("torch.hub.download_url_to_file", found.download)
    return found
