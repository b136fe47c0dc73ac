from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from edgenas.accuracy.path_sampling import (
    SANDWICH_RANDOM_PATHS,
    fair_round,
    largest_path_losses,
    path_losses,
)
from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training_recipe import Recipe, SupernetRecipe
from edgenas.space import Layout, MBConvSpace, ResolutionSpace, SearchSpace, Stage, nasbench_macro
from edgenas.vocabulary import Sampling

SEEDS = st.integers(0, 2**32 - 1)
LABELS = torch.arange(6) % 3
MACRO = nasbench_macro(8, 3, 0.25)


@pytest.fixture(scope="module")
def unskippable() -> MBConvSpace:
    """Every layer is the first of its stage, and has six kinds."""
    stages = tuple(Stage(channels=8, depth=1, stride=1) for _ in range(3))
    return MBConvSpace(
        Layout(resolution=8, classes=3, stem_channels=8, stem_stride=1, stages=stages, head_channels=16)
    )


@pytest.fixture(params=["mbconv", "nasbench-macro"])
def space(request: pytest.FixtureRequest, tiny_space: MBConvSpace) -> SearchSpace:
    return tiny_space if request.param == "mbconv" else MACRO


def images() -> Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def recipe(sampling: Sampling) -> SupernetRecipe:
    return SupernetRecipe(epochs=1, label_smoothing=0.2, sampling=sampling)


def losses_of(supernet: Supernet, sampling: Sampling, labels: Tensor = LABELS, seed: int = 3) -> list[Tensor]:
    return list(path_losses(supernet, recipe(sampling))(images(), labels, np.random.default_rng(seed), 0.0))


def test_uniform_trains_one_drawn_path(space: SearchSpace) -> None:
    supernet = Supernet(space, 0)
    (loss,) = losses_of(supernet, "uniform")
    path = space.sample(np.random.default_rng(3))
    expected = functional.cross_entropy(supernet(images(), path), LABELS, label_smoothing=0.2)
    torch.testing.assert_close(loss, expected)


def test_fair_trains_the_mean_over_a_fair_round(space: SearchSpace) -> None:
    supernet = Supernet(space, 0)
    paths = fair_round(space, np.random.default_rng(3))
    expected = [
        functional.cross_entropy(supernet(images(), path), LABELS, label_smoothing=0.2) for path in paths
    ]
    found = losses_of(supernet, "fair")
    assert len(found) == len(paths)
    torch.testing.assert_close(sum(found), sum(expected) / len(expected))


def test_sandwich_trains_the_largest_on_labels_and_others_on_what_it_says(space: SearchSpace) -> None:
    supernet = Supernet(space, 0)
    smallest, largest = (space.smallest, space.largest)
    logits = supernet(images(), largest)
    expected = [functional.cross_entropy(logits, LABELS, label_smoothing=0.2)]
    rng = np.random.default_rng(3)
    others = [smallest, *(space.sample(rng) for _ in range(SANDWICH_RANDOM_PATHS))]
    expected += [functional.cross_entropy(supernet(images(), path), logits.softmax(1)) for path in others]
    torch.testing.assert_close(losses_of(supernet, "sandwich"), expected)


@pytest.mark.parametrize(
    ("sizes", "drawn"), [((8,), {8}), ((8, 12, 16), {12, 16}), ((8, 10, 12, 16), {12, 16})]
)
def test_the_largest_network_alone_is_trained_at_the_larger_sizes(
    tiny_space: MBConvSpace, sizes: tuple[int, ...], drawn: set[int]
) -> None:
    space = ResolutionSpace(tiny_space, sizes) if len(sizes) > 1 else tiny_space
    supernet = Supernet(space, 0)
    expected = {
        size: functional.cross_entropy(
            supernet(images(), space.joined(size, space.at(size).largest)), LABELS, label_smoothing=0.2
        ).item()
        for size in sizes
    }
    losses = largest_path_losses(supernet, Recipe(epochs=1, label_smoothing=0.2))
    found = [
        next(iter(losses(images(), LABELS, np.random.default_rng(seed), 0.0))).item() for seed in range(20)
    ]
    assert {size for size in sizes for loss in found if loss == pytest.approx(expected[size])} == drawn
    assert all(any(loss == pytest.approx(expected[size]) for size in drawn) for loss in found)


