"""PPO: the controller learns several times from each batch, without moving far from its previous policy."""

import torch
from torch import Tensor
from typing_extensions import override

from edgenas.searchers.controller import ENTROPY, ControllerSearcher

CLIP = 0.2
"""Relative change of an architecture's probability at which its gradient is clipped."""

EPOCHS = 4
"""Updates for each batch."""


class PPOSearcher(ControllerSearcher):
    """Proximal policy optimisation (Schulman et al., 2017), with which NASNet was found (Zoph et al., CVPR 2018).

    Args:
        problem: space, costs and limit.
        seed: for everything random.
        learning_rate: of Adam.
    """

    name = "ppo"

    @override
    def reinforce(self, choices: Tensor, weights: Tensor, advantages: Tensor) -> None:
        with torch.no_grad():
            old_logs, _ = self.controller.log_probabilities(choices, weights)
        for _ in range(EPOCHS):
            logs, entropy = self.controller.log_probabilities(choices, weights)
            gain = clipped_surrogate(logs - old_logs, advantages)
            self.descend(-(gain + ENTROPY * entropy).mean())


def clipped_surrogate(log_ratios: Tensor, advantages: Tensor) -> Tensor:
    """The objective of PPO for probability ratios given as log(new / old), flat beyond the clip; shapes (n,)."""
    ratios = log_ratios.exp()
    return torch.minimum(ratios * advantages, ratios.clamp(1 - CLIP, 1 + CLIP) * advantages)
