"""Binarised gates: the gradient of every choice from networks that run one choice at a time.

ProxylessNAS (Cai et al., ICLR 2019): a sampled path runs with autograd. The outputs o_j of a layer's other choices are
computed in the backward pass, from the layer's input and without autograd, and projected on the gradient of the loss
with respect to the layer's output: slope_j = <gradient, o_j>. Memory is that of one path plus one block. The gradient
of the expected loss E with respect to the logits is

    dE/dlogit_a = sum_b p_a p_b (L_a - L_b),    L_a - L_b about slope_a - slope_b

`all_compared` sums over all pairs. `pair_compared` takes one pair, sampled without replacement, and weights it by its
inverse probability, so that its mean is the same. Averaged over paths, both are the exact gradient if the loss is
linear in each layer's output. The pair is sampled independently of the path: comparing only pairs that contain the
path's choice was less accurate (docs/searching.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Run = Callable[[int, Tensor], Tensor]
"""Maps a choice and an input to the output."""

Gradient = Callable[[Tensor], Tensor]
"""Maps the slopes of a layer's choices, (choices,), to the gradient of its logits; only differences of slopes count."""


class _Gate(torch.autograd.Function):
    """Passes a layer's output through; the gradient of its logits comes from `logit_gradient`."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, x: Tensor, y: Tensor, logit_gradient: Callable[..., Tensor]
    ) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.logit_gradient = logit_gradient
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (gradient,) = gradients
        return ctx.logit_gradient(gradient, *ctx.saved_tensors), None, gradient, None


def gated(
    logits: Tensor, x: Tensor, run: Run, active: int, compared: Sequence[int], gradient: Gradient
) -> Tensor:
    """The output of the active choice; in the backward pass the logits get a gradient from the compared choices.

    Args:
        logits: of the layer's choices, shape (choices,).
        x: the layer's input.
        run: runs a choice.
        active: the sampled choice.
        compared: choices whose slopes are computed; the others have slope 0.
        gradient: `all_compared` or `pair_compared`.

    Returns:
        The value of `run(active, x)`.
    """

    def logit_gradient(upstream: Tensor, x: Tensor, y: Tensor) -> Tensor:
        slopes = torch.zeros_like(logits)
        for choice in compared:
            if choice != active:  # relative to the active one, for precision
                slopes[choice] = (upstream * (run(choice, x) - y)).sum().to(logits.dtype)
        return gradient(slopes)

    gate: Tensor = _Gate.apply(logits, x, run(active, x), logit_gradient)
    return gate


def all_compared(probabilities: Tensor) -> Gradient:
    """Compare every choice with the mean: p_a (slope_a - sum_b p_b slope_b). Probabilities have shape (choices,)."""
    return lambda slopes: probabilities * (slopes - probabilities @ slopes)


def pair_compared(probabilities: Tensor, pair: tuple[int, int]) -> Gradient:
    """Compare two choices a, b, sampled without replacement.

    Their probability is p_a p_b (1 / (1 - p_a) + 1 / (1 - p_b)), by which p_a p_b is divided.
    """

    def gradient(slopes: Tensor) -> Tensor:
        found = torch.zeros_like(slopes)
        a, b = pair
        if a == b:  # a variable with a single choice
            return found
        others = 1 - probabilities[[a, b]]
        found[a] = (slopes[a] - slopes[b]) * others.prod() / others.sum()
        found[b] = -found[a]
        return found

    return gradient
