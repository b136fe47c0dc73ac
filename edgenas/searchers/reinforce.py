"""REINFORCE: a controller learns by policy gradient which architectures pay."""

from torch import Tensor
from typing_extensions import override

from edgenas.searchers.controller import ENTROPY, ControllerSearcher


class ReinforceSearcher(ControllerSearcher):
    """Policy gradient with a moving baseline (Williams, 1992; Zoph and Le, ICLR 2017), steered by accuracy and latency.

    The reward weighs them as MnasNet's does (Tan et al., CVPR 2019), under weights the controller is told.

    Args:
        problem: what is searched.
        seed: decides everything random.
        learning_rate: of Adam.
    """

    name = "reinforce"

    @override
    def reinforce(self, choices: Tensor, weights: Tensor, advantages: Tensor) -> None:
        logs, entropy = self.controller.log_probabilities(choices, weights)
        self.descend(-(advantages * logs + ENTROPY * entropy).mean())
