import time

import pytest
import torch
from torch import Tensor, nn

from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.training_recipe import Recipe
from edgenas.accuracy.training_speed import TIMED, WARM_UP, evaluation_seconds, step_seconds


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


@pytest.mark.parametrize(("batch_size", "expected"), [(16, 16), (64, 57)])
def test_it_is_the_middle_of_steps_of_the_batch_size_the_first_left_out(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch, batch_size: int, expected: int
) -> None:
    now, model = 0.0, Model()
    durations = [0.5, 0.3, 0.07, 0.01, 0.03, 0.02, 0.2]
    sizes: list[int] = []
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def losses(images: Tensor, labels: Tensor, *_: object) -> list[Tensor]:
        nonlocal now
        now += durations[len(sizes)]
        sizes.append(len(images))
        return [model.weight.sum()]

    recipe = Recipe(epochs=1, batch_size=batch_size)
    assert step_seconds(model, losses, tiny_dataset, recipe) == pytest.approx(0.03)
    assert sizes == [expected] * (WARM_UP + TIMED)
    assert float(model.weight.detach()) != 0


def test_of_long_steps_a_single_one_is_timed(tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    now, model = 0.0, Model()
    durations = [9.0, 8.0, 7.0]
    monkeypatch.setattr(time, "monotonic", lambda: now)

    def losses(*_: object) -> list[Tensor]:
        nonlocal now
        now += durations.pop(0)
        return [model.weight.sum()]

    assert step_seconds(model, losses, tiny_dataset, Recipe(epochs=1, batch_size=16)) == 7
    assert durations == []


def test_judging_takes_as_long_for_each_image_of_both_splits_as_one_batch_shows(
    tiny_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, looked_at = 0.0, 0
    monkeypatch.setattr(time, "monotonic", lambda: now)

    class Slow(Model):
        def forward(self, images: Tensor) -> Tensor:
            nonlocal now, looked_at
            now += 2.0 * len(images)
            looked_at += len(images)
            return self.weight.expand(len(images), 3)

    count = len(tiny_dataset.validation) + len(tiny_dataset.test)
    assert evaluation_seconds(Slow(), tiny_dataset) == pytest.approx(2.0 * count)
    assert looked_at <= len(tiny_dataset.validation)
