"""Which whole networks to calibrate on: the most informative ones."""

from collections.abc import Collection

import numpy as np

from edgenas.device import Device
from edgenas.device_models.roofline import estimate_block_ms
from edgenas.latency.calibration import NOISE, SLOPE_SD
from edgenas.space import Architecture, SearchSpace

POOL = 10
"""Random candidates per chosen network."""

CORRECTION_SHARE = 0.05
"""Prior standard deviation of a block's correction, before calibration selects one from measured times."""


def informative_networks(space: SearchSpace, device: Device, count: int, seed: int) -> list[Architecture]:
    """Choose networks whose latencies determine the calibration best: a greedy D-optimal design.

    Each is the candidate whose latency has the largest relative uncertainty given those already chosen, under the
    prior of `calibration`; this greedily maximises the determinant of the posterior's precision. The datasheet model
    gives the blocks' latencies. Returns fewer than `count` networks if the space has fewer.

    Args:
        space: candidates are drawn from it.
        device: whose datasheet gives the blocks' latencies.
        count: how many to choose.
        seed: draws the candidates.
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
    """Draw random networks that are not among the `others`; fewer than `count` if the space has fewer."""
    rng = np.random.default_rng([seed, 2])
    drawn = {a.id: a for a in (space.sample(rng) for _ in range(POOL * count))}
    for other in others:
        drawn.pop(other.id, None)
    return list(drawn.values())[:count]


def _greedy(covariance: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", count: int) -> list[int]:
    """Rows of greatest remaining variance in order; each is conditioned on, up to noise, once chosen."""
    chosen: list[int] = []
    for _ in range(count):
        variance = np.diag(covariance).copy()
        variance[chosen] = -np.inf
        best = int(variance.argmax())
        chosen.append(best)
        column = covariance[:, best]
        covariance = covariance - np.outer(column, column) / (covariance[best, best] + NOISE**2)
    return chosen
