"""Multiply-accumulates and parameters of a module that has no blocks."""

import logging
import warnings

import torch
from torch import nn

_PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "baddbmm", "einsum")
"""Operators that multiply and accumulate, as fvcore names them; it also lists normalisation and pooling."""


def macs_of(network: nn.Module, resolution: int) -> int:
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
        counts = FlopCountAnalysis(network.eval(), torch.zeros(1, 3, resolution, resolution)).by_operator()
    finally:
        logger.setLevel(level)
        network.train(training)
    return int(sum(counts[name] for name in _PRODUCTS))


def parameters_of(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
