"""Which whole networks to calibrate on: the ones that tell most about all others."""

from collections.abc import Collection

import numpy as np

from edgenas.device import Device
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.latency.calibration import NOISE, SLOPE_SD
from edgenas.space import Architecture, SearchSpace

POOL = 10
"""Random networks to choose each one from."""

MAX_NETWORKS = 500
"""More would take hours to time; the covariance of their pool, some 200 MB."""

CORRECTION_SHARE = 0.05
"""Prior standard deviation of a block's correction: calibration chooses its own once there are times."""


def informative_networks(space: SearchSpace, device: Device, count: int, seed: int) -> list[Architecture]:
    """Choose networks whose latencies determine the calibration best: a greedy D-optimal design.

    Each next one is that, of a random pool, whose latency is least certain (relative to itself) given those chosen,
    under the prior of `calibration`; this maximises the determinant of the posterior's precision step by step. Blocks
    are weighed by the datasheet model. Fewer than `count` come back where the space has fewer.

    Args:
        space: what is drawn from.
        device: whose datasheet weighs the blocks.
        count: how many.
        seed: draws the pool.
    """
    rng = np.random.default_rng(seed)
    pool = list({a.id: a for a in (space.sample(rng) for _ in range(POOL * count))}.values())
    costs = np.array([estimate_block_ms(block, device) for block in space.distinct_blocks])
    position = {block: i for i, block in enumerate(space.distinct_blocks)}
    counts = np.zeros((len(pool), len(costs)))
    for row, architecture in zip(counts, pool, strict=True):
        for block in space.blocks(architecture):
            row[position[block]] += 1
    sums = counts @ costs
    features = np.column_stack(
        [
            counts * (CORRECTION_SHARE * costs),
            SLOPE_SD * sums,
            np.full(len(pool), SLOPE_SD * sums.mean()),
        ]
    )
    features /= sums[:, None]
    return [pool[i] for i in _greedy(features @ features.T, min(count, len(pool)))]


def random_networks(
    space: SearchSpace, count: int, seed: int, others: Collection[Architecture]
) -> list[Architecture]:
    """Draw networks at random, none of the `others`; fewer than `count` where the space runs out of them."""
    rng = np.random.default_rng([seed, 2])
    drawn = {a.id: a for a in (space.sample(rng) for _ in range(POOL * count))}
    for other in others:
        drawn.pop(other.id, None)
    return list(drawn.values())[:count]


def _greedy(covariance: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", count: int) -> list[int]:
    """Rows of greatest remaining variance, one after the other, each known but for noise once chosen."""
    chosen: list[int] = []
    for _ in range(count):
        variance = np.diag(covariance).copy()
        variance[chosen] = -np.inf
        best = int(variance.argmax())
        chosen.append(best)
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column) / (covariance[best, best] + NOISE**2)
    return chosen
