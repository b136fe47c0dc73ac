"""Statistics of the user's images take the place of the pretraining's; the network stays the same function."""

import copy

import pytest
import torch
from torch import nn

from edgenas.accuracy import adopted_statistics
from edgenas.accuracy.adopted_statistics import adopt_statistics
from edgenas.accuracy.dataset import Dataset
from edgenas.space import mbconv
from edgenas.space.modules import Network


@pytest.fixture
def network() -> Network:
    """Statistics of other images than the data set's."""
    space = mbconv(16, 3)
    network = space.build(space.largest)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            with torch.no_grad():
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 2)
                module.bias.normal_(0, 0.3)
    return network.eval()


def test_in_evaluation_mode_nothing_changes(network: Network, tiny_dataset: Dataset) -> None:
    images = tiny_dataset.normalise(tiny_dataset.validation.images)
    with torch.no_grad():
        before = network(images)
        adopt_statistics(network, tiny_dataset)
        assert not network.training
        torch.testing.assert_close(network(images), before, atol=1e-4, rtol=1e-4)


def test_batch_statistics_then_give_nearly_the_same(
    network: Network, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the very images they were read from, in one batch, they give exactly the same."""
    images = tiny_dataset.normalise(tiny_dataset.train.images)
    former = copy.deepcopy(network)
    adopt_statistics(network, tiny_dataset)
    with torch.no_grad():
        expected = network(images)
        torch.testing.assert_close(network.train()(images), expected, atol=1e-3, rtol=1e-3)
        difference = (former.train()(images) - expected).abs().max()
    assert difference > 0.01


def test_few_images_are_enough(
    network: Network, tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first training images, which are in random order, are read."""
    monkeypatch.setattr(adopted_statistics, "RECALIBRATION_IMAGES", 3)
    seen = 0

    def count(_: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        nonlocal seen
        seen += len(inputs[0])

    network.register_forward_pre_hook(count)
    adopt_statistics(network, tiny_dataset)
    assert seen == 3


def test_a_channel_that_is_always_the_same_stays_finite(network: Network, tiny_dataset: Dataset) -> None:
    with torch.no_grad():
        network[0].layers[0].conv.weight[0] = 0
    adopt_statistics(network, tiny_dataset)
    assert all(tensor.isfinite().all() for tensor in network.state_dict().values())


def test_norms_that_are_not_used_or_have_nothing_to_adopt_stay_as_they_are(tiny_dataset: Dataset) -> None:
    """Networks of other libraries may have such."""

    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plain, self.untracked = (
                nn.BatchNorm2d(3, affine=False),
                nn.BatchNorm2d(3, track_running_stats=False),
            )
            self.unused = nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.untracked(self.plain(x))

    network = Other()
    before = copy.deepcopy(network.state_dict())
    adopt_statistics(network, tiny_dataset)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
