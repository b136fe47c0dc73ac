"""PPO: the controller learns several times from each batch, but never leaves what it knew by much at once."""

import torch
from torch import Tensor
from typing_extensions import override

from edgenas.searchers.controller import ENTROPY, ControllerSearcher

CLIP = 0.2
"""How far an architecture's probability may go from what it was, as a share, before its gradient stops."""

EPOCHS = 4
"""Updates for each batch."""


class PPOSearcher(ControllerSearcher):
    """Proximal policy optimisation (Schulman et al., 2017), with which NASNet was found (Zoph et al., CVPR 2018).

    Args:
        problem: what is searched.
        seed: decides everything random.
        learning_rate: of Adam.
    """

    name = "ppo"

    @override
    def reinforce(self, choices: Tensor, weights: Tensor, advantages: Tensor) -> None:
        with torch.no_grad():
            before, _ = self.controller.log_probabilities(choices, weights)
        for _ in range(EPOCHS):
            logs, entropy = self.controller.log_probabilities(choices, weights)
            gain = clipped_surrogate(logs - before, advantages)
            self.descend(-(gain + ENTROPY * entropy).mean())


def clipped_surrogate(log_ratios: Tensor, advantages: Tensor) -> Tensor:
    """What is gained by new probabilities, given as log(new / old); nothing more beyond the clip. Shapes (n,)."""
    ratios = log_ratios.exp()
    return torch.minimum(ratios * advantages, ratios.clamp(1 - CLIP, 1 + CLIP) * advantages)
