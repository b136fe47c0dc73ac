"""A controller that generates architectures choice by choice, and the base of the searchers that train it."""

from abc import abstractmethod
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgenas.searchers.policy import PolicySearcher, Proposals, as_floats, choice_offsets, initialise
from edgenas.searchers.problem import Problem

HIDDEN = 64

LEARNING_RATE = 1e-2
"""Higher than NASNet's 6e-4: a search evaluates hundreds of architectures, NASNet's controller saw 20,000."""

ENTROPY = 0.05
"""Weight of the entropy bonus, which keeps exploration alive."""

MEMORY = 100
"""Number of most recent proposals whose mean reward is the baseline."""


class Controller(nn.Module):
    """An LSTM over the variables (Zoph and Le, ICLR 2017; ENAS, Pham et al., ICML 2018), conditioned on weights.

    Each step reads the previous choice and the weights of the objectives, so that one policy serves all weights. It
    never uses a shared random generator.

    Args:
        sizes: how many choices each variable has, shape (variables,).
        objectives: number of objectives, each with a weight.
        generator: draws the initial parameters.
    """

    def __init__(self, sizes: NDArray[np.int64], objectives: int, generator: torch.Generator) -> None:
        super().__init__()
        total = int(sizes.sum())
        with torch.device("meta"):  # initialising there does not use the shared generator
            self._embedding = nn.Embedding(total + 1, HIDDEN)
            self._lstm = nn.LSTM(HIDDEN + objectives, HIDDEN, batch_first=True)
            self._head = nn.Linear(HIDDEN, total)
        initialise(self, generator)
        self._offsets, owner = choice_offsets(sizes)
        self._other_variables = owner != torch.arange(len(sizes))[:, None]

    @override
    def forward(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Log-probability of each choice of each variable, given the preceding choices.

        Args:
            choices: shape (n, variables).
            weights: of the objectives, shape (n, objectives).

        Returns:
            Shape (n, variables, all choices of all variables); at most -1e9 for choices of other variables.
        """
        start = torch.full((len(choices), 1), self._other_variables.shape[1])
        tokens = torch.cat([start, (choices + self._offsets)[:, :-1]], 1)
        return self._step(tokens, weights, None)[0].masked_fill(self._other_variables, -1e9).log_softmax(-1)

    def log_probabilities(self, choices: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of whole architectures, and the entropy of their distributions; shapes (n,) and (n,)."""
        logs = self(choices, weights)
        taken = logs.gather(-1, (choices + self._offsets)[..., None])
        return taken.sum((1, 2)), -(logs.exp() * logs).sum((1, 2))

    @torch.no_grad()
    def sample(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Sample an architecture for each row of weights: shape (n, objectives) to choices (n, variables)."""
        state = None
        tokens = torch.full((len(weights), 1), self._other_variables.shape[1])
        drawn = []
        for offset, masked in zip(self._offsets, self._other_variables, strict=True):
            logits, state = self._step(tokens, weights, state)
            probabilities = logits[:, 0].masked_fill(masked, -1e9).softmax(-1)
            tokens = torch.multinomial(probabilities, 1, generator=generator)
            drawn.append(tokens - offset)
        return torch.cat(drawn, 1)

    def _step(
        self, tokens: Tensor, weights: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        conditioning = weights[:, None].expand(-1, tokens.shape[1], -1)
        hidden, state = self._lstm(torch.cat([self._embedding(tokens), conditioning], 2), state)
        return self._head(hidden), state


class ControllerSearcher(PolicySearcher):
    """Lets a controller propose architectures and raises the probability of those better than the recent average.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
        learning_rate: of Adam.
    """

    def __init__(self, problem: Problem, seed: int, learning_rate: float = LEARNING_RATE) -> None:
        super().__init__(problem, seed)
        self._recent: deque[NDArray[np.float64]] = deque(maxlen=MEMORY)
        self.controller = Controller(problem.sizes, len(problem.objectives), self.generator)
        self._optimiser = torch.optim.Adam(self.controller.parameters(), learning_rate)

    @abstractmethod
    def reinforce(self, choices: Tensor, weights: Tensor, advantages: Tensor) -> None:
        """Raise the probability of choices with a positive advantage, lower that of the others.

        Args:
            choices: shape (n, variables).
            weights: the weights they were made for, shape (n, objectives).
            advantages: shape (n,), in standard deviations above the baseline.
        """

    def descend(self, loss: Tensor) -> None:
        """Take one Adam step on a loss."""
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    @override
    def propose(self, weights: Tensor) -> Tensor:
        return self.controller.sample(weights, self.generator)

    @override
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        """The reward: the mean of recent scalarised objectives minus that of the proposal, minus its excess latency."""
        self._recent.extend(points)
        baseline = self.scalarisation.values(np.stack(self._recent), proposals.weights[:, None])
        gain = baseline.mean(1) - self.scalarisation.values(points, proposals.weights)
        advantages = gain / np.maximum(baseline.std(1), 1e-6) - proposals.excess
        self.reinforce(proposals.choices, as_floats(proposals.weights), as_floats(advantages))
