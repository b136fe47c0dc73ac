from collections.abc import Iterator

import numpy as np
import pytest
import torch
from typing_extensions import override

from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator, SupernetEvaluator
from edgenas.accuracy.recipe import Recipe
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train
from edgenas.space import Architecture, MBConvSpace, SearchSpace
from edgenas.testing.evaluator import EvaluatorConformance


@pytest.fixture(scope="module")
def trained(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Supernet:
    supernet = Supernet(tiny_space, 0)
    train(
        supernet,
        lambda images, rng: supernet(images, tiny_space.sample(rng)),
        tiny_dataset,
        Recipe(epochs=12, batch_size=16, learning_rate=0.01),
        0,
        Checkpoint(tmp_path_factory.mktemp("supernet") / "c"),
    )
    return supernet


class TestSupernetEvaluator(EvaluatorConformance):
    @pytest.fixture
    def space(self, tiny_space: MBConvSpace) -> SearchSpace:
        return tiny_space

    @pytest.fixture
    def evaluator(self, space: SearchSpace, trained: Supernet, tiny_dataset: Dataset) -> Evaluator:
        return SupernetEvaluator(trained, tiny_dataset)


@pytest.fixture
def architectures(tiny_space: MBConvSpace) -> list[Architecture]:
    rng = np.random.default_rng(1)
    return [tiny_space.sample(rng) for _ in range(6)]


def test_inherited_weights_tell_the_classes_apart(
    trained: Supernet, tiny_dataset: Dataset, architectures: list[Architecture]
) -> None:
    evaluator = SupernetEvaluator(trained, tiny_dataset)
    assert evaluator.kind == "supernet"
    assert np.mean([evaluator.evaluate(architecture) for architecture in architectures]) > 0.7


def test_evaluating_leaves_the_supernet_unchanged(
    trained: Supernet, tiny_dataset: Dataset, architectures: list[Architecture]
) -> None:
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    for architecture in architectures:
        SupernetEvaluator(trained, tiny_dataset).evaluate(architecture)
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state_dict().items())


def test_batch_norm_statistics_of_the_supernet_do_not_count(
    trained: Supernet, tiny_space: MBConvSpace, tiny_dataset: Dataset, architectures: list[Architecture]
) -> None:
    spoilt = Supernet(tiny_space, 0)
    spoilt.load_state_dict(trained.state_dict())
    for name, tensor in spoilt.state_dict().items():
        if "running" in name:
            tensor.fill_(1e4)
    for architecture in architectures:
        values = [SupernetEvaluator(net, tiny_dataset).evaluate(architecture) for net in (trained, spoilt)]
        assert values[0] == values[1]


class FakeEvaluator(Evaluator):
    """Right by default; the tests below break it in one way each."""

    kind: AccuracyKind = "validation"

    def __init__(self) -> None:
        self.calls = 0

    @override
    def evaluate(self, architecture: Architecture) -> float:
        self.calls += 1
        return int(architecture.id, 16) % 1000 / 1000


class Percent(FakeEvaluator):
    def evaluate(self, architecture: Architecture) -> float:
        return 100 * super().evaluate(architecture)


class Forgetful(FakeEvaluator):
    def evaluate(self, architecture: Architecture) -> float:
        return super().evaluate(architecture) / self.calls


class Noisy(FakeEvaluator):
    def evaluate(self, architecture: Architecture) -> float:
        return float(np.random.random())


class ByObject(FakeEvaluator):
    def __init__(self) -> None:
        super().__init__()
        self._seen: list[Architecture] = []

    def evaluate(self, architecture: Architecture) -> float:
        if not any(architecture is one for one in self._seen):
            self._seen.append(architecture)
        return 1 / (1 + next(i for i, one in enumerate(self._seen) if one is architecture))


class Unnamed(FakeEvaluator):
    kind = "guessed"


def broken_checks(evaluator: Evaluator, architectures: list[Architecture]) -> Iterator[str]:
    """Names of the conformance tests that an evaluator fails."""
    kit = EvaluatorConformance()
    for name in (name for name in dir(kit) if name.startswith("test_")):
        arguments = (architectures,) if "architectures" in getattr(kit, name).__annotations__ else ()
        try:
            getattr(kit, name)(evaluator, *arguments)
        except AssertionError:
            yield name


@pytest.mark.parametrize(
    ("evaluator", "expected"),
    [
        (FakeEvaluator, set()),
        (Percent, {"test_gives_a_fraction"}),
        (
            Forgetful,
            {
                "test_evaluating_again_changes_nothing",
                "test_does_not_depend_on_what_was_evaluated_before",
                "test_does_not_depend_on_random_states",
                "test_knows_an_architecture_by_its_choices",
            },
        ),
        (ByObject, {"test_knows_an_architecture_by_its_choices"}),
        (Unnamed, {"test_says_what_its_figure_is"}),
    ],
)
def test_the_conformance_kit_finds_what_is_wrong(
    evaluator: type[FakeEvaluator], expected: set[str], architectures: list[Architecture]
) -> None:
    assert set(broken_checks(evaluator(), architectures)) == expected


def test_the_conformance_kit_finds_an_evaluator_that_draws_from_a_shared_generator(
    architectures: list[Architecture],
) -> None:
    assert "test_does_not_depend_on_random_states" in set(broken_checks(Noisy(), architectures))
