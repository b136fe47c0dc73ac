import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import chi2
from torch import Tensor, nn

from edgenas.accuracy import training
from edgenas.accuracy.augmentation import Augmentation
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import train
from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.errors import DivergenceError
from edgenas.progress import Progress, silent
from edgenas.searchers.proxyless import architecture_learning
from edgenas.searchers.proxyless.architecture_learning import Learner
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe
from edgenas.space import Architecture, Block, MBConvSpace
from edgenas.vocabulary import Gates, LatencyLoss

Make = Callable[..., Learner]
STEPS = 12
"""Of `weights_recipe`; the first five are the warm-up."""


def trained(
    learner: Learner,
    dataset: Dataset,
    recipe: SupernetRecipe,
    path: Path,
    seed: int = 0,
    progress: Progress = silent,
) -> Learner:
    train(learner, learner, dataset, recipe, seed, Checkpoint(path, interval_s=0), progress)
    return learner


def stop_at(step: int) -> Progress:
    """Stops a training as a killed process would, once it has reported so many steps."""

    def interrupt(phase: str, done: float, total: float, detail: str = "") -> None:
        if round(done * STEPS / total) == step:
            raise KeyboardInterrupt

    return interrupt


def state_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(tensor, other[name]) for name, tensor in one.items()
    )


def training_step(
    learner: Learner, dataset: Dataset, recipe: SupernetRecipe, done: float = 0.5, seed: int = 0
) -> None:
    """A step on the first training images."""
    optimizer = torch.optim.SGD(learner.parameters(), 0.1)
    rng = np.random.default_rng(seed)
    training.training_step(
        optimizer, learner, dataset, torch.arange(16), recipe, rng, torch.device("cpu"), done
    )


# Warm-up.


def test_while_warming_up_weights_are_trained_as_those_of_any_supernet_and_nothing_else(
    make_learner: Make,
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    tmp_path: Path,
) -> None:
    learner = make_learner(warm_up=0.95)
    before = state_of(learner.distribution)
    trained(learner, tiny_dataset, weights_recipe, tmp_path / "learner")
    plain = Supernet(tiny_space, 0)
    losses = path_losses(plain, weights_recipe)
    train(plain, losses, tiny_dataset, weights_recipe, 0, Checkpoint(tmp_path / "plain"))
    assert same(state_of(learner.supernet), state_of(plain))
    assert same(state_of(learner.distribution), before)
    assert not learner.recorder.losses.any()


@pytest.mark.parametrize("warm_up", [0.0, 0.4])
def test_the_distribution_is_learnt_from_the_end_of_the_warm_up_on(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe, warm_up: float
) -> None:
    for done, learns in ((0.0, warm_up == 0), (0.399, warm_up == 0), (0.4, True), (0.99, True)):
        learner = make_learner(warm_up=warm_up)
        before, weights = state_of(learner.distribution), state_of(learner.supernet)
        training_step(learner, tiny_dataset, weights_recipe, done)
        assert same(state_of(learner.distribution), before) != learns
        assert not same(state_of(learner.supernet), weights)


# A step.


def other_labels(split: Split) -> Split:
    return Split(split.images, (split.labels + 1) % 3)


@pytest.mark.parametrize("gates", get_args(Gates))
def test_the_architecture_learns_from_validation_images_and_weights_from_training_images(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe, gates: Gates
) -> None:
    changed = {
        "neither": replace(tiny_dataset, test=other_labels(tiny_dataset.test)),
        "validation": replace(tiny_dataset, validation=other_labels(tiny_dataset.validation)),
        "train": replace(tiny_dataset, train=other_labels(tiny_dataset.train)),
    }
    found = {}
    for name, dataset in {"as it is": tiny_dataset, **changed}.items():
        learner = make_learner(dataset=dataset, gates=gates, warm_up=0)
        training_step(learner, dataset, weights_recipe)
        found[name] = (state_of(learner.supernet), state_of(learner.distribution))
    weights, logits = found["as it is"]
    assert same(found["neither"][0], weights) and same(found["neither"][1], logits)
    assert same(found["validation"][0], weights) and not same(found["validation"][1], logits)
    assert not same(found["train"][0], weights) and same(found["train"][1], logits)


