"""A controller that writes architectures choice by choice, and what the searchers that train it share."""

from abc import abstractmethod
from collections import deque

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import override

from edgenas.searchers.policy import PolicySearcher, Proposals, as_floats, initialise, numbered
from edgenas.searchers.problem import Problem

HIDDEN = 64

LEARNING_RATE = 1e-2
"""A searcher sees hundreds of architectures, where NASNet's controller saw twenty thousand; theirs was 6e-4."""

ENTROPY = 0.05
"""Weight of the entropy bonus, which keeps exploration alive."""

MEMORY = 100
"""Of the latest proposals, whose mean is the moving baseline."""


class Controller(nn.Module):
    """An LSTM over the variables (Zoph and Le, ICLR 2017; ENAS, Pham et al., ICML 2018), told what is wanted.

    At each step it reads the choice made last and the weights of the objectives, so that one policy serves all
    weights. Nothing of it draws from a random generator that others share.

    Args:
        sizes: how many choices each variable has, shape (variables,).
        objectives: how many weights it is told.
        generator: draws the initial parameters.
    """

    def __init__(self, sizes: NDArray[np.int64], objectives: int, generator: torch.Generator) -> None:
        super().__init__()
        total = int(sizes.sum())
        with torch.device("meta"):  # where initialising draws nothing from the shared generator
            self._embedding = nn.Embedding(total + 1, HIDDEN)
            self._lstm = nn.LSTM(HIDDEN + objectives, HIDDEN, batch_first=True)
            self._head = nn.Linear(HIDDEN, total)
        initialise(self, generator)
        self._first, owner = numbered(sizes)
        self._foreign = owner != torch.arange(len(sizes))[:, None]

    @override
    def forward(self, choices: Tensor, weights: Tensor) -> Tensor:
        """Log-probabilities that each variable takes each choice given those before it.

        Args:
            choices: shape (n, variables).
            weights: of the objectives, shape (n, objectives).

        Returns:
            Shape (n, variables, all choices of all variables), -1e9 and less for those of other variables.
        """
        start = torch.full((len(choices), 1), self._foreign.shape[1])
        read = torch.cat([start, (choices + self._first)[:, :-1]], 1)
        return self._step(read, weights, None)[0].masked_fill(self._foreign, -1e9).log_softmax(-1)

    def log_probabilities(self, choices: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Of whole architectures, and the entropy of the choices they came from; shapes (n,) and (n,)."""
        logs = self(choices, weights)
        taken = logs.gather(-1, (choices + self._first)[..., None])
        return taken.sum((1, 2)), -(logs.exp() * logs).sum((1, 2))

    @torch.no_grad()
    def sample(self, weights: Tensor, generator: torch.Generator) -> Tensor:
        """Draw an architecture for each row of weights; shape (n, objectives) to choices (n, variables)."""
        state = None
        read = torch.full((len(weights), 1), self._foreign.shape[1])
        drawn = []
        for first, foreign in zip(self._first, self._foreign, strict=True):
            logits, state = self._step(read, weights, state)
            chances = logits[:, 0].masked_fill(foreign, -1e9).softmax(-1)
            read = torch.multinomial(chances, 1, generator=generator)
            drawn.append(read - first)
        return torch.cat(drawn, 1)

    def _step(
        self, read: Tensor, weights: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        told = weights[:, None].expand(-1, read.shape[1], -1)
        hidden, state = self._lstm(torch.cat([self._embedding(read), told], 2), state)
        return self._head(hidden), state


class ControllerSearcher(PolicySearcher):
    """Has a controller propose, and makes what turned out better than usual likelier.

    Args:
        problem: what is searched.
        seed: decides everything random.
        learning_rate: of Adam.
    """

    def __init__(self, problem: Problem, seed: int, learning_rate: float = LEARNING_RATE) -> None:
        super().__init__(problem, seed)
        self._latest: deque[NDArray[np.float64]] = deque(maxlen=MEMORY)
        self.controller = Controller(problem.sizes, len(problem.objectives), self.generator)
        self._optimiser = torch.optim.Adam(self.controller.parameters(), learning_rate)

    @abstractmethod
    def reinforce(self, choices: Tensor, weights: Tensor, advantages: Tensor) -> None:
        """Make choices with an advantage likelier, the others less.

        Args:
            choices: shape (n, variables).
            weights: they were made for, shape (n, objectives).
            advantages: shape (n,), in standard deviations above what is usual.
        """

    def descend(self, loss: Tensor) -> None:
        """One step of Adam down the gradient of a loss."""
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()

    @override
    def propose(self, weights: Tensor) -> Tensor:
        return self.controller.sample(weights, self.generator)

    @override
    def learn(self, proposals: Proposals, points: NDArray[np.float64]) -> None:
        """The reward is how far below the mean of the latest the scalarised objectives are, less the excess."""
        self._latest.extend(points)
        usual = self.scalarisation.values(np.stack(self._latest), proposals.weights[:, None])
        gain = usual.mean(1) - self.scalarisation.values(points, proposals.weights)
        advantages = gain / np.maximum(usual.std(1), 1e-6) - proposals.excess
        self.reinforce(proposals.choices, as_floats(proposals.weights), as_floats(advantages))
