"""Which paths of a supernet a step trains, and against which targets."""

from collections.abc import Iterator

import numpy as np
from torch import Tensor
from torch.nn import functional

from edgenas.accuracy.supernet import Supernet
from edgenas.accuracy.training import Losses
from edgenas.accuracy.training_recipe import SupernetRecipe
from edgenas.space import Architecture, SearchSpace
from edgenas.space.block import block_macs
from edgenas.vocabulary import Sampling

ANCHORED_SHARE = 0.25
"""Steps that train the largest path."""

SANDWICHED = 2
"""Random paths between the largest and the smallest."""


def path_losses(supernet: Supernet, recipe: SupernetRecipe) -> Losses:
    """The losses of one step of a supernet.

    `uniform` trains one random path (Guo et al., ECCV 2020). `anchored` takes the largest one in a quarter of the
    steps, which random paths hardly ever are. `fair` trains as many as a place has blocks, each block at each place
    as often as any other (Chu et al., "FairNAS", ICCV 2021). `sandwich` trains the largest path on the labels, then
    the smallest and two random ones on what the largest says (Yu et al., "BigNAS", ECCV 2020).
    """
    space, smoothing = supernet.space, recipe.label_smoothing
    smallest, largest = extremes(space)

    def told(images: Tensor, labels: Tensor, path: Architecture) -> Tensor:
        return functional.cross_entropy(supernet(images, path), labels, label_smoothing=smoothing)

    def uniform(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        yield told(images, labels, space.sample(rng))

    def anchored(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        yield told(images, labels, largest if rng.random() < ANCHORED_SHARE else space.sample(rng))

    def fair(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        paths = fair_round(space, rng)
        for path in paths:
            yield told(images, labels, path) / len(paths)

    def sandwich(images: Tensor, labels: Tensor, rng: np.random.Generator, _: float) -> Iterator[Tensor]:
        logits = supernet(images, largest)
        targets = logits.detach().softmax(1)
        yield functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        for path in (smallest, *(space.sample(rng) for _ in range(SANDWICHED))):
            yield functional.cross_entropy(supernet(images, path), targets)

    made: dict[Sampling, Losses] = {
        "uniform": uniform,
        "anchored": anchored,
        "fair": fair,
        "sandwich": sandwich,
    }
    return made[recipe.sampling]


def fair_round(space: SearchSpace, rng: np.random.Generator) -> list[Architecture]:
    """As many architectures as a place has blocks; every block stands at its place once, where none is skipped.

    Which layers are skipped is as in `SearchSpace.sample`.
    """
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


def extremes(space: SearchSpace) -> tuple[Architecture, Architecture]:
    """The architectures with the fewest and with the most multiply-accumulates."""
    macs = [[0 if block is None else block_macs(block) for block in blocks] for blocks in space.candidates]
    return (
        space.decode([int(np.argmin(row)) for row in macs]),
        space.decode([int(np.argmax(row)) for row in macs]),
    )
