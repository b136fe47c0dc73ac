"""REINFORCE: a controller learns by policy gradient to propose good architectures."""

from torch import Tensor
from typing_extensions import override

from edgenas.searchers.controller import ENTROPY, ControllerSearcher


class ReinforceSearcher(ControllerSearcher):
    """Policy gradient with a moving baseline (Williams, 1992; Zoph and Le, ICLR 2017), on accuracy and latency.

    The reward combines them, as in MnasNet (Tan et al., CVPR 2019), under the weights given to the controller.

    Args:
        problem: space, costs and limit.
        seed: for everything random.
        learning_rate: of Adam.
    """

    name = "reinforce"

    @override
    def reinforce(self, choices: Tensor, weights: Tensor, advantages: Tensor) -> None:
        logs, entropy = self.controller.log_probabilities(choices, weights)
        self.descend(-(advantages * logs + ENTROPY * entropy).mean())
