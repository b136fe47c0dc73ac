import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from edgenas.accuracy import network_predictions
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.network_predictions import (
    BATCH_PIXELS,
    LEAST_BATCH,
    batch_slices,
    five_positions,
    predicted_classes,
    predictions,
    recalibrate,
)
from edgenas.errors import OutOfMemoryError
from edgenas.space import MBConvSpace


@given(count=st.integers(1, 20_000), resolution=st.sampled_from([8, 16, 32, 64, 224, 1024]))
def test_parts_cover_a_split_without_gaps_in_nearly_equal_batches(count: int, resolution: int) -> None:
    image = torch.zeros(1, 3, resolution, resolution, dtype=torch.uint8)
    parts = batch_slices(Split(image.expand(count, -1, -1, -1), torch.zeros(count, dtype=torch.int64)))
    assert (parts[0].start, parts[-1].stop) == (0, count)
    assert all(before.stop == after.start for before, after in pairwise(parts))
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(2, count)
    assert max(sizes) <= max(LEAST_BATCH, BATCH_PIXELS / resolution**2)


class Fixed(nn.Module):
    """Gives the same logits whatever it sees."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1)


class Brightest(nn.Module):
    """Tells the channel that is brightest."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def test_predicted_is_the_class_of_the_largest_logit(tiny_dataset: Dataset) -> None:
    split = tiny_dataset.test
    found = predictions(Fixed([0, 2, 1]), tiny_dataset, split)
    assert (found.dtype, found.tolist()) == (np.int64, [1] * len(split))


def test_predictions_are_in_the_order_of_the_images_however_they_are_batched(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_predictions, "BATCH_PIXELS", 17 * 64)
    monkeypatch.setattr(network_predictions, "LEAST_BATCH", 16)
    split = tiny_dataset.train
    assert len(batch_slices(split)) > 2
    expected = tiny_dataset.normalise(split.images).mean((2, 3)).argmax(1)
    assert predictions(Brightest(), tiny_dataset, split).tolist() == expected.tolist()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_logits_that_are_no_numbers_predict_nothing(tiny_dataset: Dataset, bad: float) -> None:
    for place in range(3):
        logits = [0.0, 0.0, 0.0]
        logits[place] = bad
        assert set(predictions(Fixed(logits), tiny_dataset, tiny_dataset.test)) == {-1}


def test_only_the_images_with_bad_logits_are_without_a_class() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [0.0, float("nan"), 1.0], [2.0, 0.0, 1.0]])
    assert predicted_classes(logits).tolist() == [1, -1, 0]


def test_judging_leaves_a_model_in_evaluation_mode(tiny_dataset: Dataset) -> None:
    model = Fixed([1, 0, 0]).train()
    predictions(model, tiny_dataset, tiny_dataset.test)
    assert not model.training


def test_running_out_of_memory_is_named(tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(self: Fixed, x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Fixed, "forward", forward)
    with pytest.raises(OutOfMemoryError, match=r"^evaluating a network: ran out of memory; use a smaller"):
        predictions(Fixed([1, 0, 0]), tiny_dataset, tiny_dataset.test)


class Normed(nn.Module):
    """A batch norm that sees the images themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x).mean((2, 3))


def brightening(dataset: Dataset, count: int) -> Dataset:
    """Training images of which each is brighter than the one before."""
    images = dataset.train.images[:count] + torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return replace(dataset, train=Split(images, dataset.train.labels[:count]))


@pytest.mark.parametrize("batch_size", [1000, 29, 20, 16])
def test_recalibrated_means_are_those_over_all_images_however_they_are_batched(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    monkeypatch.setattr(network_predictions, "BATCH_PIXELS", batch_size * 64)
    monkeypatch.setattr(network_predictions, "LEAST_BATCH", 16)
    model, dataset = Normed(), brightening(tiny_dataset, 50)
    model.norm.running_mean.fill_(77)
    recalibrate(model, dataset)
    expected = dataset.normalise(dataset.train.images)
    torch.testing.assert_close(model.norm.running_mean, expected.mean((0, 2, 3)))
    assert not model.training


def test_recalibrated_variance_is_that_of_the_batch(tiny_dataset: Dataset) -> None:
    model = Normed()
    model.norm.running_var.fill_(77)
    recalibrate(model, tiny_dataset)
    expected = tiny_dataset.normalise(tiny_dataset.train.images)
    torch.testing.assert_close(model.norm.running_var, expected.var((0, 2, 3)))


def test_only_the_first_images_recalibrate(tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_predictions, "RECALIBRATION_IMAGES", 20)
    model, dataset = Normed(), brightening(tiny_dataset, 50)
    recalibrate(model, dataset)
    expected = dataset.normalise(dataset.train.images[:20])
    torch.testing.assert_close(model.norm.running_mean, expected.mean((0, 2, 3)))


def test_recalibrating_works_with_one_image_more_than_a_batch(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_predictions, "BATCH_PIXELS", 16 * 64)
    monkeypatch.setattr(network_predictions, "LEAST_BATCH", 16)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Flatten())
    recalibrate(model, brightening(tiny_dataset, 17))
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_recalibrating_changes_statistics_alone_and_ends_the_same_twice(
    tiny_space: MBConvSpace, tiny_dataset: Dataset
) -> None:
    model = tiny_space.build(tiny_space.sample(np.random.default_rng(0)))
    before = copy.deepcopy(model)
    recalibrate(model, tiny_dataset)
    once = copy.deepcopy(model)
    recalibrate(model, tiny_dataset)
    for mine, theirs in zip(model.state_dict().values(), once.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_five_positions_hold_the_image_and_its_four_shifts() -> None:
    images = (
        torch.arange(1, 2 * 3 * 64 + 1, dtype=torch.int64).view(2, 3, 8, 8).remainder(251).to(torch.uint8)
    )
    five = five_positions(Split(images, torch.tensor([4, 7])))
    assert five.labels.tolist() == [4] * 5 + [7] * 5
    for image, (same, *shifted) in zip(images, five.images.view(2, 5, 3, 8, 8), strict=True):
        assert torch.equal(same, image)
        for moved, (y, x) in zip(shifted, ((1, 0), (-1, 0), (0, 1), (0, -1)), strict=True):
            rolled = torch.roll(image, (y, x), (1, 2))
            kept = (slice(max(y, 0), 8 + min(y, 0)), slice(max(x, 0), 8 + min(x, 0)))
            assert torch.equal(moved[:, *kept], rolled[:, *kept])
            assert moved.sum() == rolled[:, *kept].sum()  # zeros moved in
