"""Records the learning curves in the checkpoint, so that a resumed run shows the same as an uninterrupted one."""

import torch
from torch import Tensor, nn

from edgenas.searchers.proxyless.curves import Curve, Curves
from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.searchers.proxyless.gradient_recipe import GradientRecipe

MOMENTS = 100
"""Intervals the training is divided into; each keeps its last state and the mean of its losses."""

_STATES = ("expected_ms", "likeliest_ms", "entropy", "multiplier", "skips")


class Recorder(nn.Module):
    """The state of each target at each moment, as buffers; 0 where nothing is recorded."""

    losses: Tensor
    states: Tensor
    done: Tensor

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.register_buffer("losses", torch.zeros((2, MOMENTS, targets), dtype=torch.float64))
        self.register_buffer("states", torch.zeros((len(_STATES), MOMENTS, targets), dtype=torch.float64))
        self.register_buffer("done", torch.zeros(MOMENTS, dtype=torch.float64))

    def record(self, done: float, target: int, loss: float, distribution: Distribution) -> None:
        """Record the state after a step.

        Args:
            done: share of the training, 0..1.
            target: index of the target the loss belongs to.
            loss: on validation images.
            distribution: provides the state of all targets.
        """
        moment = min(int(MOMENTS * done), MOMENTS - 1)
        logits = distribution.logits()
        states = (
            distribution.expected_ms(logits),
            distribution.likeliest_ms(logits),
            distribution.entropies(),
            distribution.multipliers / distribution.range_ms,
            distribution.skips(),
        )
        self.states[:, moment] = torch.stack(states)
        self.done[moment] = done
        # Last: moments without a loss are not shown, so an interruption never leaves one half recorded.
        self.losses[:, moment, target] += torch.tensor([loss, 1.0], dtype=torch.float64)

    def curves(self, distribution: Distribution, recipe: GradientRecipe, finished: bool = True) -> Curves:
        """The recorded curves; `finished` says whether the training is complete."""
        kept = self.losses[1].sum(1).nonzero().flatten()
        return Curves(
            gates=recipe.gates,
            latency_loss=recipe.latency_loss,
            warm_up=recipe.warm_up,
            finished=finished,
            done=tuple(self.done[kept].tolist()),
            targets=tuple(
                Curve(
                    target_ms=target_ms,
                    loss=tuple(
                        total / count if count else None
                        for total, count in self.losses[:, kept, i].T.tolist()
                    ),
                    **dict(zip(_STATES, map(tuple, self.states[:, kept, i].tolist()), strict=True)),
                )
                for i, target_ms in enumerate(distribution.targets_ms.tolist())
            ),
        )
