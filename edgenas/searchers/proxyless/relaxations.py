"""How a network runs while its architecture is learnt, and where the gradient of each choice comes from.

two-path, full   one sampled path; others are compared in the backward pass (see `gates`)
darts            the mean of all choices, weighted by probability (Liu et al., ICLR 2019); memory of all
gumbel           as darts, with Gumbel noise on the logits and a falling temperature
                 (Xie et al., "SNAS", and Wu et al., "FBNet", 2019)
single-path      one block per layer, the largest, masked to the sampled choice; the masks carry the gradient
                 (Stamoulis et al., 2019)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgenas.accuracy.elastic import run_blended
from edgenas.accuracy.supernet import Supernet
from edgenas.searchers.proxyless.gates import all_compared, gated, pair_compared
from edgenas.space import Block, SearchSpace
from edgenas.vocabulary import Gates

HOTTEST, COLDEST = 5.0, 0.5
"""Temperatures of `gumbel` at the start and at the end of learning."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of a supernet: its choices, each with its place (-1 for none).

    `active` is the sampled choice; `pair` are two choices to compare, which may include it.
    """

    supernet: Supernet
    blocks: tuple[Block | None, ...]
    places: tuple[int, ...]
    active: int
    pair: tuple[int, int]

    def run(self, choice: int, x: Tensor) -> Tensor:
        """The output of one choice."""
        return self.supernet.run(self.places[choice], self.blocks[choice], x)


Relaxation = Callable[[Variable, Tensor, Tensor, float, np.random.Generator], Tensor]
"""Maps a variable, its logits, (choices,), its input, the progress of learning, 0..1, and a generator to its output."""


def _two_path(variable: Variable, logits: Tensor, x: Tensor, _: float, __: np.random.Generator) -> Tensor:
    gradient = pair_compared(logits.detach().softmax(0), variable.pair)
    return gated(logits, x, variable.run, variable.active, variable.pair, gradient)


def _full(variable: Variable, logits: Tensor, x: Tensor, _: float, __: np.random.Generator) -> Tensor:
    gradient = all_compared(logits.detach().softmax(0))
    return gated(logits, x, variable.run, variable.active, range(len(logits)), gradient)


def _darts(variable: Variable, logits: Tensor, x: Tensor, _: float, __: np.random.Generator) -> Tensor:
    return _mean(variable, logits.softmax(0), x)


def _gumbel(
    variable: Variable, logits: Tensor, x: Tensor, progress: float, rng: np.random.Generator
) -> Tensor:
    temperature = HOTTEST * (COLDEST / HOTTEST) ** progress
    noise = torch.as_tensor(rng.gumbel(size=len(logits)), dtype=logits.dtype, device=logits.device)
    return _mean(variable, ((logits + noise) / temperature).softmax(0), x)


def _single_path(variable: Variable, logits: Tensor, x: Tensor, _: float, __: np.random.Generator) -> Tensor:
    """Choices at one place share one block; outputs of different places, and of a skip, are blended."""
    probabilities = logits.softmax(0)
    one_hot = functional.one_hot(torch.tensor(variable.active, device=logits.device), len(logits)).to(
        logits.dtype
    )
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for place in dict.fromkeys(variable.places):
        members = [i for i, each in enumerate(variable.places) if each == place]
        soft = probabilities[members].sum()
        share = one_hot[members].sum() + soft - soft.detach()
        total = total + share * (x if place == -1 else _blended(variable, members, logits, one_hot, x))
    return total


def _blended(variable: Variable, members: list[int], logits: Tensor, one_hot: Tensor, x: Tensor) -> Tensor:
    """Run the blocks of one place as one; its value is that of the active block if that is among them."""
    weights = logits[members].softmax(0)
    if variable.active in members:
        weights = one_hot[members] + weights - weights.detach()
    blocks = [block for i in members if (block := variable.blocks[i]) is not None]
    return run_blended(variable.supernet.module(variable.places[members[0]]), blocks, weights, x)


def _mean(variable: Variable, weights: Tensor, x: Tensor) -> Tensor:
    outputs = [weight * variable.run(i, x) for i, weight in enumerate(weights)]
    return torch.stack(outputs).sum(0)


RELAXATIONS: dict[Gates, Relaxation] = {
    "two-path": _two_path,
    "full": _full,
    "darts": _darts,
    "gumbel": _gumbel,
    "single-path": _single_path,
}

MIXED: frozenset[Gates] = frozenset({"darts", "gumbel"})
"""Relaxations that run every choice, even when weights are trained."""


def relaxed(
    supernet: Supernet,
    images: Tensor,
    logits: list[Tensor],
    gates: Gates,
    sampled: NDArray[np.int64],
    pairs: NDArray[np.int64],
    progress: float,
    rng: np.random.Generator,
) -> Tensor:
    """Run a supernet with differentiable choices.

    Args:
        supernet: its weights get gradients unless `frozen`.
        images: normalised, (N, C, H, W).
        logits: of each variable, (choices,), on the supernet's device.
        gates: how choices are relaxed.
        sampled: the sampled choice of each variable, shape (variables,); not used by mixtures.
        pairs: two choices of each variable to compare, shape (variables, 2); used by `two-path`.
        progress: progress of learning, 0..1.
        rng: used by `gumbel`.

    Returns:
        Logits of the classes, (N, classes).
    """
    space, relax = _space_of(supernet), RELAXATIONS[gates]
    # A mixture skips no layers: every block is at its own place.
    vector = _without_skips(supernet) if gates in MIXED else sampled
    places_of = space.choice_places(vector)
    used = {places[choice] for places, choice in zip(places_of, vector, strict=True)}
    fixed = [(place, block) for place, block in space.path(space.decode(vector)) if place not in used]
    x = images
    for i, (blocks, places) in enumerate(zip(space.candidates, places_of, strict=True)):
        while fixed and fixed[0][0] < max(places):
            x = supernet.run(*fixed.pop(0), x)
        variable = Variable(supernet, blocks, places, int(sampled[i]), (int(pairs[i, 0]), int(pairs[i, 1])))
        x = relax(variable, logits[i], x, progress, rng)
    for place, block in fixed:
        x = supernet.run(place, block, x)
    return x


def _space_of(supernet: Supernet) -> SearchSpace:
    assert isinstance(supernet.space, SearchSpace), "architectures are learnt at one image size"
    return supernet.space


def _without_skips(supernet: Supernet) -> NDArray[np.int64]:
    kept = [[block is not None for block in blocks] for blocks in _space_of(supernet).candidates]
    return np.array([each.index(True) for each in kept])


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """A context in which the model's parameters need no gradients, so that only gates get them."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
