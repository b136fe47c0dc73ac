"""Deep Q-learning: the best outcome each choice can lead to, given the choices before it."""

from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgenas.searchers.policy import PolicySearcher, Proposals, as_floats, choice_offsets, initialise
from edgenas.searchers.problem import Problem

HIDDEN = 64
LEARNING_RATE = 3e-3

REPLAYED = 64
"""Proposals replayed per update, each with all its steps."""

UPDATES = 20
"""Updates per round; at the start of each round the target network is synchronised."""

REPLAY = 10_000
"""Capacity of the replay buffer, in proposals."""

EXPLORED, LEAST_EPSILON = 200, 0.1
"""The share of random choices falls linearly from 1, over this many proposals, to the minimum (MetaQNN: 2,700, 0.1)."""


_Replayed = tuple[Tensor, NDArray[np.float64], float]
"""Choices, their objectives, and their excess latency."""


class QNetwork(nn.Module):
    """Q-values of the next variable's choices, given the choices so far and the weights of the objectives.

    Args:
        sizes: how many choices each variable has, shape (variables,).
        objectives: number of objectives, each with a weight.
        generator: draws the initial parameters; no other random generator is used.
    """

    def __init__(self, sizes: NDArray[np.int64], objectives: int, generator: torch.Generator) -> None:
        super().__init__()
        variables, total = len(sizes), int(sizes.sum())
        with torch.device("meta"):  # initialising there does not use the shared generator
            self._layers = nn.Sequential(
                nn.Linear(total + variables + objectives, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, total),
            )
        initialise(self, generator)
        self._offsets, owner = choice_offsets(sizes)
        self._other_variables = owner != torch.arange(variables)[:, None]
        # Choices of the variables before each one.
        self._earlier = owner < torch.arange(variables)[:, None]

    @override
    def forward(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Q-values at each step; a step sees only the choices of the steps before it.

        Args:
            choices: shape (n, variables).
            weights: of the objectives, shape (n, objectives).

        Returns:
            Shape (n, variables, all choices of all variables), minus infinity for choices of other variables.
        """
        n, variables = choices.shape
        taken = torch.zeros(n, self._other_variables.shape[1]).scatter_(1, choices + self._offsets, 1)
        states = torch.cat(
            [
                taken[:, None] * self._earlier,
                torch.eye(variables).expand(n, -1, -1),
                weights[:, None].expand(-1, variables, -1),
            ],
            2,
        )
        values: Tensor = self._layers(states)
        return values.masked_fill(self._other_variables, -torch.inf)

    def of(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Q-values of the given choices, shape (n, variables)."""
        values: Tensor = self(choices, weights)
        return values.gather(2, (choices + self._offsets)[..., None])[..., 0]

    @torch.no_grad()
    def greedy(self, weights: Tensor, random: Tensor, generator: torch.Generator) -> Tensor:
        """Choose the best choice of one variable after another; shape (n, variables).

        Args:
            weights: of the objectives, shape (n, objectives).
            random: where to sample a choice instead, shape (n, variables).
            generator: for that sampling.
        """
        choices = torch.zeros(random.shape, dtype=torch.int64)
        for variable, masked in enumerate(self._other_variables):
            best = self(choices, weights)[:, variable].argmax(1)
            sampled = torch.multinomial((~masked).float().expand(len(weights), -1), 1, generator=generator)[
                :, 0
            ]
            choices[:, variable] = torch.where(random[:, variable], sampled, best) - self._offsets[variable]
        return choices


class DQNSearcher(PolicySearcher):
    """Q-learning over the choices of one variable after another (MetaQNN, Baker et al., ICLR 2017).

    With replay and a target network (DQN, Mnih et al., Nature 2015). The network is conditioned on the weights of the
    objectives, and replayed proposals are rewarded under other weights of the sweep too (Abels et al., ICML 2019), so
    that every architecture improves the policy for all weights.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
    """

    name = "dqn"

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._proposal_count = 0
        self._replay: deque[_Replayed] = deque(maxlen=REPLAY)
        objectives = len(problem.objectives)
        self.network, self._target = (QNetwork(problem.sizes, objectives, self.generator) for _ in range(2))
        self._optimiser = torch.optim.Adam(self.network.parameters(), LEARNING_RATE)

    @property
    def epsilon(self) -> float:
        """Probability that the next choice is random."""
        return max(LEAST_EPSILON, 1 - (1 - LEAST_EPSILON) * self._proposal_count / EXPLORED)

    @override
    def propose(self, weights: Tensor) -> Tensor:
        shape = (len(weights), len(self.problem.sizes))
        random = torch.rand(shape, generator=self.generator) < self.epsilon
        self._proposal_count += len(weights)
        return self.network.greedy(weights, random, self.generator)

    @override
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        self._replay.extend(zip(proposals.choices, points, proposals.excess.tolist(), strict=True))
        self._target.load_state_dict(self.network.state_dict())
        for _ in range(UPDATES):
            self._update()

    def _update(self) -> None:
        """One step towards the replayed rewards, bootstrapped with the target network."""
        indices = torch.randint(len(self._replay), (REPLAYED,), generator=self.generator).tolist()
        choices, points, excess = zip(*(self._replay[index] for index in indices), strict=True)
        all_weights = self.scalarisation.weights
        sampled = torch.randint(len(all_weights), (REPLAYED,), generator=self.generator).numpy()
        rewards = -self.scalarisation.values(np.stack(points), all_weights[sampled]) - np.array(excess)
        taken, weights = torch.stack(choices), as_floats(all_weights[sampled])
        with torch.no_grad():
            next_values = self._target(taken, weights).amax(2)[:, 1:]
        targets = torch.cat([next_values, as_floats(rewards)[:, None]], 1)
        loss = nn.functional.mse_loss(self.network.of(taken, weights), targets)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()
