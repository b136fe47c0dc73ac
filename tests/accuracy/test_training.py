import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.recipe import Recipe
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import (
    DivergenceError,
    Forward,
    accuracy,
    correct,
    recalibrate,
    train,
    training_device,
)
from edgenas.progress import Progress, silent
from edgenas.space import MBConvSpace

RECIPE = Recipe(epochs=4, batch_size=16, learning_rate=0.01)


def single_path(supernet: Supernet) -> Forward:
    return lambda images, rng: supernet(images, supernet.space.sample(rng))


def train_supernet(
    space: MBConvSpace, dataset: Dataset, path: Path, seed: int = 0, progress: Progress = silent
) -> Supernet:
    supernet = Supernet(space, seed)
    train(supernet, single_path(supernet), dataset, RECIPE, seed, Checkpoint(path, interval_s=0), progress)
    return supernet


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.fixture(scope="module")
def uninterrupted(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Supernet:
    return train_supernet(tiny_space, tiny_dataset, tmp_path_factory.mktemp("training") / "c")


@pytest.mark.parametrize("stops", [[0], [1], [2], [3], [1, 2, 3], [4]])
def test_an_interrupted_training_ends_with_the_very_weights_of_an_uninterrupted_one(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, uninterrupted: Supernet, tmp_path: Path, stops: list[int]
) -> None:
    for stop in stops:

        def interrupt(phase: str, done: float, total: float, detail: str = "", at: int = stop) -> None:
            if done == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train_supernet(tiny_space, tiny_dataset, tmp_path / "c", progress=interrupt)
    torch.manual_seed(123)
    resumed = train_supernet(tiny_space, tiny_dataset, tmp_path / "c")
    assert same_weights(resumed, uninterrupted)


def test_an_epoch_lost_with_the_last_checkpoint_is_trained_again(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, uninterrupted: Supernet, tmp_path: Path
) -> None:
    model = Supernet(tiny_space, 0)
    rare = Checkpoint(tmp_path / "c", interval_s=1e9)

    def interrupt(phase: str, done: float, total: float, detail: str = "") -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, single_path(model), tiny_dataset, RECIPE, 0, rare, interrupt)
    assert not (tmp_path / "c").exists()
    assert same_weights(train_supernet(tiny_space, tiny_dataset, tmp_path / "c"), uninterrupted)


def test_another_seed_gives_other_weights(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, uninterrupted: Supernet, tmp_path: Path
) -> None:
    assert not same_weights(train_supernet(tiny_space, tiny_dataset, tmp_path / "c", seed=1), uninterrupted)


class Linear(nn.Module):
    """The least that can be trained on images."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3 * 8 * 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


def test_the_loss_falls_and_the_classes_are_learnt(tiny_dataset: Dataset, tmp_path: Path) -> None:
    details: list[str] = []
    model = Linear()
    train(
        model, lambda x, _: model(x), tiny_dataset, Recipe(epochs=8, batch_size=16), 0, Checkpoint(tmp_path / "c"),
        lambda phase, done, total, detail="": details.append(detail),
    )  # fmt: skip
    losses = [float(detail.removeprefix("loss ")) for detail in details[1:]]
    assert losses[-1] < 0.7 * losses[0]
    assert accuracy(model, tiny_dataset, tiny_dataset.test) > 0.9


def test_progress_starts_at_what_an_earlier_session_had_done(tiny_dataset: Dataset, tmp_path: Path) -> None:
    for expected in ([0, 1, 2], [2]):
        seen: list[float] = []
        model = Linear()
        train(
            model, lambda x, _, m=model: m(x), tiny_dataset, Recipe(epochs=2), 0, Checkpoint(tmp_path / "c"),
            lambda phase, done, total, detail="", seen=seen: seen.append(done),
        )  # fmt: skip
        assert seen == expected


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_training_and_is_not_kept(
    tiny_dataset: Dataset, tmp_path: Path, poison: float
) -> None:
    model = Linear()
    calls = 0

    def forward(images: Tensor, rng: np.random.Generator) -> Tensor:
        nonlocal calls
        calls += 1
        return model(images) * (poison if calls > 3 else 1.0)  # three batches an epoch

    with pytest.raises(
        DivergenceError,
        match=r"^finalist 1/2: the loss is (nan|inf) in epoch 2; look for blank or mislabelled images",
    ):
        train(model, forward, tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / "c", 0), phase="finalist 1/2")
    assert Checkpoint(tmp_path / "c").restore(Linear(), torch.optim.AdamW(Linear().parameters())) == 1


def test_training_images_are_all_seen_once_an_epoch(tiny_dataset: Dataset, tmp_path: Path) -> None:
    seen = 0
    model = Linear()

    def forward(images: Tensor, rng: np.random.Generator) -> Tensor:
        nonlocal seen
        seen += len(images)
        return model(images)

    train(model, forward, tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / "c"))
    assert seen == RECIPE.epochs * len(tiny_dataset.train)


class Fixed(nn.Module):
    """Gives the same logits whatever it sees."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1)


