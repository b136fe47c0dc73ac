"""What is learnt of the architecture: how probable each choice is, for each of several latencies.

Choices are independent: a softmax a variable. The logits of a target are what all targets share, what is its own,
and the price of latency: `shared + own - multiplier * cost`. The multiplier is learnt until the target's latency is
met. One training so gives a network for every latency, and what a step finds out for one target serves all.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgenas.latency.expectation import expected_latency_ms
from edgenas.latency.predictor import LatencyPredictor

DECAY = 0.999
"""Of Adam's mean of squares."""

EPSILON = 1e-8

DAMPING = 0.3
"""Share of a Newton step that a multiplier takes at first."""

LEAST_VARIANCE = 1e-2
"""Of a target's latency, in squares of the range; a distribution that has settled would otherwise ask for endless
steps."""


class Distribution(nn.Module):
    """Probabilities of choices for several targets, with everything that learning them needs to be gone on with.

    Held as buffers, in float64 on the CPU: no optimiser of weights touches them, checkpoints keep them. P is the
    padded number of choices; the logits of what pads are minus infinity.

    Args:
        predictor: what choices cost.
        limit_ms: the largest target, or the slowest network where that is faster.
        targets: how many; evenly spaced above the fastest network.
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
        """Between the fastest and the slowest network; multipliers are a price of all of it, in nats."""
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
        """Of all targets, shape (targets, variables, P)."""
        priced = self.shared + self.own - self.multipliers[:, None, None] * self._costs
        return priced.masked_fill(~self._valid, -torch.inf)

    def log_probabilities(self, target_ms: float) -> list[NDArray[np.float64]]:
        """For each variable of its choices, for any latency: between targets, logits are interpolated."""
        known = self.targets_ms.numpy()
        place = float(np.interp(target_ms, known, np.arange(len(known))))
        low = min(int(place), len(known) - 1)
        high = min(low + 1, len(known) - 1)
        logits = self.logits().nan_to_num(neginf=-1e9)
        mixed = torch.lerp(logits[low], logits[high], place - low)
        return [row[:size].log_softmax(0).numpy() for row, size in zip(mixed, self.sizes, strict=True)]

    @property
    def learnt(self) -> bool:
        """Whether any step was taken."""
        return bool(self.steps.any())

    def split(self, padded: Tensor) -> list[Tensor]:
        """A tensor of shape (..., variables, P) as one of shape (..., choices) for each variable."""
        return [padded[..., i, :size] for i, size in enumerate(self.sizes)]

    def expected_ms(self, logits: Tensor) -> Tensor:
        """Mean latency under logits of shape (..., variables, P), differentiable; shape (...)."""
        return expected_latency_ms(self.predictor, self.split(logits.softmax(-1)))

    def missed(self) -> float:
        """How far expected latency is off its target, relatively, where it is furthest off.

        Below a limit that no network exceeds it may be as far as it likes.
        """
        off = self.expected_ms(self.logits()) / self.targets_ms - 1
        if not self._binding:
            off[-1].clamp_(min=0)
        return float(off.abs().max())

    def likeliest_ms(self, logits: Tensor) -> Tensor:
        """Latency of the most likely choices under logits of shape (targets, variables, P); shape (targets,)."""
        return torch.from_numpy(self.predictor.predict_encoded(logits.argmax(-1).numpy()))

    def drawn(self, target: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """A choice for each variable, shape (variables,), by the probabilities of a target."""
        probabilities = self.logits()[target].softmax(-1).numpy()
        passed = probabilities.cumsum(-1) <= rng.random((len(self.sizes), 1))
        chosen: NDArray[np.int64] = np.minimum(passed.sum(-1), np.array(self.sizes) - 1)
        return chosen

    def descend(self, target: int, gradient: Tensor, rate: float) -> None:
        """One step of Adam without momentum (beta1 = 0), on what the targets share and on the target's own.

        A choice without a gradient is left alone, also its mean of squares (as in `torch.optim.SparseAdam`): else
        the first comparison after many others would move it by a multiple of the rate.

        Args:
            target: whose logits the gradient is of.
            gradient: shape (variables, P), zero where padded and where nothing was compared.
            rate: how far each of the two parts of a logit moves at first.
        """
        seen = (gradient != 0).to(gradient)
        for moving, row in ((self.shared, 0), (self.own[target], 1 + target)):
            self.steps[row] += seen
            self.squares[row] += seen * (1 - DECAY) * (gradient**2 - self.squares[row])
            mean = self.squares[row] / (1 - DECAY ** self.steps[row].clamp(min=1))
            moving -= rate * gradient / (mean.sqrt() + EPSILON)

    def keep_mass(self, target: int, before: Tensor, pairs: NDArray[np.int64]) -> None:
        """Move each pair of a target together so that it is as probable as before.

        ProxylessNAS, 3.2.1: a pair's comparison says nothing of the other choices. For other targets, which share
        logits with this one, it holds roughly.

        Args:
            target: whose logits moved.
            before: its logits then, shape (variables, P).
            pairs: two choices of each variable, shape (variables, 2).
        """
        index = torch.from_numpy(pairs)
        then, now = (
            torch.gather(logits, 1, index).logsumexp(1) for logits in (before, self.logits()[target])
        )
        self.own[target].scatter_add_(1, index, (then - now)[:, None].expand(-1, 2).contiguous())

    def learn_multipliers(self, damping: float = DAMPING) -> None:
        """Raise the price where a target's latency is above it, lower it where it is below.

        Latency is the mean of the expected one and of that of the most likely architecture (as LightNAS, Luo et
        al., 2022, learns its multiplier on the latter): the one is smooth, the other is what is got in the end. A
        damped Newton step: the derivative of the expectation by the price is minus the latency's variance. A limit
        that no network exceeds is no reason to be slow: there the price does not fall below zero.

        Args:
            damping: share of the step that is taken.
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
        """Mean entropy of the variables, as a share of a uniform one's; shape (targets,)."""
        parts = [
            torch.special.entr(logits.softmax(-1)).sum(-1) / np.log(size)
            for logits, size in zip(self.split(self.logits()), self.sizes, strict=True)
            if size > 1
        ]
        return torch.stack(parts).mean(0) if parts else torch.zeros(len(self.targets_ms), dtype=torch.float64)

    def skips(self) -> Tensor:
        """Expected share of the layers that may be skipped which are; shape (targets,)."""
        parts = [
            logits.softmax(-1)[..., [block is None for block in blocks]].sum(-1)
            for logits, blocks in zip(self.split(self.logits()), self.predictor.space.candidates, strict=True)
            if None in blocks
        ]
        return torch.stack(parts).mean(0) if parts else torch.zeros(len(self.targets_ms), dtype=torch.float64)
