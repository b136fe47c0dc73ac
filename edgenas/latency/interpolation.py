"""Latency of blocks that were not timed: the datasheet model, corrected by its errors on similar blocks.

A Gaussian process (Rasmussen & Williams 2006; scikit-learn's) over log(measured / estimated); far from all measured
blocks it falls back to the estimate times the device's mean ratio.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgenas.device import Device
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.errors import IncompleteTableError
from edgenas.space.block import Block, Head, MBConv, Stem, block_from_key
from edgenas.space.layers import Conv

MIN_NEIGHBOURS = 5
LENGTH_SCALES = (0.3, 30.0)


class Interpolated(NamedTuple):
    """Predicted milliseconds of a block without the call overhead, and their relative standard deviation."""

    net_ms: float
    relative_sd: float


def interpolator(net_ms: Mapping[str, float], device: Device) -> Callable[[Block], Interpolated]:
    """Fit to timed blocks; returns a function that predicts others.

    Args:
        net_ms: milliseconds without the call overhead, by block key.
        device: where they were timed; its datasheet gives the estimates.

    Raises:
        IncompleteTableError: fewer than five timed blocks.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    known = {block_from_key(key): value for key, value in net_ms.items() if value > 0}
    if len(known) < MIN_NEIGHBOURS:
        raise IncompleteTableError(
            f"{len(known)} timed blocks are too few to interpolate between", "profile the space itself"
        )
    features = np.array([_features(block) for block in known])
    centre, scale = features.mean(0), np.maximum(features.std(0), 1e-6)
    ratios = np.log([value / estimate_block_ms(block, device) for block, value in known.items()])
    kernel = ConstantKernel(0.1, (1e-3, 10.0)) * RBF(
        np.ones(features.shape[1]) * 2, LENGTH_SCALES
    ) + WhiteKernel(1e-3, (1e-6, 0.1))
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a length scale at its bound is fine
        process.fit((features - centre) / scale, ratios)

    def interpolate(block: Block) -> Interpolated:
        mean, sd = process.predict(((_features(block) - centre) / scale)[None], return_std=True)
        return Interpolated(estimate_block_ms(block, device) * float(np.exp(mean[0])), float(sd[0]))

    return interpolate


def _features(block: Block) -> NDArray[np.float64]:
    """Features that a block's cost depends on; large counts are in logarithms."""
    dense = sum(layer.macs for layer in block.layers if not _is_depthwise(layer))
    depthwise = sum(layer.macs for layer in block.layers if _is_depthwise(layer))
    moved = sum(layer.elements_moved for layer in block.layers)
    weights = sum(layer.parameters for layer in block.layers)
    kernels = sum(layer.kernels for layer in block.layers)
    kinds = [float(isinstance(block, kind)) for kind in (Stem, MBConv, Head)]
    kernel = block.kernel if isinstance(block, MBConv) else 0
    stride = block.stride if not isinstance(block, Head) else 1
    return np.array([*np.log1p([dense, depthwise, moved, weights]), kernels, kernel, stride, *kinds])


def _is_depthwise(layer: object) -> bool:
    return isinstance(layer, Conv) and layer.groups > 1
