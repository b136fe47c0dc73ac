"""Searchers that learn a policy: it makes one choice after another, given the weights of the objectives."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgenas.searchers.neighbours import unvisited
from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import Scalarisation, points_of
from edgenas.searchers.searcher import Outcome, Searcher
from edgenas.space import Architecture

BATCH = 10
"""Proposals between two rounds of learning: with two objectives, one for each weight vector."""

INITIAL = 0.1
"""Parameters start uniform in +-`INITIAL`, as in ENAS: at first, all choices are almost equally probable."""


@dataclass(frozen=True)
class Proposals:
    """Choices of a policy, and the architectures proposed for them.

    Args:
        choices: shape (n, variables).
        weights: of the objectives, which the choices were made for, shape (n, objectives).
        architectures: those of the choices, repaired where they exceed the limit.
        excess: latency of the unrepaired choices above the limit, as a share of it, 0 to 1, shape (n,).
    """

    choices: Tensor
    weights: NDArray[np.float64]
    architectures: list[Architecture]
    excess: NDArray[np.float64]


class PolicySearcher(Searcher):
    """Proposes what a policy chooses under a sweep of weights, and trains the policy on all its proposals.

    A repeated proposal is not asked for again; the policy learns from its known outcome. If nothing new is proposed, an
    unvisited neighbour of the first proposal is asked for.

    Args:
        problem: space, costs and limit.
        seed: for everything random; global random generators are not used.
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
        """Choices for each row of weights, shape (n, objectives) to (n, variables); slow ones will be repaired."""

    @abstractmethod
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        """Learn from the last proposals and their objectives, shape (n, objectives)."""

    @override
    def ask(self) -> Sequence[Architecture]:
        self._proposals = self._proposed(np.stack(list(islice(self._sweep, BATCH))))
        proposed = self._proposals.architectures
        if new := [one for one in dict.fromkeys(proposed) if one not in self._points]:
            return new
        other = unvisited(self.problem, proposed[0], self._points, self._rng)
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
        chosen = [problem.space.decode(row) for row in choices.numpy()]
        latencies_ms = np.array([problem.latency_ms(one) for one in chosen])
        excess = np.clip(latencies_ms / problem.max_latency_ms - 1, 0, 1)
        return Proposals(choices, weights, [problem.repaired(one, self._rng) for one in chosen], excess)


def choice_offsets(sizes: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Number all choices consecutively: the first number of each variable, and the variable of each number."""
    return torch.as_tensor(np.cumsum(sizes) - sizes), torch.as_tensor(np.repeat(np.arange(len(sizes)), sizes))


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise a module built on the `meta` device, where building it did not use torch's global generator."""
    module.to_empty(device="cpu")
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -INITIAL, INITIAL, generator=generator)


def as_floats(values: NDArray[np.float64]) -> Tensor:
    """Convert to the float32 tensors that networks take."""
    return torch.as_tensor(values, dtype=torch.float32)
