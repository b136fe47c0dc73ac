"""Deep Q-learning: what each choice leads to at best, given the choices before it."""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgenas.searchers.policy import PolicySearcher, Proposals, as_floats, initialise, numbered
from edgenas.searchers.problem import Problem

HIDDEN = 64
LEARNING_RATE = 3e-3

REPLAYED = 64
"""Proposals replayed in one update; all their steps are learnt from."""

UPDATES = 20
"""A round; after it the target network becomes a copy of the network."""

REPLAY = 10_000
"""Proposals kept."""

EXPLORED, LEAST_EPSILON = 200, 0.1
"""The share of random choices falls evenly from 1, over so many proposals, to this (MetaQNN: 2,700, 0.1)."""


_Replayed = tuple[Tensor, NDArray[np.float64], float]
"""Choices, the objectives they led to, and their excess."""


class QNetwork(nn.Module):
    """Values of all choices of the next variable, given the choices so far and the weights of the objectives.

    Args:
        sizes: how many choices each variable has, shape (variables,).
        objectives: how many weights it is told.
        generator: draws the initial parameters; no other random generator is used.
    """

    def __init__(self, sizes: NDArray[np.int64], objectives: int, generator: torch.Generator) -> None:
        super().__init__()
        variables, total = len(sizes), int(sizes.sum())
        with torch.device("meta"):  # where initialising draws nothing from the shared generator
            self._layers = nn.Sequential(
                nn.Linear(total + variables + objectives, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, total),
            )
        initialise(self, generator)
        self._first, owner = numbered(sizes)
        self._foreign = owner != torch.arange(variables)[:, None]
        # Made before each variable.
        self._known = owner < torch.arange(variables)[:, None]

    @override
    def forward(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Values at each step of making choices; those that a step and later ones take are not looked at.

        Args:
            choices: shape (n, variables).
            weights: of the objectives, shape (n, objectives).

        Returns:
            Shape (n, variables, all choices of all variables), minus infinity for those of other variables.
        """
        n, variables = choices.shape
        taken = torch.zeros(n, self._foreign.shape[1]).scatter_(1, choices + self._first, 1)
        states = torch.cat(
            [
                taken[:, None] * self._known,
                torch.eye(variables).expand(n, -1, -1),
                weights[:, None].expand(-1, variables, -1),
            ],
            2,
        )
        values: Tensor = self._layers(states)
        return values.masked_fill(self._foreign, -torch.inf)

    def of(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Values of choices when they are made, shape (n, variables)."""
        values: Tensor = self(choices, weights)
        return values.gather(2, (choices + self._first)[..., None])[..., 0]

    @torch.no_grad()
    def greedy(self, weights: Tensor, random: Tensor, generator: torch.Generator) -> Tensor:
        """Choose the best one variable after the other; shape (n, variables).

        Args:
            weights: of the objectives, shape (n, objectives).
            random: where a choice is drawn instead, shape (n, variables).
            generator: draws it.
        """
        choices = torch.zeros(random.shape, dtype=torch.int64)
        for variable, foreign in enumerate(self._foreign):
            best = self(choices, weights)[:, variable].argmax(1)
            drawn = torch.multinomial((~foreign).float().expand(len(weights), -1), 1, generator=generator)[
                :, 0
            ]
            choices[:, variable] = torch.where(random[:, variable], drawn, best) - self._first[variable]
        return choices


class DQNSearcher(PolicySearcher):
    """Q-learning over the choices of one variable after another (MetaQNN, Baker et al., ICLR 2017).

    With replay and a target network (DQN, Mnih et al., Nature 2015). The network is told the weights of the objectives,
    and what is replayed is rewarded under others of the sweep too (Abels et al., ICML 2019): every architecture
    teaches something for all of them.

    Args:
        problem: what is searched.
        seed: decides everything random.
    """

    name = "dqn"

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._made = 0
        self._replay: deque[_Replayed] = deque(maxlen=REPLAY)
        objectives = len(problem.objectives)
        self.network, self._target = (QNetwork(problem.sizes, objectives, self.generator) for _ in range(2))
        self._optimiser = torch.optim.Adam(self.network.parameters(), LEARNING_RATE)

    @property
    def epsilon(self) -> float:
        """Share of the next choices that are random."""
        return max(LEAST_EPSILON, 1 - (1 - LEAST_EPSILON) * self._made / EXPLORED)

    @override
    def propose(self, weights: Tensor) -> Tensor:
        shape = (len(weights), len(self.problem.sizes))
        random = torch.rand(shape, generator=self.generator) < self.epsilon
        self._made += len(weights)
        return self.network.greedy(weights, random, self.generator)

    @override
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        self._replay.extend(zip(proposals.choices, points, proposals.excess.tolist(), strict=True))
        self._target.load_state_dict(self.network.state_dict())
        for _ in range(UPDATES):
            self._update()

    def _update(self) -> None:
        """One step towards what the choices replayed led to, in the target network's eyes."""
        places = torch.randint(len(self._replay), (REPLAYED,), generator=self.generator).tolist()
        choices, points, excess = zip(*(self._replay[place] for place in places), strict=True)
        all_weights = self.scalarisation.weights
        drawn = torch.randint(len(all_weights), (REPLAYED,), generator=self.generator).numpy()
        rewards = -self.scalarisation.values(np.stack(points), all_weights[drawn]) - np.array(excess)
        taken, weights = torch.stack(choices), as_floats(all_weights[drawn])
        with torch.no_grad():
            later = self._target(taken, weights).amax(2)[:, 1:]
        aim = torch.cat([later, as_floats(rewards)[:, None]], 1)
        loss = nn.functional.mse_loss(self.network.of(taken, weights), aim)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