@pytest.mark.parametrize("gates", get_args(Gates))
def test_the_step_of_the_architecture_leaves_weights_and_their_gradients_alone(
    make_learner: Make, gates: Gates
) -> None:
    learner = make_learner(gates=gates, warm_up=0)
    before = state_of(learner.distribution)
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn(16, 3, 8, 8, generator=generator), torch.arange(16) % 3
    losses = learner(*batch, np.random.default_rng(0), 0.5)
    next(losses).backward()
    assert same(state_of(learner.distribution), before)
    weights = state_of(learner.supernet)
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in learner.supernet.named_parameters()
        if parameter.grad is not None
    }
    assert gradients and next(losses, None) is None
    assert not same(state_of(learner.distribution), before)
    assert same(state_of(learner.supernet), weights)
    for name, parameter in learner.supernet.named_parameters():
        assert parameter.requires_grad
        assert (parameter.grad is None) == (name not in gradients)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])


def test_each_step_learns_from_as_many_different_validation_images_as_a_batch_has_or_all(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []

    def spy(dataset: Dataset, split: Split, chosen: Tensor, *rest: Any) -> tuple[Tensor, Tensor]:
        assert split is tiny_dataset.validation
        seen.append(chosen.tolist())
        return training.augmented_batch(dataset, split, chosen, *rest)

    monkeypatch.setattr(architecture_learning, "augmented_batch", spy)
    for batch_size in (4, 64):
        recipe = weights_recipe.model_copy(update={"batch_size": batch_size})
        learner = make_learner(weights=recipe, warm_up=0)
        for seed in range(3):
            training_step(learner, tiny_dataset, recipe, seed=seed)
    assert len({tuple(numbers) for numbers in seen}) == 6
    for numbers, size in zip(seen, [4] * 3 + [len(tiny_dataset.validation)] * 3, strict=True):
        assert len(set(numbers)) == len(numbers) == size


def test_a_two_path_step_moves_one_pair_of_each_variable_at_unchanged_mass(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe, tiny_space: MBConvSpace
) -> None:
    learner = make_learner(gates="two-path", warm_up=0)
    training_step(learner, tiny_dataset, weights_recipe)
    distribution = learner.distribution
    (target,) = distribution.steps[1:].amax((1, 2)).nonzero().flatten().tolist()
    for utilities, names in zip(
        distribution.split(distribution.shared + distribution.own[target]), tiny_space.variables, strict=True
    ):
        assert (utilities != 0).sum() == 2
        assert float(utilities.logsumexp(0)) == pytest.approx(math.log(len(names)), abs=1e-12)


def test_a_full_step_moves_every_choice(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe
) -> None:
    learner = make_learner(gates="full", warm_up=0)
    training_step(learner, tiny_dataset, weights_recipe)
    assert all((row != 0).all() for row in learner.distribution.split(learner.distribution.shared))


def test_logits_stand_still_at_the_end_of_the_training(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe
) -> None:
    moved = []
    for done in (0.4, 0.7, 0.99999):
        learner = make_learner()
        training_step(learner, tiny_dataset, weights_recipe, done)
        moved.append(float(learner.distribution.shared.abs().max()))
    rate = GradientRecipe().learning_rate
    assert moved == pytest.approx([rate, rate / 2, 0], abs=1e-3)


def certain(distribution: Distribution) -> Distribution:
    """The first choice of every variable, for sure."""
    distribution.shared[:, 0] = 1000
    return distribution


def test_weights_are_trained_on_what_is_drawn_and_in_a_quarter_of_the_steps_on_the_largest(
    make_learner: Make,
    make_distribution: Callable[..., Distribution],
    tiny_space: MBConvSpace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = make_learner(distribution=certain(make_distribution()), warm_up=0)
    seen: Counter[Architecture] = Counter()

    def forward(x: Tensor, architecture: Architecture) -> Tensor:
        seen[architecture] += 1
        return torch.zeros(len(x), 3)

    monkeypatch.setattr(learner.supernet, "forward", forward)
    rng = np.random.default_rng(0)
    for _ in range(600):
        next(learner(torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long), rng, 0.5))
    smallest, largest = tiny_space.decode([0, 0, 0, 0]), tiny_space.largest
    assert seen.keys() == {smallest, largest}
    assert 110 < seen[largest] < 190


def test_a_step_is_of_one_target_alone(
    make_learner: Make, make_distribution: Callable[..., Distribution], monkeypatch: pytest.MonkeyPatch
) -> None:
    distribution = make_distribution(3)
    for target in range(3):
        distribution.own[target, :, target] = 1000
    learner = make_learner(distribution=distribution, gates="full", warm_up=0, learning_rate=1e-12)
    space, used = learner.supernet.space, Counter[int]()
    paths = {space.decode([target] * 4): target for target in range(3)} | {space.largest: None}
    trained_on: list[int | None] = []
    learnt_on: list[int] = []

    def forward(x: Tensor, architecture: Architecture) -> Tensor:
        trained_on.append(paths[architecture])
        return torch.zeros(len(x), 3)

    def spy(_: Supernet, images: Tensor, logits: list[Tensor], __: Gates, path: Any, *___: Any) -> Tensor:
        assert path.tolist() == [int(row.argmax()) for row in logits]
        learnt_on.append(path[0])
        return torch.zeros(len(images), 3) + sum(row.sum() for row in logits)

    monkeypatch.setattr(learner.supernet, "forward", forward)
    monkeypatch.setattr(architecture_learning, "relaxed", spy)
    rng = np.random.default_rng(0)
    for _ in range(40):
        before = learner.recorder.losses[1].sum(0)
        list(learner(torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long), rng, 0.99))
        (target,) = (learner.recorder.losses[1].sum(0) - before).nonzero().flatten().tolist()
        assert learnt_on[-1] == target
        assert trained_on[-1] in (target, None)
        used[target] += 1
    assert min(used[target] for target in range(3)) > 5
    assert trained_on.count(None) < 20


