"""Expected latency of a distribution over architectures, differentiable for gradient searchers.

ProxylessNAS (Cai et al., ICLR 2019, equation 3): a network's cost is a sum over its layers, so under independent
choices the expected cost is the sum of all choices' costs, weighted by their probabilities.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from edgenas.errors import InputError
from edgenas.latency.predictor import LatencyPredictor


def expected_latency_ms(predictor: LatencyPredictor, probabilities: Sequence[Tensor]) -> Tensor:
    """Mean latency of architectures whose variables are drawn independently.

    Args:
        predictor: gives the cost of each choice.
        probabilities: for each variable the probabilities of its choices, shape (choices,) or with the same
            leading batch dimensions, (..., choices); rows sum to 1.

    Returns:
        Milliseconds, a scalar or of the batch's shape, differentiable with respect to the probabilities, in
        their dtype and on their device.

    Raises:
        InputError: the number of variables or choices differs from the space's.
    """
    sizes = [len(costs) for costs in predictor.choice_ms]
    given = [each.shape[-1] for each in probabilities]
    if given != sizes:
        raise InputError(
            f"probabilities of {given} choices for variables that have {sizes}", "give one per choice"
        )
    total = torch.zeros_like(probabilities[0][..., 0]) + predictor.fixed_ms
    for costs, each in zip(predictor.choice_ms, probabilities, strict=True):
        total = total + each @ torch.as_tensor(costs, dtype=each.dtype, device=each.device)
    return total
