import errno
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from edgenas.accuracy import trained_evaluator as module
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import Evaluator
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.standalone import fresh_network, network_losses
from edgenas.accuracy.trained_evaluator import TrainedEvaluator
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import FinalistRecipe
from edgenas.errors import DivergenceError, InputError, OutOfMemoryError, RunConflictError, UnwritableError
from edgenas.progress import Progress, silent
from edgenas.space import Architecture, MBConvSpace, SearchSpace
from edgenas.space.modules import Network
from edgenas.testing import EvaluatorConformance
from edgenas.vocabulary import Metric

CPU = torch.device("cpu")
RECIPE = FinalistRecipe(epochs=3, batch_size=16, learning_rate=0.01)
MAKE = Callable[..., TrainedEvaluator]


@pytest.fixture
def make(tiny_space: MBConvSpace, tiny_dataset: Dataset, tmp_path: Path) -> MAKE:
    """`make(recipe, ...)`: an evaluator that keeps its checkpoints in the test's folder."""

    def make(
        recipe: FinalistRecipe = RECIPE,
        dataset: Dataset = tiny_dataset,
        seed: int = 0,
        metric: Metric = "top-1",
        progress: Progress = silent,
        interval_s: float = 5,
    ) -> TrainedEvaluator:
        return TrainedEvaluator(
            tiny_space,
            lambda architecture: fresh_network(tiny_space, architecture, seed, CPU),
            dataset,
            recipe,
            seed,
            lambda id_: Checkpoint(tmp_path / id_, interval_s),
            metric,
            progress,
        )

    return make


@pytest.fixture
def architecture(tiny_space: MBConvSpace) -> Architecture:
    return tiny_space.sample(np.random.default_rng(0))


class TestTrainedEvaluator(EvaluatorConformance):
    @pytest.fixture
    def space(self, tiny_space: MBConvSpace) -> SearchSpace:
        return tiny_space

    @pytest.fixture
    def evaluator(self, make: MAKE) -> Evaluator:
        return make(RECIPE.model_copy(update={"epochs": 1}))


@pytest.mark.parametrize("metric", ["top-1", "macro-f1"])
def test_the_value_is_that_of_a_network_trained_by_hand(
    make: MAKE,
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    architecture: Architecture,
    tmp_path: Path,
    metric: Metric,
) -> None:
    network = fresh_network(tiny_space, architecture, 7, CPU)
    train(network, network_losses(network, RECIPE), tiny_dataset, RECIPE, 7, Checkpoint(tmp_path / "by hand"))
    split = tiny_dataset.validation
    matrix = confusion(predictions(network, tiny_dataset, split), split.labels.numpy(), 3)
    evaluator = make(seed=7, metric=metric)
    assert evaluator.kind == "validation"
    assert evaluator.evaluate(architecture) == score(matrix, metric)


def test_the_classifier_is_fitted_again_if_the_recipe_says_so(
    make: MAKE, architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[object] = []
    monkeypatch.setattr(module, "refit_linear", lambda *arguments: fitted.append(arguments[1]))
    make().evaluate(architecture)
    assert not fitted
    make(RECIPE.model_copy(update={"refits_classifier": True})).evaluate(architecture)
    (last,) = fitted
    assert isinstance(last, torch.nn.Linear) and last.out_features == 3


def test_a_rival_does_not_stop_it(make: MAKE, architecture: Architecture) -> None:
    assert make().evaluate(architecture, to_beat=1.0) == make().evaluate(architecture)


def test_it_learns(make: MAKE, architecture: Architecture) -> None:
    assert make(RECIPE.model_copy(update={"epochs": 15})).evaluate(architecture) > 0.8


def test_an_interrupted_training_goes_on_and_leaves_nothing_behind(
    make: MAKE, architecture: Architecture, tmp_path: Path
) -> None:
    expected = make().evaluate(architecture)
    assert list(tmp_path.iterdir()) == []

    def interrupt(phase: str, done: float, total: float, detail: str = "") -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(progress=interrupt, interval_s=0).evaluate(architecture)
    assert [path.name for path in tmp_path.iterdir()] == [architecture.id]

    told: list[tuple[str, float, float]] = []
    resumed = make(progress=lambda phase, done, total, detail="": told.append((phase, done, total)))
    assert resumed.evaluate(architecture) == expected
    assert told[0] == (f"training {architecture.id}", 2, 3)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "trouble",
    [
        UnwritableError("x", OSError(errno.ENOSPC, "No space left on device")),
        RunConflictError("the folder is another run's"),
    ],
)
def test_a_training_whose_folder_cannot_be_used_keeps_its_checkpoint(
    make: MAKE, architecture: Architecture, tmp_path: Path, trouble: InputError
) -> None:

    def fill(phase: str, done: float, total: float, detail: str = "") -> None:
        if done >= 2:
            raise trouble

    with pytest.raises(InputError, match=f"^{re.escape(str(trouble))}$"):
        make(progress=fill, interval_s=0).evaluate(architecture)
    assert [path.name for path in tmp_path.iterdir()] == [architecture.id]


def test_divergence_names_the_architecture(
    make: MAKE, tiny_dataset: Dataset, architecture: Architecture
) -> None:
    blank = replace(tiny_dataset, mean=(float("nan"),) * 3)
    with pytest.raises(
        DivergenceError, match=rf"^training {architecture.id}: the loss is nan in epoch 1; look for blank"
    ):
        make(dataset=blank).evaluate(architecture)


@pytest.mark.parametrize(
    ("while_training", "what"), [(True, "training [0-9a-f]{10}"), (False, "evaluating a network")]
)
def test_running_out_of_memory_is_named(
    make: MAKE,
    architecture: Architecture,
    monkeypatch: pytest.MonkeyPatch,
    while_training: bool,
    what: str,
) -> None:
    forward = Network.forward

    def starved(self: Network, x: Tensor) -> Tensor:
        if self.training == while_training:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, x)

    monkeypatch.setattr(Network, "forward", starved)
    with pytest.raises(OutOfMemoryError, match=rf"^{what}: ran out of memory; use a smaller --resolution"):
        make().evaluate(architecture)
