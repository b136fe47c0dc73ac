"""How latency enters the gradient of the architecture."""

import torch
from torch import Tensor

from edgenas.search.proxyless.distribution import Distribution
from edgenas.search.proxyless.recipe import LatencyLoss

EXPONENT = 0.6
"""Of `mul#log`."""

WEIGHT = 0.1
"""Of `add#linear`."""

MICROSECONDS = 1000
"""In a millisecond; logarithms of figures around 1 would change their sign."""


def with_latency(
    kind: LatencyLoss, loss: float, slopes: Tensor, distribution: Distribution, target: int
) -> Tensor:
    """The gradient of the loss with its latency term, by the logits of a target; shape (variables, P).

    `constraint` has none: latency is priced in the logits themselves. The losses of ProxylessNAS (Cai et al., ICLR
    2019, and the authors' code) leave it to a weight set by hand where the search ends up:

        mul#log      loss * (log E / log T) ** 0.6, E and T in microseconds
        add#linear   loss + 0.1 * (E - T) / T

    Args:
        kind: which one.
        loss: on the validation batch.
        slopes: its gradient, shape (variables, P).
        distribution: gives the expected latency E.
        target: whose logits are learnt; T is its latency.
    """
    if kind == "constraint":
        return slopes
    logits = distribution.logits()[target].requires_grad_()
    expected, reference = distribution.expected_ms(logits), float(distribution.targets_ms[target])
    if kind == "add#linear":
        factor, penalty = torch.ones_like(expected), WEIGHT * (expected - reference) / reference
    else:
        logs = torch.log(MICROSECONDS * expected) / torch.log(torch.tensor(MICROSECONDS * reference))
        factor, penalty = logs**EXPONENT, loss * logs**EXPONENT
    (of_latency,) = torch.autograd.grad(penalty, logits)
    return factor.detach() * slopes + of_latency