def test_pairs_are_drawn_by_their_probabilities_without_replacement_and_apart_from_the_path(
    make_learner: Make,
    make_distribution: Callable[..., Distribution],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    distribution = make_distribution(1, spread=1)
    learner = make_learner(
        distribution=distribution, gates="two-path", warm_up=0, latency_loss="add#linear", learning_rate=1e-12
    )
    drawn: list[Any] = []
    pairs: list[Any] = []

    def spy(
        supernet: Supernet, images: Tensor, logits: list[Tensor], gates: Gates, path: Any, pair: Any, *_: Any
    ) -> Tensor:
        assert not any(parameter.requires_grad for parameter in supernet.parameters())
        drawn.append(path)
        pairs.append(np.sort(pair, 1))
        return torch.zeros(len(images), 3) + sum(row.sum() for row in logits)

    monkeypatch.setattr(architecture_learning, "relaxed", spy)
    monkeypatch.setattr(learner.supernet, "forward", lambda x, _: torch.zeros(len(x), 3))
    batch = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long)
    monkeypatch.setattr(architecture_learning, "augmented_batch", lambda *_: batch)
    rng, count = np.random.default_rng(0), 1000
    for _ in range(count):
        list(learner(*batch, rng, 0.5))
    paths, of_pairs = np.array(drawn), np.array(pairs)
    for i, row in enumerate(distribution.split(distribution.logits()[0].softmax(-1))):
        shares = row.numpy()
        statistic, cells = 0.0, 0
        for a, b in combinations(range(len(shares)), 2):
            of_pair = shares[a] * shares[b] * (1 / (1 - shares[a]) + 1 / (1 - shares[b]))
            with_pair = (of_pairs[:, i] == (a, b)).all(1)
            for choice, share in enumerate(shares):
                seen = (with_pair & (paths[:, i] == choice)).sum()
                expected = count * of_pair * share
                statistic += (seen - expected) ** 2 / expected
                cells += 1
        assert statistic < chi2.ppf(0.9999, cells - 1)


