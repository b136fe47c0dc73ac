"""The learnt architecture: the probability of each choice, for each of several target latencies.

Choices are independent: one softmax per variable. The logits of a target are a part shared by all targets, a part of
its own, and the price of latency: `shared + own - multiplier * cost`. The multiplier is adjusted until the latency
meets the target. One training thus gives a network for every latency, and a step for one target benefits all.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenas.latency.expectation import expected_latency_ms
from edgenas.latency.predictor import LatencyPredictor

DECAY = 0.999
"""Decay of Adam's second moment."""

EPSILON = 1e-8

DAMPING = 0.3
"""Share of a Newton step by which a multiplier moves initially."""

LEAST_VARIANCE = 1e-2
"""Lower bound of a target's latency variance, in squares of the range; a converged distribution would otherwise take
unbounded steps."""


class Distribution(nn.Module):
    """Probabilities of choices for several targets, with the complete state of their optimiser.

    All are buffers, in float64 on the CPU: checkpoints include them, but the optimiser of the weights does not touch
    them. P is the padded number of choices; padding has logits of minus infinity.

    Args:
        predictor: provides the latency of choices.
        limit_ms: the largest target, capped at the latency of the slowest network.
        targets: number of targets, evenly spaced above the fastest network.
    """

    targets_ms: Tensor
    shared: Tensor
    own: Tensor
    multipliers: Tensor
    squares: Tensor
    steps: Tensor

    def __init__(self, predictor: LatencyPredictor, limit_ms: float, targets: int) -> None:
        super().__init__()
        self.predictor = predictor
        self.sizes = [len(costs) for costs in predictor.choice_ms]
        fastest_ms, slowest_ms = (
            float(predictor.predict_encoded(predictor.space.encode(end)[None])[0])
            for end in (predictor.fastest(), predictor.slowest())
        )
        self.range_ms = max(slowest_ms - fastest_ms, 1e-9)
        """From the fastest to the slowest network; multipliers are nats per this range."""
        self._binding = limit_ms < slowest_ms
        top_ms = min(limit_ms, slowest_ms)
        shape = (len(self.sizes), max(self.sizes))
        self._costs = torch.zeros(shape, dtype=torch.float64)
        self._valid = torch.zeros(shape, dtype=torch.bool)
        for i, costs in enumerate(predictor.choice_ms):
            self._costs[i, : len(costs)] = torch.from_numpy(costs / self.range_ms)
            self._valid[i, : len(costs)] = True
        steps = torch.arange(1, targets + 1, dtype=torch.float64) / targets
        self.register_buffer("targets_ms", fastest_ms + steps * (top_ms - fastest_ms))
        self.register_buffer("shared", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("own", torch.zeros((targets, *shape), dtype=torch.float64))
        self.register_buffer("multipliers", torch.zeros(targets, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros((1 + targets, *shape), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((1 + targets, *shape), dtype=torch.float64))

    def logits(self) -> Tensor:
        """Logits of all targets, shape (targets, variables, P)."""
        priced = self.shared + self.own - self.multipliers[:, None, None] * self._costs
        return priced.masked_fill(~self._valid, -torch.inf)

    def log_probabilities(self, target_ms: float) -> list[NDArray[np.float64]]:
        """Log-probabilities of each variable's choices, for any latency: logits are interpolated between targets."""
        known = self.targets_ms.numpy()
        position = float(np.interp(target_ms, known, np.arange(len(known))))
        low = min(int(position), len(known) - 1)
        high = min(low + 1, len(known) - 1)
        logits = self.logits().nan_to_num(neginf=-1e9)
        mixed = torch.lerp(logits[low], logits[high], position - low)
        return [row[:size].log_softmax(0).numpy() for row, size in zip(mixed, self.sizes, strict=True)]

    @property
    def learnt(self) -> bool:
        """Whether any step has been taken."""
        return bool(self.steps.any())

    def split(self, padded: Tensor) -> list[Tensor]:
        """Split a tensor of shape (..., variables, P) into one of shape (..., choices) for each variable."""
        return [padded[..., i, :size] for i, size in enumerate(self.sizes)]

    def expected_ms(self, logits: Tensor) -> Tensor:
        """Mean latency under logits of shape (..., variables, P), differentiable; shape (...)."""
        return expected_latency_ms(self.predictor, self.split(logits.softmax(-1)))

    def missed(self) -> float:
        """Largest relative deviation of expected latency from its target.

        If no network exceeds the limit, being faster than the last target does not count.
        """
        deviation = self.expected_ms(self.logits()) / self.targets_ms - 1
        if not self._binding:
            deviation[-1].clamp_(min=0)
        return float(deviation.abs().max())

    def likeliest_ms(self, logits: Tensor) -> Tensor:
        """Latency of the most likely choices under logits of shape (targets, variables, P); shape (targets,)."""
        return torch.from_numpy(self.predictor.predict_encoded(logits.argmax(-1).numpy()))

    def drawn(self, target: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Sample a choice of each variable from the distribution of a target; shape (variables,)."""
        probabilities = self.logits()[target].softmax(-1).numpy()
        passed = probabilities.cumsum(-1) <= rng.random((len(self.sizes), 1))
        chosen: NDArray[np.int64] = np.minimum(passed.sum(-1), np.array(self.sizes) - 1)
        return chosen

    def descend(self, target: int, gradient: Tensor, rate: float) -> None:
        """Take an Adam step without momentum (beta1 = 0), on the shared part and on the target's own part.

        A choice without a gradient is left unchanged, including its second moment (as in `torch.optim.SparseAdam`):
        otherwise its first comparison after many others would move it by a multiple of the rate.

        Args:
            target: index of the target the gradient belongs to.
            gradient: shape (variables, P), zero for padding and for choices that were not compared.
            rate: initial step of each of the two parts of a logit.
        """
        seen = (gradient != 0).to(gradient)
        for part, row in ((self.shared, 0), (self.own[target], 1 + target)):
            self.steps[row] += seen
            self.squares[row] += seen * (1 - DECAY) * (gradient**2 - self.squares[row])
            mean = self.squares[row] / (1 - DECAY ** self.steps[row].clamp(min=1))
            part -= rate * gradient / (mean.sqrt() + EPSILON)

    def keep_mass(self, target: int, before: Tensor, pairs: NDArray[np.int64]) -> None:
        """Shift both logits of each pair so that the pair's total probability is unchanged.

        ProxylessNAS, 3.2.1: comparing a pair says nothing about the other choices. For other targets, which share
        logits with this one, it holds approximately.

        Args:
            target: index of the target whose logits moved.
            before: its logits before that, shape (variables, P).
            pairs: two choices of each variable, shape (variables, 2).
        """
        index = torch.from_numpy(pairs)
        mass_before, mass_after = (
            torch.gather(logits, 1, index).logsumexp(1) for logits in (before, self.logits()[target])
        )
        self.own[target].scatter_add_(
            1, index, (mass_before - mass_after)[:, None].expand(-1, 2).contiguous()
        )

    def learn_multipliers(self, damping: float = DAMPING) -> None:
        """Raise the price of latency where a target is exceeded, lower it where latency is below the target.

        Latency is the mean of the expected latency, which is smooth, and that of the most likely architecture, which
        is the one deployed (LightNAS, Luo et al., 2022, uses the latter). This is a damped Newton step: the derivative
        of the expectation with respect to the price is minus the variance of the latency. If no network exceeds the
        limit, its price does not fall below zero.

        Args:
            damping: share of the Newton step.
        """
        logits = self.logits()
        probabilities = logits.softmax(-1)
        mean = (probabilities * self._costs).sum(-1, keepdim=True)
        variance = (probabilities * (self._costs - mean) ** 2).sum((1, 2))
        latency_ms = (self.expected_ms(logits) + self.likeliest_ms(logits)) / 2
        excess = (latency_ms - self.targets_ms) / self.range_ms
        self.multipliers += damping * excess / (variance + LEAST_VARIANCE)
        if not self._binding:
            self.multipliers[-1].clamp_(min=0)

    def entropies(self) -> Tensor:
        """Mean entropy of the variables, relative to the uniform distribution; shape (targets,)."""
        parts = [
            torch.special.entr(logits.softmax(-1)).sum(-1) / np.log(size)
            for logits, size in zip(self.split(self.logits()), self.sizes, strict=True)
            if size > 1
        ]
        return torch.stack(parts).mean(0) if parts else torch.zeros(len(self.targets_ms), dtype=torch.float64)

    def skips(self) -> Tensor:
        """Expected share of skippable layers that are skipped; shape (targets,)."""
        parts = [
            logits.softmax(-1)[..., [block is None for block in blocks]].sum(-1)
            for logits, blocks in zip(self.split(self.logits()), self.predictor.space.candidates, strict=True)
            if None in blocks
        ]
        return torch.stack(parts).mean(0) if parts else torch.zeros(len(self.targets_ms), dtype=torch.float64)
