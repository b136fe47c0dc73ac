"""Networks with batch norm as training leaves it, and the rows of published tables."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

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


PUBLISHED = Path(__file__).parents[3] / "shared" / "data"


def _published_rows(name: str) -> list[dict[str, str]]:
    path = PUBLISHED / name
    if not path.exists():
        pytest.skip(f"needs the published table {name}")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def published_rows() -> Callable[[str], list[dict[str, str]]]:
    """`published_rows(name)`: a gzipped CSV of ../shared/data; skips the test where it is absent."""
    return _published_rows
