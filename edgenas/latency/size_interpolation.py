"""Latency at an image size that was not timed, from the sizes around it: the same blocks, larger and smaller.

A block's contribution, calibration included, is interpolated in the logarithms of its height and of the milliseconds.
A block that was timed at a neighbouring size (heights are rounded up when halved) keeps that contribution. How far this
is off is found by leaving out timed sizes, whose neighbours are twice as far.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgenas.errors import InputError
from edgenas.latency.calibration import interval_factors
from edgenas.latency.table import Calibration, LatencyTable, net_ms
from edgenas.space import Block, SearchSpace
from edgenas.space.block import Stem, block_from_key

MIN_SIZES = 3
"""Timed sizes needed: with two, none could be left out."""

NETWORKS = 64
"""Random networks that the error is computed on."""

LEAST_SD = 0.01
"""Least relative standard deviation of an interpolated block."""


class Between(NamedTuple):
    """Costs at an image size between timed ones.

    Args:
        block_ms: contribution of each block.
        constant_ms: cost of every network in addition to its blocks.
        relative_sd: relative standard deviation of a network's sum, over left-out sizes.
        low_factor: low end of the interval of a timed size, as a multiple of the prediction; the wider neighbour's.
        high_factor: high end, likewise.
    """

    block_ms: Mapping[Block, float]
    constant_ms: float
    relative_sd: float
    low_factor: float
    high_factor: float


@dataclass(frozen=True, slots=True)
class _Timed:
    """A size whose every block was timed, and whose networks were calibrated on."""

    space: SearchSpace
    block_ms: Mapping[Block, float]
    calibration: Calibration

    @property
    def size(self) -> int:
        return self.space.resolutions[0]


def between_sizes(space: SearchSpace, table: LatencyTable) -> Between | None:
    """Costs of a space from the same space at other image sizes; None unless the table has such sizes on both sides."""
    timed = _timed_sizes(space, table)
    size = space.resolutions[0]
    if len(timed) < MIN_SIZES or not timed[0].size < size < timed[-1].size:
        return None
    above = next(i for i, each in enumerate(timed) if each.size > size)
    lower, upper = timed[above - 1], timed[above]
    ends = [interval_factors(each.calibration.residuals) for each in (lower, upper)]
    errors = [
        _relative_errors(each, *_interpolated(each.space, before, after))
        for before, each, after in zip(timed, timed[1:], timed[2:], strict=False)
    ]
    block_ms, constant_ms = _interpolated(space, lower, upper)
    return Between(
        block_ms,
        constant_ms,
        max(LEAST_SD, float(np.sqrt(np.mean(np.square(errors))))),
        min(low for low, _ in ends),
        max(high for _, high in ends),
    )


def _timed_sizes(space: SearchSpace, table: LatencyTable) -> list[_Timed]:
    """The space at every size that the table has in full, ascending."""
    stems = (block_from_key(key) for key in table.entries if key.startswith("stem/"))
    sizes = sorted({stem.height for stem in stems if isinstance(stem, Stem)} - set(space.resolutions))
    return [timed for size in sizes if (timed := _timed(space, size, table)) is not None]


def _timed(space: SearchSpace, size: int, table: LatencyTable) -> _Timed | None:
    try:
        resized = space.resized(size)
    except InputError:  # not a size of this space, or its size cannot be changed
        return None
    calibration = table.calibrations.get(resized.signature)
    blocks = resized.distinct_blocks
    if calibration is None or any(block.key not in table.entries for block in blocks):
        return None
    return _Timed(
        resized, {block: _contribution_ms(block.key, table, calibration) for block in blocks}, calibration
    )


def _contribution_ms(key: str, table: LatencyTable, calibration: Calibration) -> float:
    net = net_ms(table.entries[key], calibration.overhead_ms)
    return calibration.slope * net + calibration.corrections_ms.get(key, 0.0)


def _interpolated(space: SearchSpace, lower: _Timed, upper: _Timed) -> tuple[dict[Block, float], float]:
    """The contribution of each block, and the constant."""
    rows = zip(space.places, lower.space.places, upper.space.places, strict=True)
    block_ms = {
        block: _between(
            (small.height, lower.block_ms[small]), (large.height, upper.block_ms[large]), block.height
        )
        for place in rows
        for block, small, large in zip(*place, strict=True)
    }
    share = math.log(space.resolutions[0] / lower.size) / math.log(upper.size / lower.size)
    constants = (lower.calibration.intercept_ms, upper.calibration.intercept_ms)
    return block_ms, (1 - share) * constants[0] + share * constants[1]


def _between(lower: tuple[int, float], upper: tuple[int, float], height: int) -> float:
    """A contribution at `height` from two pairs of height and milliseconds."""
    (low, low_ms), (high, high_ms) = lower, upper
    share = 0.5 if low == high else math.log(height / low) / math.log(high / low)
    if min(low_ms, high_ms) <= 0:  # a block that costs nothing measurable
        return (1 - share) * low_ms + share * high_ms
    return math.exp((1 - share) * math.log(low_ms) + share * math.log(high_ms))


def _relative_errors(timed: _Timed, block_ms: Mapping[Block, float], constant_ms: float) -> list[float]:
    """Errors of random networks at a timed size that was left out."""
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(NETWORKS):
        blocks = timed.space.blocks(timed.space.sample(rng))
        true_ms = timed.calibration.intercept_ms + sum(timed.block_ms[block] for block in blocks)
        errors.append((constant_ms + sum(block_ms[block] for block in blocks)) / true_ms - 1)
    return errors
