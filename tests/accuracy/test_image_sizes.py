"""Images at other sizes than that of the data set."""

import numpy as np
import pytest
import torch

from edgenas.accuracy.dataset_sources import resized
from edgenas.accuracy.image_sizes import Resize, resized_images
from edgenas.accuracy.path_sampling import fair_round
from edgenas.accuracy.supernet import Supernet
from edgenas.space import MBConvSpace, ResolutionSpace


def test_images_of_that_size_stay_as_they_are() -> None:
    images = torch.rand(2, 3, 8, 8)
    assert resized_images(images, 8) is images


@pytest.mark.parametrize("resolution", [5, 8, 12, 30])
def test_it_is_what_decoding_does(resolution: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    decoded = torch.from_numpy(resized(pixels, resolution)).permute(0, 3, 1, 2).float()
    found = Resize(resolution)(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    assert found.shape == (3, 3, resolution, resolution)
    assert (found - decoded).abs().max() <= 1.01  # decoding rounds to whole numbers, twice


def test_channels_last_stays() -> None:
    images = torch.rand(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    assert resized_images(images, 8).is_contiguous(memory_format=torch.channels_last)


def test_a_supernet_takes_images_of_any_size(tiny_space: MBConvSpace) -> None:
    space = ResolutionSpace(tiny_space, (8, 16))
    supernet = Supernet(space, seed=0)
    alone = Supernet(space.at(16), seed=0)
    assert [p.shape for p in supernet.parameters()] == [p.shape for p in alone.parameters()]
    images, inner = torch.randn(4, 3, 16, 16), space.at(8).largest
    small, large = (supernet(images, space.joined(size, inner)) for size in (8, 16))
    assert torch.equal(large, alone(images, inner))
    assert torch.equal(small, supernet(resized_images(images, 8), space.joined(8, inner)))
    assert not torch.allclose(small, large, atol=1e-3)
    assert supernet.extract(space.joined(8, inner)).blocks == space.at(8).blocks(inner)


def test_a_fair_round_has_one_size(tiny_space: MBConvSpace) -> None:
    space = ResolutionSpace(tiny_space, (8, 16))
    rng = np.random.default_rng(0)
    rounds = [fair_round(space, rng) for _ in range(20)]
    sizes = [{space.resolution_of(path) for path in paths} for paths in rounds]
    assert all(len(each) == 1 for each in sizes) and set.union(*sizes) == {8, 16}
    assert all(len(paths) == 4 for paths in rounds)
