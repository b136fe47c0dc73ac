import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy import training
from edgenas.accuracy.augmentation import Augmentation
from edgenas.accuracy.checkpoint import Checkpoint
from edgenas.accuracy.dataset import Dataset, Split
from edgenas.accuracy.network_predictions import predictions
from edgenas.accuracy.path_sampling import path_losses
from edgenas.accuracy.standalone import network_losses
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses, autocast, train, training_device
from edgenas.accuracy.training_recipe import Recipe, SupernetRecipe
from edgenas.errors import DivergenceError, OutOfMemoryError
from edgenas.progress import Progress, silent
from edgenas.space import MBConvSpace

RECIPE = SupernetRecipe(epochs=4, batch_size=16, learning_rate=0.01)
STEPS = 12
"""Of RECIPE: three an epoch."""
PLAIN = Augmentation(crop=False)
NEVER = 1e9


def train_supernet(
    space: MBConvSpace,
    dataset: Dataset,
    path: Path,
    seed: int = 0,
    progress: Progress = silent,
    recipe: SupernetRecipe = RECIPE,
) -> Supernet:
    supernet = Supernet(space, seed)
    checkpoint = Checkpoint(path, interval_s=0)
    train(supernet, path_losses(supernet, recipe), dataset, recipe, seed, checkpoint, progress)
    return supernet


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def stop_at(step: int) -> Progress:
    """Stops a training as a killed process would, once it has reported so many steps."""

    def interrupt(phase: str, done: float, total: float, detail: str = "") -> None:
        if round(done * STEPS / RECIPE.epochs) == step:
            raise KeyboardInterrupt

    return interrupt


RECIPES = {
    "uniform": RECIPE,
    "fair": RECIPE.model_copy(update={"sampling": "fair"}),
    "sandwich": RECIPE.model_copy(update={"sampling": "sandwich"}),
    "augmented": RECIPE.model_copy(
        update={"augmentation": Augmentation(randaugment=True, mixup=True, cutmix=True)}
    ),
}


@pytest.fixture(scope="module")
def uninterrupted(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Supernet]:
    """`uninterrupted(recipe)`: a supernet trained in one go."""

    @cache
    def trained(recipe: str) -> Supernet:
        path = tmp_path_factory.mktemp("training") / "c"
        return train_supernet(tiny_space, tiny_dataset, path, recipe=RECIPES[recipe])

    return trained


@pytest.mark.parametrize(
    ("recipe", "stops"),
    [
        *[("uniform", stops) for stops in ([0], [1], [3], [5], [9, 9], list(range(1, STEPS)), [STEPS])],
        *[(recipe, [2, 7]) for recipe in RECIPES if recipe != "uniform"],
    ],
)
def test_an_interrupted_training_ends_with_the_very_weights_of_an_uninterrupted_one(
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    uninterrupted: Callable[[str], Supernet],
    tmp_path: Path,
    recipe: str,
    stops: list[int],
) -> None:
    expected = uninterrupted(recipe)
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            train_supernet(tiny_space, tiny_dataset, tmp_path / "c", 0, stop_at(stop), RECIPES[recipe])
    torch.manual_seed(123)
    resumed = train_supernet(tiny_space, tiny_dataset, tmp_path / "c", recipe=RECIPES[recipe])
    assert same_weights(resumed, expected)


