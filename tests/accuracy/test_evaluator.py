from collections.abc import Iterator
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from edgenas.accuracy import evaluator as module
from edgenas.accuracy import network_predictions
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.evaluator import AccuracyKind, Evaluator, SupernetEvaluator
from edgenas.accuracy.metrics import confusion, score
from edgenas.accuracy.network_predictions import batch_slices, five_positions
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.errors import OutOfMemoryError
from edgenas.precision.arithmetic import Arithmetic
from edgenas.space import Architecture, MBConvSpace, SearchSpace
from edgenas.testing.evaluator_conformance import EvaluatorConformance
from edgenas.vocabulary import Metric


@pytest.fixture(autouse=True)
def no_split_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_SPLIT_IMAGES", 0)


RECIPE = SupernetRecipe(epochs=12, batch_size=16, learning_rate=0.01)


@pytest.fixture(scope="module")
def trained(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Supernet:
    supernet = Supernet(tiny_space, 0)
    checkpoint = Checkpoint(tmp_path_factory.mktemp("supernet") / "c")
    train(supernet, path_losses(supernet, RECIPE), tiny_dataset, RECIPE, 0, checkpoint)
    return supernet


class TestSupernetEvaluator(EvaluatorConformance):
    @pytest.fixture
    def space(self, tiny_space: MBConvSpace) -> SearchSpace:
        return tiny_space

    @pytest.fixture
    def evaluator(self, space: SearchSpace, trained: Supernet, tiny_dataset: Dataset) -> Evaluator:
        return SupernetEvaluator(trained, tiny_dataset)


class TestInSmallBatches(TestSupernetEvaluator):
    @pytest.fixture
    def evaluator(
        self,
        space: SearchSpace,
        trained: Supernet,
        tiny_dataset: Dataset,
        monkeypatch: pytest.MonkeyPatch,
    ) -> Evaluator:
        monkeypatch.setattr(network_predictions, "BATCH_PIXELS", 16 * 64)
        monkeypatch.setattr(network_predictions, "LEAST_BATCH", 16)
        evaluator = SupernetEvaluator(trained, replace(tiny_dataset, validation=tiny_dataset.train))
        assert len(batch_slices(tiny_dataset.train)) > 2
        return evaluator


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


@pytest.mark.parametrize("metric", ["top-1", "macro-f1", "macro-precision", "macro-recall"])
def test_the_value_is_that_computed_by_hand(
    trained: Supernet,
    tiny_dataset: Dataset,
    architectures: list[Architecture],
    monkeypatch: pytest.MonkeyPatch,
    metric: Metric,
) -> None:
    monkeypatch.setattr(network_predictions, "BATCH_PIXELS", 20 * 64)
    monkeypatch.setattr(network_predictions, "LEAST_BATCH", 16)
    split = tiny_dataset.train  # more than one batch
    evaluator = SupernetEvaluator(trained, replace(tiny_dataset, validation=split), metric)
    for architecture in architectures:
        with torch.no_grad():
            logits = [
                trained(tiny_dataset.normalise(split.images[part]), architecture)
                for part in batch_slices(split)
            ]
        predicted = torch.cat(logits).argmax(1).numpy()
        expected = score(confusion(predicted, split.labels.numpy(), 3), metric)
        assert evaluator.evaluate(architecture) == expected


def test_the_value_is_the_same_whether_images_are_kept_or_not(
    trained: Supernet,
    tiny_dataset: Dataset,
    architectures: list[Architecture],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset = replace(tiny_dataset, validation=tiny_dataset.train)
    kept = SupernetEvaluator(trained, dataset)
    monkeypatch.setattr(module, "CACHED_BYTES", 0)
    fresh = SupernetEvaluator(trained, dataset)
    assert [kept.evaluate(a) for a in architectures] == [fresh.evaluate(a) for a in architectures]


@pytest.mark.parametrize("cached_bytes", [0, 1 << 30])
def test_kept_images_are_normalised_once_and_others_for_each_evaluation(
    trained: Supernet,
    tiny_dataset: Dataset,
    architectures: list[Architecture],
    monkeypatch: pytest.MonkeyPatch,
    cached_bytes: int,
) -> None:
    normalise, calls = Dataset.normalise, 0

    def counted(self: Dataset, images: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return normalise(self, images)

    monkeypatch.setattr(Dataset, "normalise", counted)
    monkeypatch.setattr(module, "CACHED_BYTES", cached_bytes)
    evaluator = SupernetEvaluator(trained, tiny_dataset)
    for architecture in architectures:
        evaluator.evaluate(architecture)
    assert calls == (1 if cached_bytes else len(architectures))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4503599627370496 bytes"
        ),
    ],
    ids=["GPU", "CPU"],
)
def test_running_out_of_memory_names_the_architecture(
    trained: Supernet,
    tiny_dataset: Dataset,
    architectures: list[Architecture],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def forward(self: Supernet, x: Tensor, architecture: Architecture, _: Arithmetic) -> Tensor:
        raise error

    monkeypatch.setattr(Supernet, "forward", forward)
    with pytest.raises(
        OutOfMemoryError, match=rf"^evaluating {architectures[0].id}: ran out of memory; use a smaller"
    ):
        SupernetEvaluator(trained, tiny_dataset).evaluate(architectures[0])


# Giving up early, on a supernet that reads its answers off the images.

CLASSES = 3
ANY = Architecture("any", ())


class Reader(nn.Module):
    """Takes an image for the class that its first pixel says; 255 is for no valid logits. Counts the images."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.seen = 0

    def forward(self, images: Tensor, architecture: Architecture, _: Arithmetic) -> Tensor:
        self.seen += len(images)
        said = (255 * images[:, 0, 0, 0]).round().long()
        logits = functional.one_hot(said.clamp(max=CLASSES - 1), CLASSES).float()
        return torch.where((said == 255)[:, None], torch.nan, logits)


def reading(answers: NDArray[np.int64], metric: Metric = "top-1") -> tuple[SupernetEvaluator, Reader]:
    """Where every image's class is 0 and the answers are these; in batches of at most 16."""
    pixels = torch.from_numpy(answers.astype(np.uint8)).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)
    split = Split(pixels, torch.zeros(len(answers), dtype=torch.int64))
    dataset = Dataset("d", ("a", "b", "c"), split, split, split, (0.0,) * 3, (1.0,) * 3, False, "")
    reader = Reader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_predictions, "BATCH_PIXELS", 16)
        patch.setattr(network_predictions, "LEAST_BATCH", 16)
        return SupernetEvaluator(reader, dataset, metric), reader  # type: ignore[arg-type]