def test_no_gradient_reaches_the_targets_of_a_sandwich(space: SearchSpace) -> None:
    supernet = Supernet(space, 0)
    smallest, largest = (space.smallest, space.largest)
    with torch.no_grad():
        targets = supernet(images(), largest).softmax(1)
    expected = functional.cross_entropy(supernet(images(), smallest), targets)
    parameters = list(supernet.parameters())
    gradients = [
        torch.autograd.grad(loss, parameters, allow_unused=True)
        for loss in (losses_of(supernet, "sandwich")[1], expected)
    ]
    for found, wanted in zip(*gradients, strict=True):
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("sampling", ["uniform", "fair", "sandwich"])
def test_labels_may_be_shares_of_classes(tiny_space: MBConvSpace, sampling: Sampling) -> None:
    supernet = Supernet(tiny_space, 0)
    shares = functional.one_hot(LABELS, 3).float()
    torch.testing.assert_close(losses_of(supernet, sampling, shares), losses_of(supernet, sampling))


@pytest.mark.parametrize("sampling", ["uniform", "fair", "sandwich"])
def test_the_generator_alone_decides_the_paths(tiny_space: MBConvSpace, sampling: Sampling) -> None:
    supernet, found = Supernet(tiny_space, 0), []
    for state in range(2):
        np.random.seed(state)
        torch.manual_seed(state)
        found.append([float(loss.detach()) for loss in losses_of(supernet, sampling)])
    assert found[0] == found[1]
    assert found[0] != [float(loss.detach()) for loss in losses_of(supernet, sampling, seed=4)]


@given(seed=SEEDS)
@settings(max_examples=30)
def test_in_a_fair_round_every_block_stands_at_its_place_exactly_once_where_none_is_skipped(
    unskippable: MBConvSpace, seed: int
) -> None:
    paths = fair_round(unskippable, np.random.default_rng(seed))
    for names, column in zip(
        unskippable.variables, zip(*(p.choices for p in paths), strict=True), strict=True
    ):
        assert sorted(column) == sorted(names)


@given(seed=SEEDS)
@settings(max_examples=50)
def test_in_a_fair_round_nothing_stands_more_often_than_its_share(tiny_space: MBConvSpace, seed: int) -> None:
    for space in (tiny_space, MACRO):
        paths = fair_round(space, np.random.default_rng(seed))
        drawn = np.random.default_rng(seed)
        sampled = [space.sample(drawn) for _ in paths]
        assert all(space.architecture(path.choices) == path for path in paths)
        columns = zip(*(path.choices for path in paths), strict=True)
        before = zip(*(path.choices for path in sampled), strict=True)
        for names, blocks, column, old in zip(
            space.variables, space.candidates, columns, before, strict=True
        ):
            kinds = {name for name, block in zip(names, blocks, strict=True) if block is not None}
            assert [name in kinds for name in column] == [name in kinds for name in old]
            counts = Counter(name for name in column if name in kinds)
            assert max(counts.values(), default=0) <= -(-len(paths) // len(kinds))
            if len(kinds) == len(paths) == sum(counts.values()):
                assert set(counts.values()) == {1}


def test_over_many_fair_rounds_every_block_of_a_place_stands_there_about_equally_often(
    space: SearchSpace,
) -> None:
    rng = np.random.default_rng(0)
    paths = [path for _ in range(600) for path in fair_round(space, rng)]
    for names, blocks, column in zip(
        space.variables, space.candidates, zip(*(p.choices for p in paths), strict=True), strict=True
    ):
        counts = [column.count(name) for name, block in zip(names, blocks, strict=True) if block is not None]
        assert max(counts) < 1.2 * min(counts)


def test_extremes_have_the_least_and_the_most_macs_of_all(tiny_space: MBConvSpace) -> None:
    smallest, largest = (tiny_space.smallest, tiny_space.largest)
    macs = [tiny_space.macs(tiny_space.architecture(choices)) for choices in product(*tiny_space.variables)]
    assert (tiny_space.macs(smallest), tiny_space.macs(largest)) == (min(macs), max(macs))


def test_extremes_of_a_space_whose_identities_may_be_projections() -> None:
    smallest, largest = (MACRO.macs(end) for end in (MACRO.smallest, MACRO.largest))
    rng = np.random.default_rng(0)
    assert all(smallest <= MACRO.macs(MACRO.sample(rng)) <= largest for _ in range(500))
    assert MACRO.text(MACRO.largest) == "2" * 8
    assert MACRO.text(MACRO.smallest) == "0" * 8