def test_steps_lost_since_the_last_checkpoint_are_trained_again(
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    uninterrupted: Callable[[str], Supernet],
    tmp_path: Path,
) -> None:
    model = Supernet(tiny_space, 0)
    rare = Checkpoint(tmp_path / "c", interval_s=NEVER)
    with pytest.raises(KeyboardInterrupt):
        train(model, path_losses(model, RECIPE), tiny_dataset, RECIPE, 0, rare, stop_at(6))
    assert not (tmp_path / "c").exists()
    resumed = train_supernet(tiny_space, tiny_dataset, tmp_path / "c")
    assert same_weights(resumed, uninterrupted("uniform"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_training_on_a_gpu_goes_on_from_its_checkpoint(
    tiny_space: MBConvSpace, tiny_dataset: Dataset, tmp_path: Path
) -> None:
    for progress in (stop_at(5), silent):
        model = Supernet(tiny_space, 0).cuda()
        losses = path_losses(model, RECIPE)
        try:
            epochs = train(model, losses, tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / "c", 0), progress)
        except KeyboardInterrupt:
            continue
    assert epochs == RECIPE.epochs
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_another_seed_gives_other_weights(
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    uninterrupted: Callable[[str], Supernet],
    tmp_path: Path,
) -> None:
    other = train_supernet(tiny_space, tiny_dataset, tmp_path / "c", seed=1)
    assert not same_weights(other, uninterrupted("uniform"))


def test_the_validation_and_test_images_take_no_part_in_training(
    tiny_space: MBConvSpace,
    tiny_dataset: Dataset,
    uninterrupted: Callable[[str], Supernet],
    tmp_path: Path,
) -> None:
    blank = Split(torch.zeros_like(tiny_dataset.test.images), tiny_dataset.test.labels)
    other = replace(tiny_dataset, test=blank, validation=blank)
    assert same_weights(train_supernet(tiny_space, other, tmp_path / "c"), uninterrupted("uniform"))


class Linear(nn.Module):
    """The least that can be trained on images."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.layer = nn.Linear(3 * 8 * 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.flatten(1))


def test_the_loss_falls_and_the_classes_are_learnt(tiny_dataset: Dataset, tmp_path: Path) -> None:
    details: list[str] = []
    model, recipe = Linear(), Recipe(epochs=8, batch_size=16)
    train(
        model, network_losses(model, recipe), tiny_dataset, recipe, 0, Checkpoint(tmp_path / "c"),
        lambda phase, done, total, detail="": details.append(detail),
    )  # fmt: skip
    losses = [float(detail.removeprefix("loss ")) for detail in details[1:]]
    assert losses[-1] < 0.7 * losses[0]
    right = predictions(model, tiny_dataset, tiny_dataset.test) == tiny_dataset.test.labels.numpy()
    assert right.mean() > 0.9


def test_several_losses_a_step_train_as_their_sum_would(tiny_dataset: Dataset, tmp_path: Path) -> None:
    def parts(model: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
        logits = model(images)
        return [functional.cross_entropy(logits, labels), 0.1 * model(images).square().mean()]

    models, details = (Linear(), Linear()), ([], [])
    makers: tuple[Callable[[nn.Module], Losses], ...] = (
        lambda model: lambda images, labels, *_: parts(model, images, labels),
        lambda model: lambda images, labels, *_: [sum(parts(model, images, labels))],
    )
    for i, (model, make) in enumerate(zip(models, makers, strict=True)):
        train(
            model, make(model), tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / str(i)),
            lambda phase, done, total, detail="", i=i: details[i].append(detail),
        )  # fmt: skip
    for mine, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    assert details[0][1] == details[1][1] != ""


def test_each_loss_is_backpropagated_before_the_next_is_asked_for(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    model = Linear()
    gradients: list[float] = []

    def losses(images: Tensor, labels: Tensor, *_: object) -> Iterator[Tensor]:
        assert model.layer.bias.grad is None
        for weight in (1.0, 2.0, 4.0):
            yield weight * model(images).sum() / len(images)
            assert model.layer.bias.grad is not None
            gradients.append(float(model.layer.bias.grad[0]))

    train(model, losses, tiny_dataset, Recipe(epochs=1, batch_size=58), 0, Checkpoint(tmp_path / "c"))
    assert gradients == pytest.approx([1, 3, 7])


def numbered(count: int) -> Dataset:
    """As many training images, each of the value of its number; none is ever changed."""
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, 3, 8, 8).contiguous()
    split = Split(images, torch.arange(count) % 3)
    return Dataset("n", ("a", "b", "c"), split, split, split, (0.0,) * 3, (1.0,) * 3, False, "")


def batches_seen(count: int, batch_size: int, epochs: int, path: Path) -> list[list[int]]:
    """Numbers of the images of each batch; checks that each image comes with its label."""
    model, seen = Linear(), []

    def losses(images: Tensor, labels: Tensor, *_: object) -> list[Tensor]:
        numbers = (255 * images[:, 0, 0, 0]).round().long()
        assert torch.equal(numbers % 3, labels)
        seen.append(numbers.tolist())
        return [model(images).square().mean()]

    path.unlink(missing_ok=True)
    recipe = Recipe(epochs=epochs, batch_size=batch_size, augmentation=PLAIN)
    train(model, losses, numbered(count), recipe, 0, Checkpoint(path, NEVER))
    return seen


@given(count=st.integers(2, 90), batch_size=st.integers(2, 100))
@settings(max_examples=25)
def test_every_training_image_is_seen_once_an_epoch_in_batches_of_about_the_size(
    tmp_path_factory: pytest.TempPathFactory, count: int, batch_size: int
) -> None:
    seen = batches_seen(count, batch_size, 2, tmp_path_factory.getbasetemp() / "once an epoch")
    batches = len(seen) // 2
    for epoch in (seen[:batches], seen[batches:]):
        assert sorted(number for batch in epoch for number in batch) == list(range(count))
    sizes = {len(batch) for batch in seen}
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(batch_size, count)


def test_every_epoch_has_an_order_of_its_own(tmp_path: Path) -> None:
    orders = [tuple(batch) for batch in batches_seen(40, 40, 4, tmp_path / "c")]
    assert len(set(orders)) == 4


def test_the_epochs_trained_are_returned_those_of_earlier_sessions_included(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    for _ in range(2):
        model = Linear()
        losses = network_losses(model, RECIPE)
        assert train(model, losses, tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / "c")) == 4


def test_progress_counts_epochs_and_starts_at_what_an_earlier_session_had_done(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=2)
    for expected in ([("finalist 1/2", 0, 2), ("finalist 1/2", 1, 2), ("finalist 1/2", 2, 2)],
                     [("finalist 1/2", 2, 2)]):  # fmt: skip
        seen: list[tuple[str, float, float]] = []
        model = Linear()
        train(
            model, network_losses(model, recipe), tiny_dataset, recipe, 0, Checkpoint(tmp_path / "c"),
            lambda phase, done, total, detail="", seen=seen: seen.append((phase, done, total)),
            "finalist 1/2",
        )  # fmt: skip
        assert seen == expected


def test_progress_tells_of_every_checkpoint_too(tiny_dataset: Dataset, tmp_path: Path) -> None:
    seen: list[float] = []
    model = Linear()
    train(
        model, network_losses(model, RECIPE), tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / "c", 0),
        lambda phase, done, total, detail="": seen.append(done),
    )  # fmt: skip
    assert seen == pytest.approx([step / 3 for step in range(STEPS + 1)])


def poisoned(model: nn.Module, step: int, poison: float) -> Losses:
    """Losses that are no number in that step alone, counted from 1."""
    calls = 0

    def losses(images: Tensor, labels: Tensor, *_: object) -> list[Tensor]:
        nonlocal calls
        calls += 1
        return [functional.cross_entropy(model(images), labels) + (poison if calls == step else 0)]

    return losses


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_the_training_and_is_not_kept(
    tiny_dataset: Dataset, tmp_path: Path, poison: float
) -> None:
    model, checkpoint = Linear(), Checkpoint(tmp_path / "c", 0)
    with pytest.raises(
        DivergenceError,
        match=r"^finalist 1/2: the loss is (nan|inf) in epoch 2; look for blank or mislabelled images, "
        r"or try another --seed$",
    ):
        train(model, poisoned(model, 5, poison), tiny_dataset, RECIPE, 0, checkpoint, phase="finalist 1/2")
    assert checkpoint.restore(Linear(), torch.optim.AdamW(Linear().parameters()))[0] == 4


@pytest.mark.parametrize("step", [1, 5, STEPS])
def test_a_bad_loss_between_two_checks_is_found_before_anything_is_kept(
    tiny_dataset: Dataset, tmp_path: Path, step: int
) -> None:
    model = Linear()
    with pytest.raises(DivergenceError, match=rf"the loss is nan in epoch {math.ceil(step / 3)};"):
        train(
            model, poisoned(model, step, math.nan), tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / "c", NEVER)
        )
    assert not (tmp_path / "c").exists()


def test_running_out_of_memory_names_the_phase_and_leaves_the_checkpoint(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    model, calls = Linear(), 0

    def losses(images: Tensor, labels: Tensor, *_: object) -> list[Tensor]:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [model(images).square().mean()]

    checkpoint = Checkpoint(tmp_path / "c", 0)
    with pytest.raises(OutOfMemoryError, match=r"^supernet: ran out of memory; use a smaller --resolution"):
        train(model, losses, tiny_dataset, RECIPE, 0, checkpoint, phase="supernet")
    assert checkpoint.restore(Linear(), torch.optim.AdamW(Linear().parameters()))[0] == 3


# What the learning rate and the clock do.


class Weight(nn.Module):
    """One number; its loss has gradient 1, so that AdamW's steps are as long as the learning rate."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))


class Clock:
    """Goes on by `a_step` with every training step, by `a_look` whenever it is read."""

    def __init__(self, a_step: float = 1.0, a_look: float = 0.0) -> None:
        self.now, self.a_step, self.a_look = 1000.0, a_step, a_look

    def __call__(self) -> float:
        self.now += self.a_look
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def rates(
    path: Path,
    clock: Clock,
    epochs: int = 4,
    seconds: float | None = None,
    warm_up_share: float = 0.1,
    progress: Progress = silent,
    interval_s: float = 0,
) -> list[float]:
    """The learning rate of each step of this session: one an epoch."""
    model, weights = Weight(), []

    def losses(images: Tensor, labels: Tensor, *_: object) -> list[Tensor]:
        weights.append(float(model.weight.detach()))
        clock.now += clock.a_step
        return [model.weight.sum()]

    recipe = Recipe(
        epochs=epochs, batch_size=6, learning_rate=0.5, weight_decay=0, warm_up_share=warm_up_share
    )
    try:
        trained = train(
            model, losses, numbered(6), recipe, 0, Checkpoint(path, interval_s), progress, seconds=seconds
        )
        assert trained >= len(weights)
    except KeyboardInterrupt:
        pass
    return (-np.diff([*weights, float(model.weight.detach())])).tolist()


def test_the_learning_rate_warms_up_and_then_falls_to_nothing(tmp_path: Path) -> None:
    found = rates(tmp_path / "c", Clock(), epochs=100, warm_up_share=0.2)
    assert found[0] == pytest.approx(0.5 * 0.01)
    assert found[10] == pytest.approx(0.25)
    assert found[20] == max(found) == pytest.approx(0.5)
    assert found[60] == pytest.approx(0.25)
    assert 0 < found[99] < 0.001
    assert found[:21] == sorted(found[:21])
    assert found[20:] == sorted(found[20:], reverse=True)


def test_the_learning_rate_of_a_training_by_the_clock_follows_the_clock(tmp_path: Path, clock: Clock) -> None:
    by_epochs = rates(tmp_path / "a", clock, epochs=20)
    by_clock = rates(tmp_path / "b", clock, epochs=3, seconds=20)
    assert by_clock == pytest.approx(by_epochs)
    clock.a_step = 4
    slower = rates(tmp_path / "c", clock, epochs=3, seconds=20)
    assert slower == pytest.approx(by_epochs[::4])


@pytest.mark.parametrize(("a_step", "steps"), [(1.0, 10), (3.0, 4), (100.0, 1)])
def test_a_training_by_the_clock_ends_when_the_clock_says_so(
    tmp_path: Path, clock: Clock, a_step: float, steps: int
) -> None:
    clock.a_step = a_step
    assert len(rates(tmp_path / "c", clock, epochs=1, seconds=10)) == steps


@pytest.mark.parametrize("stops", [[0], [4], [1, 2, 9], [10]])
def test_a_resumed_training_by_the_clock_counts_earlier_seconds_but_not_those_between(
    tmp_path: Path, clock: Clock, stops: list[int]
) -> None:
    whole = rates(tmp_path / "whole", clock, seconds=10)
    found: list[float] = []
    for stop in [*stops, math.inf]:

        def interrupt(phase: str, done: float, total: float, detail: str = "", at: float = stop) -> None:
            if done == at:
                raise KeyboardInterrupt

        found += rates(tmp_path / "c", clock, seconds=10, progress=interrupt)
        clock.now += 3600
    assert found == pytest.approx(whole)


@pytest.mark.parametrize("seconds", range(3, 30))
def test_a_training_by_the_clock_is_kept_with_its_last_step_wherever_time_runs_out(
    tmp_path: Path, clock: Clock, seconds: int
) -> None:
    clock.a_look = 1.0
    details: list[str] = []

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        details.append(f"{done:g}/{total:g} {detail}")

    assert rates(tmp_path / "c", clock, seconds=seconds, progress=progress, interval_s=NEVER)
    assert details[-1].startswith(f"{seconds}/{seconds} loss ")
    assert rates(tmp_path / "c", clock, seconds=seconds) == []


def test_progress_of_a_training_by_the_clock_is_in_seconds(tmp_path: Path, clock: Clock) -> None:
    clock.a_step = 4
    seen: list[tuple[float, float]] = []

    def progress(phase: str, done: float, total: float, detail: str = "") -> None:
        seen.append((done, total))
        if done == 8 and len(seen) == 3:
            raise KeyboardInterrupt

    rates(tmp_path / "c", clock, seconds=10, progress=progress)
    assert seen == [(0, 10), (4, 10), (8, 10)]
    rates(tmp_path / "c", clock, seconds=10, progress=progress)
    assert seen[3:] == [(8, 10), (10, 10)]


# In which arithmetic.


def test_the_gpu_is_used_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert training_device().type == kind


@pytest.mark.parametrize(
    ("device", "supported", "expected"), [("cpu", True, None), ("cuda", False, None), ("cuda", True, "cuda")]
)
def test_bf16_is_for_gpus_that_have_it(
    monkeypatch: pytest.MonkeyPatch, device: str, supported: bool, expected: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: supported)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, that there is no GPU
        context = autocast(torch.device(device))
    assert isinstance(context, torch.autocast) == bool(expected)
    if isinstance(context, torch.autocast):
        assert (context.device, context.fast_dtype) == (expected, torch.bfloat16)


def as_list(model: nn.Module, seen: list[bool], images: Tensor) -> Iterable[Tensor]:
    seen.append(torch.is_autocast_enabled("cpu"))
    return [model(images).float().square().mean()]


def as_generator(model: nn.Module, seen: list[bool], images: Tensor) -> Iterable[Tensor]:
    for _ in range(2):
        seen.append(torch.is_autocast_enabled("cpu"))
        yield model(images).float().square().mean()


@pytest.mark.parametrize("losses", [as_list, as_generator])
def test_losses_are_computed_under_autocast_but_not_their_gradients(
    tiny_dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    losses: Callable[[nn.Module, list[bool], Tensor], Iterable[Tensor]],
) -> None:
    monkeypatch.setattr(training, "autocast", lambda _: torch.autocast("cpu", torch.bfloat16))
    model, forwards, backwards = Linear(), [], []
    model.layer.bias.register_hook(lambda _: backwards.append(torch.is_autocast_enabled("cpu")))
    train(
        model, lambda images, labels, *_: losses(model, forwards, images), tiny_dataset, RECIPE, 0,
        Checkpoint(tmp_path / "c"),
    )  # fmt: skip
    assert set(forwards) == {True}
    assert set(backwards) == {False}
    assert len(forwards) == len(backwards) >= STEPS


def test_dropout_follows_the_seed_and_the_step_whatever_torchs_own_state_which_is_left_alone(
    tiny_dataset: Dataset, tmp_path: Path
) -> None:
    """Networks of other libraries draw from torch's shared generator."""
    found = []
    for state in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.Dropout(0.5), nn.Linear(8, 3))
            network(tiny_dataset.normalise(tiny_dataset.train.images[:2]))
        torch.manual_seed(state)
        before = torch.get_rng_state()
        losses = network_losses(network, RECIPE)
        train(network, losses, tiny_dataset, RECIPE, 0, Checkpoint(tmp_path / str(state)))
        assert torch.equal(torch.get_rng_state(), before)
        found.append(network.state_dict())
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