@pytest.mark.parametrize("gates", get_args(Gates))
def test_logits_are_learnt_alike_where_weights_are_trained_in_half_precision(
    make_learner: Make,
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    gates: Gates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on GPUs that have bf16; slopes are small differences of large sums."""
    found = []
    for half in (False, True):
        monkeypatch.setattr(
            training,
            "autocast",
            lambda device, on=half: torch.autocast(device.type, torch.bfloat16, enabled=on),
        )
        learner = make_learner(gates=gates, warm_up=0)
        training_step(learner, tiny_dataset, weights_recipe)
        found.append((state_of(learner.supernet), state_of(learner.distribution)))
    assert same(found[0][1], found[1][1])
    assert not same(found[0][0], found[1][0])


@pytest.mark.parametrize(("poison", "shown"), [([math.nan] * 3, "nan"), ([0.0, -math.inf, 0.0], "inf")])
def test_a_loss_on_validation_images_that_is_no_number_stops_the_training(
    make_learner: Make, poison: list[float], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner(warm_up=0)
    batch = torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long)
    losses = learner(*batch, np.random.default_rng(0), 0.5)
    assert next(losses).isfinite()
    monkeypatch.setattr(
        architecture_learning, "relaxed", lambda _, images, *__: torch.tensor([poison] * len(images))
    )
    before = state_of(learner.distribution)
    with pytest.raises(
        DivergenceError,
        match=rf"^supernet: the loss on validation images is {shown}; look for blank or mislabelled images, "
        r"or try another --seed$",
    ):
        next(losses)
    assert same(state_of(learner.distribution), before)


# Whole trainings.


@pytest.fixture(scope="module")
def uninterrupted(
    make_learner: Make,
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Gates], tuple[Learner, dict[str, Tensor]]]:
    """`uninterrupted(gates)`: a learner trained in one go, and its last checkpoint."""

    @cache
    def make(gates: Gates) -> tuple[Learner, dict[str, Tensor]]:
        path = tmp_path_factory.mktemp("uninterrupted") / "c"
        return trained(make_learner(gates=gates), tiny_dataset, weights_recipe, path), load_file(path)

    return make


@pytest.mark.parametrize(
    ("gates", "stops"),
    [
        *[("two-path", stops) for stops in ([2], [5], [6], [9], [3, 9], list(range(STEPS)), [STEPS])],
        *[(gates, [4, 8]) for gates in get_args(Gates) if gates != "two-path"],
    ],
    ids=str,
)
def test_an_interrupted_learning_ends_with_the_very_state_of_an_uninterrupted_one(
    make_learner: Make,
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    uninterrupted: Callable[[Gates], tuple[Learner, dict[str, Tensor]]],
    tmp_path: Path,
    gates: Gates,
    stops: list[int],
) -> None:
    expected, kept = uninterrupted(gates)
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            trained(make_learner(gates=gates), tiny_dataset, weights_recipe, tmp_path / "c", 0, stop_at(stop))
    torch.manual_seed(123)
    resumed = trained(make_learner(gates=gates), tiny_dataset, weights_recipe, tmp_path / "c")
    assert same(state_of(resumed), state_of(expected))
    assert same(load_file(tmp_path / "c"), kept), "with both optimisers' moments"
    curves = [
        each.recorder.curves(each.distribution, GradientRecipe(gates=gates)) for each in (resumed, expected)
    ]
    assert curves[0] == curves[1]
    assert len(curves[0].done) == 7


@pytest.mark.parametrize("latency_loss", get_args(LatencyLoss))
@pytest.mark.parametrize("gates", get_args(Gates))
def test_all_gates_and_losses_learn_weights_and_logits(
    make_learner: Make,
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    tmp_path: Path,
    gates: Gates,
    latency_loss: LatencyLoss,
) -> None:
    learner = make_learner(gates=gates, latency_loss=latency_loss, warm_up=0)
    weights = state_of(learner.supernet)
    trained(learner, tiny_dataset, weights_recipe, tmp_path / "c")
    distribution = learner.distribution
    assert all(tensor.isfinite().all() for tensor in learner.state_dict().values())
    assert not any(torch.equal(tensor, weights[name]) for name, tensor in learner.supernet.named_parameters()
                   if "conv" in name)  # fmt: skip
    assert distribution.learnt and distribution.steps[0].equal(distribution.steps[1:].sum(0))
    assert distribution.own.flatten(1).any(1).all()
    assert distribution.multipliers.any() == (latency_loss == "constraint")
    assert not distribution.shared[distribution.logits()[0].isinf()].any()


def test_labels_that_are_shares_of_classes_serve_the_architecture_too(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe, tmp_path: Path
) -> None:
    augmentation = Augmentation(randaugment=True, mixup=True, cutmix=True)
    recipe = weights_recipe.model_copy(update={"augmentation": augmentation})
    learner = trained(make_learner(weights=recipe), tiny_dataset, recipe, tmp_path / "c")
    assert learner.distribution.shared.any()
    assert all(tensor.isfinite().all() for tensor in learner.state_dict().values())


def test_the_seed_alone_decides(
    make_learner: Make, tiny_dataset: Dataset, weights_recipe: SupernetRecipe, tmp_path: Path
) -> None:
    found = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)
        np.random.seed(i)
        found.append(state_of(trained(make_learner(), tiny_dataset, weights_recipe, tmp_path / str(i), seed)))
    assert same(found[0], found[1])
    assert not torch.equal(found[0]["distribution.shared"], found[2]["distribution.shared"])


# What is learnt.

NOISE = 1.0
"""Deviation of what stands for the output of a useless block; about that of any output."""


@pytest.mark.parametrize(("gates", "variable"), [("two-path", 0), ("two-path", 3), ("full", 2)])
def test_the_only_block_of_a_layer_whose_output_is_no_noise_wins(
    make_learner: Make,
    make_distribution: Callable[..., Distribution],
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    weights_recipe: SupernetRecipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gates: Gates,
    variable: int,
) -> None:
    good, noisy = tiny_space.candidates[variable][1], set(tiny_space.candidates[variable])
    noisy -= {good, None}
    run, place = Supernet.run, 1 + variable
    generator = torch.Generator().manual_seed(0)

    def poisoned(self: Supernet, at: int, block: Block | None, x: Tensor) -> Tensor:
        y = run(self, at, block, x)
        if at != place or block not in noisy:
            return y
        return 0 * y + NOISE * torch.randn(y.shape, generator=generator)

    monkeypatch.setattr(Supernet, "run", poisoned)
    recipe = weights_recipe.model_copy(update={"epochs": 35})
    distribution = make_distribution(2, share=0.6)
    learner = make_learner(weights=recipe, distribution=distribution, gates=gates, warm_up=0.3)
    trained(learner, tiny_dataset, recipe, tmp_path / "c")
    shares = distribution.split(distribution.logits().softmax(-1))[variable].mean(0)
    assert shares[1] > 0.5
    for share, block in zip(shares, tiny_space.candidates[variable], strict=True):
        assert block not in noisy or share < 0.2


def test_the_architecture_is_learnt_in_one_step_of_so_many_and_its_price_in_all(
    make_learner: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner(every=4, warm_up=0)
    monkeypatch.setattr(learner.supernet, "forward", lambda images, _: torch.zeros(len(images), 3))
    monkeypatch.setattr(learner, "_architecture_step", lambda *_: 1.0)
    rng = np.random.default_rng(0)
    for _ in range(400):
        before = learner.distribution.multipliers.clone()
        list(learner(torch.zeros(2, 3, 8, 8), torch.zeros(2, dtype=torch.long), rng, 0.5))
        assert not learner.distribution.multipliers.equal(before)
    assert 70 < float(learner.recorder.losses[1].sum()) < 130
