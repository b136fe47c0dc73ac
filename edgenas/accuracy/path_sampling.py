"""Which paths of a supernet a training step uses, and with which targets."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from torch import Tensor
from torch.nn import functional

from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses
from edgenas.accuracy.training_recipe import Recipe, SupernetRecipe
from edgenas.space import Architecture, NetworkSpace, SearchSpace
from edgenas.vocabulary import Sampling

ANCHORED_SHARE = 0.25
"""Share of steps that train the largest path."""

SANDWICH_RANDOM_PATHS = 2
"""Random paths per step, besides the largest and the smallest."""


def path_losses(supernet: Supernet, recipe: SupernetRecipe) -> Losses:
    """The losses of one step of a supernet.

    `uniform` trains one random path (Guo et al., ECCV 2020). `anchored` takes the largest path in a quarter of the
    steps, as random paths hardly ever come close to it. `fair` trains one path per block of a place, so that each
    place uses all its blocks equally often (Chu et al., "FairNAS", ICCV 2021). `sandwich` trains the largest path on
    the labels, then the smallest and two random ones on its outputs (Yu et al., "BigNAS", ECCV 2020); with several
    image sizes, each at a random one.
    """
    space, smoothing = supernet.space, recipe.label_smoothing
    largest = space.largest

    def label_loss(images: Tensor, labels: Tensor, path: Architecture) -> Tensor:
        return functional.cross_entropy(supernet(images, path), labels, label_smoothing=smoothing)

    def uniform(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        yield label_loss(images, labels, space.sample(rng))

    def anchored(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        yield label_loss(images, labels, largest if rng.random() < ANCHORED_SHARE else space.sample(rng))

    def fair(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        paths = fair_round(space, rng)
        for path in paths:
            yield label_loss(images, labels, path) / len(paths)

    def sandwich(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        logits = supernet(images, _of_a_size(space, rng, "largest"))
        targets = logits.detach().softmax(1)
        yield functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        for path in (
            _of_a_size(space, rng, "smallest"),
            *(space.sample(rng) for _ in range(SANDWICH_RANDOM_PATHS)),
        ):
            yield functional.cross_entropy(supernet(images, path), targets)

    by_name: dict[Sampling, Losses] = {
        "uniform": uniform,
        "anchored": anchored,
        "fair": fair,
        "sandwich": sandwich,
    }
    return by_name[recipe.sampling]


def largest_path_losses(supernet: Supernet, recipe: Recipe) -> Losses:
    """The losses of one step of a supernet's largest network, at one of the image sizes from the middle one up.

    What is learnt from details serves smaller images too.
    """
    space = supernet.space
    sizes = space.resolutions[len(space.resolutions) // 2 :]

    def losses(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        logits = supernet(images, _of_a_size(space, rng, "largest", sizes))
        yield functional.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)

    return losses


def paths_per_step(space: NetworkSpace, recipe: SupernetRecipe) -> int:
    """How many paths a step of `path_losses` trains."""
    if recipe.sampling == "sandwich":
        return 2 + SANDWICH_RANDOM_PATHS
    return len(fair_round(space, np.random.default_rng(0))) if recipe.sampling == "fair" else 1


def _of_a_size(
    space: NetworkSpace,
    rng: np.random.Generator,
    which: Literal["smallest", "largest"],
    sizes: Sequence[int] = (),
) -> Architecture:
    """The smallest or largest architecture at a random image size, of all or some; one alone is not drawn."""
    sizes = sizes or space.resolutions
    size = sizes[0] if len(sizes) == 1 else int(rng.choice(sizes))
    return space.joined(size, getattr(space.at(size), which))


def fair_round(space: NetworkSpace, rng: np.random.Generator) -> list[Architecture]:
    """As many architectures as a place has blocks; without skips, each place uses each of its blocks once.

    Skipped layers follow the distribution of `SearchSpace.sample`. All have one image size, drawn at random.
    """
    sizes = space.resolutions
    size = (
        sizes[rng.integers(len(sizes))] if len(sizes) > 1 else sizes[0]
    )  # no draw that changes other rounds
    part = space.at(size)
    return [space.joined(size, architecture) for architecture in _fair_round(part, rng)]


def _fair_round(space: SearchSpace, rng: np.random.Generator) -> list[Architecture]:
    kinds = [
        [name for name, block in zip(names, blocks, strict=True) if block is not None]
        for names, blocks in zip(space.variables, space.candidates, strict=True)
    ]
    rows = [space.sample(rng).choices for _ in range(max(map(len, kinds)))]
    columns = []
    for names, drawn in zip(kinds, zip(*rows, strict=True), strict=True):
        order = [name for _ in range(-(-len(rows) // len(names))) for name in rng.permutation(names)]
        columns.append([str(new) if old in names else old for old, new in zip(drawn, order, strict=False)])
    return [space.architecture(choices) for choices in zip(*columns, strict=True)]
