"""Multiply-accumulates and parameters of a module that has no blocks."""

import logging
import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

_ATTENTION = "scaled_dot_product_attention"
_PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "baddbmm", "einsum", _ATTENTION)
"""Operators that multiply and accumulate, as fvcore names them; it also lists normalisation and pooling."""


def macs_of(network: nn.Module, resolution: int, channels: int = 3) -> int:
    """Multiply-accumulates for one image, of convolutions and matrix products, as edgenas counts its own blocks."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # it compiles losses by a function that torch deprecates
        from fvcore.nn import FlopCountAnalysis

    training = network.training
    logger = logging.getLogger("fvcore.nn.jit_analysis")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it would list operators it does not count
    try:
        analysis = FlopCountAnalysis(network.eval(), torch.zeros(1, channels, resolution, resolution))
        analysis.set_op_handle(f"aten::{_ATTENTION}", _attention_macs)
        counts = analysis.by_operator()
    finally:
        logger.setLevel(level)
        network.train(training)
    return int(sum(counts[name] for name in _PRODUCTS))


def _attention_macs(inputs: Sequence[Any], outputs: Sequence[Any]) -> float:
    """Of fused attention, which fvcore does not know: queries (..., L, E) by keys (..., S, E), then by values."""
    queries, keys, values = (list(value.type().sizes()) for value in inputs[:3])
    *outer, length, width = queries
    return float(math.prod(outer) * length * keys[-2] * (width + values[-1]))


def parameters_of(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