def test_right_are_the_images_whose_label_has_the_largest_logit(tiny_dataset: Dataset) -> None:
    split = tiny_dataset.test
    right = correct(Fixed([0, 2, 1]), tiny_dataset, split, batch_size=5)
    assert right.tolist() == (split.labels == 1).tolist()
    assert accuracy(Fixed([0, 2, 1]), tiny_dataset, split) == pytest.approx(1 / 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_wrong_for_every_class(tiny_dataset: Dataset, bad: float) -> None:
    for place in range(3):
        logits = [0.0, 0.0, 0.0]
        logits[place] = bad
        assert not correct(Fixed(logits), tiny_dataset, tiny_dataset.test).any()


def test_judging_leaves_a_model_in_evaluation_mode(tiny_dataset: Dataset) -> None:
    model = Fixed([1, 0, 0]).train()
    correct(model, tiny_dataset, tiny_dataset.test)
    assert not model.training


class Normed(nn.Module):
    """A batch norm that sees the images themselves, through a layer that draws random numbers in training."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x).mean((2, 3))


@pytest.mark.parametrize("batch_size", [1000, 29, 20, 16])
def test_recalibrated_means_are_those_over_all_images_however_they_are_batched(
    tiny_dataset: Dataset, batch_size: int
) -> None:
    model = Normed()
    model.norm.running_mean.fill_(77)
    images = tiny_dataset.train.images[:50] + torch.arange(50, dtype=torch.uint8).view(-1, 1, 1, 1)
    recalibrate(model, tiny_dataset, images, batch_size)
    expected = tiny_dataset.normalise(images)
    torch.testing.assert_close(model.norm.running_mean, expected.mean((0, 2, 3)))
    assert not model.training


def test_recalibrated_variance_is_that_of_the_batch(tiny_dataset: Dataset) -> None:
    model, images = Normed(), tiny_dataset.train.images
    recalibrate(model, tiny_dataset, images)
    torch.testing.assert_close(model.norm.running_var, tiny_dataset.normalise(images).var((0, 2, 3)))


def test_recalibrating_works_with_one_image_more_than_a_batch(tiny_dataset: Dataset) -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3), nn.Flatten())
    recalibrate(model, tiny_dataset, tiny_dataset.train.images[:17], batch_size=16)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())


def test_recalibrating_changes_statistics_alone_and_ends_the_same_twice(
    tiny_space: MBConvSpace, tiny_dataset: Dataset
) -> None:
    model = tiny_space.build(tiny_space.sample(np.random.default_rng(0)))
    before = copy.deepcopy(model)
    recalibrate(model, tiny_dataset, tiny_dataset.train.images)
    once = copy.deepcopy(model)
    recalibrate(model, tiny_dataset, tiny_dataset.train.images)
    assert same_weights(model, once)
    for mine, theirs in zip(model.parameters(), before.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_the_validation_and_test_images_do_not_take_part_in_training(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, uninterrupted: Supernet, tmp_path: Path
) -> None:
    blank = Split(torch.zeros_like(tiny_dataset.test.images), tiny_dataset.test.labels)
    other = replace(tiny_dataset, test=blank, validation=blank)
    assert same_weights(train_supernet(tiny_space, other, tmp_path / "c"), uninterrupted)


def test_the_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert training_device().type == kind
