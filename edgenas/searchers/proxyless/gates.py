"""Binarised gates: the gradient of every choice from networks that run one choice at a time.

ProxylessNAS (Cai et al., ICLR 2019): a drawn path runs with autograd. What other choices of a layer would have given
is computed on the way back, from the layer's input and without autograd, and looked at along the gradient of the
loss by the layer's output: slope_j = <gradient, o_j>. Memory is that of one path and one more block. Wanted is the
gradient of the expected loss E by the logits,

    dE/dlogit_a = sum_b p_a p_b (L_a - L_b),    L_a - L_b about slope_a - slope_b

`all_compared` sums over all pairs. `pair_compared` takes one, drawn without replacement, and weighs it by how
rarely it is drawn: over draws it has the same mean. Both are, in the mean over paths, the exact gradient where the
loss is linear in each layer's output. The drawn path is another draw than the pair: comparing only pairs that hold
the path's own choice was further off (docs/searching.md).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Run = Callable[[int, Tensor], Tensor]
"""A choice's output for an input."""

Gradient = Callable[[Tensor], Tensor]
"""From the slopes of a layer's choices, (choices,), of which only differences count, to the gradient of its logits."""


class _Gate(torch.autograd.Function):
    """Passes a layer's output on, and gives its logits the gradient that a judge finds."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, x: Tensor, y: Tensor, judge: Callable[..., Tensor]) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.judge = judge
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (gradient,) = gradients
        return ctx.judge(gradient, *ctx.saved_tensors), None, gradient, None


def gated(
    logits: Tensor, x: Tensor, run: Run, active: int, compared: Sequence[int], gradient: Gradient
) -> Tensor:
    """The output of the active choice; on the way back the logits learn from what others would have given.

    Args:
        logits: of the layer's choices, shape (choices,).
        x: the layer's input.
        run: runs a choice.
        active: the drawn choice.
        compared: those whose slopes are looked at; all others have slope 0.
        gradient: `all_compared` or `pair_compared`.

    Returns:
        As `run(active, x)`.
    """

    def judge(upstream: Tensor, x: Tensor, y: Tensor) -> Tensor:
        slopes = torch.zeros_like(logits)
        for choice in compared:
            if choice != active:  # measured from the active one, for the sake of precision
                slopes[choice] = (upstream * (run(choice, x) - y)).sum().to(logits.dtype)
        return gradient(slopes)

    gate: Tensor = _Gate.apply(logits, x, run(active, x), judge)
    return gate


def all_compared(probabilities: Tensor) -> Gradient:
    """Every choice against the mean: p_a (slope_a - sum_b p_b slope_b). Probabilities have shape (choices,)."""
    return lambda slopes: probabilities * (slopes - probabilities @ slopes)


def pair_compared(probabilities: Tensor, pair: tuple[int, int]) -> Gradient:
    """Two choices a, b against each other, drawn one after the other by their probabilities without replacement.

    They are drawn with probability p_a p_b (1 / (1 - p_a) + 1 / (1 - p_b)), by which p_a p_b is divided.
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
