"""How latency enters the gradient of the architecture."""

import math

import torch
from torch import Tensor

from edgenas.searchers.proxyless.distribution import Distribution
from edgenas.vocabulary import LatencyLoss

EXPONENT = 0.3
"""Exponent of `mul#log`, as in the authors' scripts."""

WEIGHT = 0.1
"""Weight of `add#linear`, as in the authors' scripts."""

UNITS = 1000
"""Units of latency per target, for logarithms. In milliseconds, as the authors have it, log T would be 0 at 1 ms."""


def with_latency(
    kind: LatencyLoss, loss: float, slopes: Tensor, distribution: Distribution, target: int
) -> Tensor:
    """The gradient of the loss, including its latency term, for the logits of a target; shape (variables, P).

    `constraint` has no such term: the logits themselves include the price of latency. The others follow ProxylessNAS
    (Cai et al., ICLR 2019, and the authors' code), where a hand-set weight decides which latency results:

        mul#log      loss * (log E / log T) ** 0.3, E and T in thousandths of T
        add#linear   loss + 0.1 * (E - T) / T

    Args:
        kind: which one.
        loss: on the validation batch.
        slopes: its gradient, shape (variables, P).
        distribution: gives the expected latency E.
        target: index of the target; T is its latency.
    """
    if kind == "constraint":
        return slopes
    logits = distribution.logits()[target].requires_grad_()
    relative = distribution.expected_ms(logits) / distribution.targets_ms[target]
    if kind == "add#linear":
        factor, penalty = torch.ones_like(relative), WEIGHT * (relative - 1)
    else:
        factor = (torch.log(UNITS * relative) / math.log(UNITS)) ** EXPONENT
        penalty = loss * factor
    (of_latency,) = torch.autograd.grad(penalty, logits)
    return factor.detach() * slopes + of_latency
