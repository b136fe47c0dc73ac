"""Searchers that learn to make one choice after another, told what is wanted."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgenas.searchers.neighbours import unmet
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import Scalarisation, points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

BATCH = 10
"""Proposals between two rounds of learning, one for each weight vector of two objectives."""

INITIAL = 0.1
"""Parameters start uniform within this of 0, as ENAS's: at first all choices are nearly alike."""


@dataclass(frozen=True)
class Proposals:
    """Choices made one variable after another, and what they stand for.

    Args:
        choices: shape (n, variables).
        weights: of the objectives they were made for, shape (n, objectives).
        architectures: what they stand for; one that keeps the limit in place of one that does not.
        excess: how far above the limit the choices themselves are, as a share of it, 0 to 1, shape (n,).
    """

    choices: Tensor
    weights: NDArray[np.float64]
    architectures: list[Architecture]
    excess: NDArray[np.float64]


class PolicySearcher(Searcher):
    """Asks for what a policy proposes under the weights of a sweep, and has the policy learn from all of it.

    What is proposed again is not asked for again but learnt from as it was told. Where nothing new is proposed, one
    near the first proposal is asked for.

    Args:
        problem: what is searched.
        seed: decides everything random; the generators that a process shares are left alone.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        self.problem = problem
        self.scalarisation = Scalarisation(len(problem.objectives))
        self.generator = torch.Generator().manual_seed(seed)
        self._rng = np.random.default_rng(seed)
        self._sweep = cycle(self.scalarisation.weights)
        self._points: dict[Architecture, NDArray[np.float64]] = {}
        self._proposals: Proposals

    @abstractmethod
    def propose(self, weights: Tensor) -> Tensor:
        """Choices for each row of weights, shape (n, objectives) to (n, variables); too slow ones are repaired."""

    @abstractmethod
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        """Learn from what was proposed last and its objectives, shape (n, objectives)."""

    @override
    def ask(self) -> Sequence[Architecture]:
        self._proposals = self._proposed(np.stack(list(islice(self._sweep, BATCH))))
        proposed = self._proposals.architectures
        if new := [one for one in dict.fromkeys(proposed) if one not in self._points]:
            return new
        other = unmet(self.problem, proposed[0], self._points, self._rng)
        return [] if other is None else [other]

    @override
    def tell(self, outcomes: Sequence[Outcome]) -> None:
        points = points_of(self.problem, outcomes)
        self.scalarisation.see(points)
        self._points |= zip((outcome.architecture for outcome in outcomes), points, strict=True)
        proposals = self._proposals
        self.learn(proposals, np.stack([self._points[one] for one in proposals.architectures]))

    def _proposed(self, weights: NDArray[np.float64]) -> Proposals:
        problem = self.problem
        choices = self.propose(as_floats(weights))
        drawn = [problem.space.decode(row) for row in choices.numpy()]
        taken_ms = np.array([problem.latency_ms(one) for one in drawn])
        excess = np.clip(taken_ms / problem.max_latency_ms - 1, 0, 1)
        return Proposals(choices, weights, [problem.repaired(one, self._rng) for one in drawn], excess)


def numbered(sizes: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Numbers for the choices of all variables: each variable's first, and the variable that each belongs to."""
    return torch.as_tensor(np.cumsum(sizes) - sizes), torch.as_tensor(np.repeat(np.arange(len(sizes)), sizes))


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Give parameters to a module made on the `meta` device, where its making drew nothing from torch's generator."""
    module.to_empty(device="cpu")
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -INITIAL, INITIAL, generator=generator)


def as_floats(values: NDArray[np.float64]) -> Tensor:
    """The same numbers as networks read them."""
    return torch.as_tensor(values, dtype=torch.float32)