def mixed(images: int, right: int, seed: int) -> NDArray[np.int64]:
    """So many right answers among wrong ones, in random order."""
    return np.random.default_rng(seed).permutation((np.arange(images) >= right).astype(np.int64))


@pytest.mark.parametrize("right", [0, 100, 400])
def test_without_a_rival_every_image_is_looked_at(right: int) -> None:
    evaluator, reader = reading(mixed(400, right, 0))
    assert (evaluator.evaluate(ANY), reader.seen) == (right / 400, 400)


@pytest.mark.parametrize(("right", "to_beat", "most"), [(0, 0.5, 32), (120, 0.9, 48), (340, 0.99, 160)])
def test_what_is_clearly_below_its_rival_is_given_up_early(right: int, to_beat: float, most: int) -> None:
    answers = mixed(400, right, 0)
    evaluator, reader = reading(answers)
    value = evaluator.evaluate(ANY, to_beat)
    assert reader.seen <= most
    assert value == (answers[: reader.seen] == 0).mean()


@given(right=st.integers(0, 300), to_beat=st.floats(0, 1), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_what_is_given_up_has_a_value_below_its_rival_and_all_else_the_whole_one(
    right: int, to_beat: float, seed: int
) -> None:
    answers = mixed(300, right, seed)
    evaluator, reader = reading(answers)
    value = evaluator.evaluate(ANY, to_beat)
    assert value == (answers[: reader.seen] == 0).mean()
    assert value < to_beat or reader.seen == 300


TRIALS = 200


@pytest.mark.parametrize("images", [100, 600])
@pytest.mark.parametrize("to_beat", [0.0, 0.1, 0.5, 0.8, 0.95, 0.98, 1.0])
def test_what_is_as_good_as_its_rival_is_hardly_ever_given_up(images: int, to_beat: float) -> None:
    """With as many looks as there are: a batch of 16 images each, hundreds of them at high resolutions."""
    given_up = 0
    for seed in range(TRIALS):
        evaluator, reader = reading(mixed(images, round(to_beat * images), seed))
        evaluator.evaluate(ANY, to_beat)
        given_up += reader.seen < images
    assert given_up <= 0.02 * TRIALS


def test_a_rival_without_an_error_is_no_reason_to_give_up_at_the_first_one() -> None:
    evaluator, reader = reading(np.array([1] + [0] * 199))
    assert (evaluator.evaluate(ANY, 1.0), reader.seen) == (0.995, 200)


@pytest.mark.parametrize("metric", ["macro-f1", "macro-precision", "macro-recall"])
def test_metrics_that_are_no_mean_over_images_never_stop_early(metric: Metric) -> None:
    evaluator, reader = reading(mixed(400, 20, 0), metric)
    assert evaluator.evaluate(ANY, 1.0) == evaluator.evaluate(ANY)
    assert reader.seen == 800


def test_answers_that_are_no_numbers_are_wrong() -> None:
    answers = mixed(400, 300, 0)
    evaluator, _ = reading(np.where(answers == 0, 0, 255))
    assert evaluator.evaluate(ANY) == 0.75


class FakeEvaluator(Evaluator):
    """Right by default; the tests below break it in one way each."""

    kind: AccuracyKind = "validation"

    def __init__(self) -> None:
        self.calls = 0

    @override
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        self.calls += 1
        return int(architecture.id, 16) % 1000 / 1000


class Percent(FakeEvaluator):
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        return 100 * super().evaluate(architecture)


class Forgetful(FakeEvaluator):
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        return super().evaluate(architecture) / self.calls


class Noisy(FakeEvaluator):
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        return float(np.random.random())


class ByObject(FakeEvaluator):
    def __init__(self) -> None:
        super().__init__()
        self._seen: list[Architecture] = []

    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        if not any(architecture is one for one in self._seen):
            self._seen.append(architecture)
        return 1 / (1 + next(i for i, one in enumerate(self._seen) if one is architecture))


class Swayed(FakeEvaluator):
    """Takes a to_beat for a hint."""

    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        return super().evaluate(architecture) / (1 if to_beat is None else 2)


class Unnamed(FakeEvaluator):
    kind = "guessed"


def broken_checks(evaluator: Evaluator, architectures: list[Architecture]) -> Iterator[str]:
    """Names of the conformance tests that an evaluator fails."""
    kit = EvaluatorConformance()
    fixtures = {"evaluator": evaluator, "architectures": architectures, "to_beat": 1.0}
    for name in (name for name in dir(kit) if name.startswith("test_")):
        check = getattr(kit, name)
        try:
            check(**{wanted: fixtures[wanted] for wanted in signature(check).parameters})
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
                "test_a_rival_with_zero_accuracy_changes_nothing",
                "test_does_not_depend_on_what_was_evaluated_before",
                "test_does_not_depend_on_random_states",
                "test_knows_an_architecture_by_its_choices",
            },
        ),
        (ByObject, {"test_knows_an_architecture_by_its_choices"}),
        (Swayed, {"test_a_rival_with_zero_accuracy_changes_nothing"}),
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


def test_a_small_split_is_looked_at_in_five_positions_and_never_given_up(
    trained: Supernet,
    tiny_dataset: Dataset,
    architectures: list[Architecture],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_predictions, "BATCH_PIXELS", 20 * 64)
    monkeypatch.setattr(network_predictions, "LEAST_BATCH", 16)
    five = replace(tiny_dataset, validation=five_positions(tiny_dataset.train))
    expected = SupernetEvaluator(trained, five)
    monkeypatch.setattr(module, "SMALL_SPLIT_IMAGES", len(tiny_dataset.train) + 1)
    small = SupernetEvaluator(trained, replace(tiny_dataset, validation=tiny_dataset.train))
    for architecture in architectures:
        assert small.evaluate(architecture, to_beat=1.0) == expected.evaluate(architecture)
