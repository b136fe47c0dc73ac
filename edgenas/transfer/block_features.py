"""Latency features of a network, summed over its blocks, in several alternative feature sets.

Devices have different bottlenecks: arithmetic, memory, kernel launches, one kind of convolution, skip additions that
the runtime does not fuse. Each feature set models some of them. Features are normalised so that an average network has
1 of each; a cost is then a share of an average network's latency.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgenas.device_models.work import Work, block_work
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.space.block import MBConv
from edgenas.transfer.cell_features import FeatureSets

AVERAGE_NETWORKS = 500
"""Random networks that define the average one."""

MIN_VARIATION = 1e-3
"""Features that vary less than this between networks, relative to their mean, are absorbed by the constant."""

ARITHMETIC_AND_TRAFFIC = "arithmetic and traffic"
KERNELS = "kinds of kernel"
WINDOWS = "windows and stages"
SUMS = "skip connections"


class BlockFeatures:
    """Feature sets of the networks of one space, at one batch size.

    Args:
        space: whose networks.
        batch: images a call takes.
    """

    def __init__(self, space: SearchSpace, batch: int) -> None:
        self._space = space
        self._position = {block: i for i, block in enumerate(space.blocks_of_any_channels)}
        rng = np.random.default_rng(0)
        self.average = [space.sample(rng) for _ in range(AVERAGE_NETWORKS)]
        """The networks that features are normalised by."""
        counts = self.counts(self.average)
        self._features = {
            name: _scaled(self._count(feature_set, batch), counts)
            for name, feature_set in _FEATURE_SETS.items()
        }

    def counts(self, networks: Sequence[Architecture]) -> NDArray[np.float64]:
        """How often each of the blocks occurs, shape (networks, blocks)."""
        found = np.zeros((len(networks), len(self._position)))
        for row, network in zip(found, networks, strict=True):
            for block in self._space.blocks(network):
                row[self._position[block]] += 1
        return found

    def of_networks(self, networks: Sequence[Architecture]) -> FeatureSets:
        """Feature sets of whole networks, each of shape (networks, features); the first feature is 1."""
        counts = self.counts(networks)
        return {name: _with(1.0, counts @ features) for name, features in self._features.items()}

    @property
    def of_blocks(self) -> FeatureSets:
        """Contribution of each of the space's `blocks_of_any_channels` to a network's features; 0 for the constant."""
        return {name: _with(0.0, features) for name, features in self._features.items()}

    @property
    def of_nothing(self) -> FeatureSets:
        """Features of a network without blocks: the constant alone, one row."""
        return {
            name: _with(1.0, np.zeros((1, features.shape[1]))) for name, features in self._features.items()
        }

    def _count(self, feature_set: "_FeatureSet", batch: int) -> NDArray[np.float64]:
        """One feature set of every block, not normalised, shape (blocks, features)."""
        heights = [block.height for block in self._position]
        rows: list[Counter[str]] = []
        for block in self._position:
            row: Counter[str] = Counter()
            for work in block_work(block, batch):
                row.update(feature_set(work, block, block.height**2 <= max(heights) * min(heights)))
            rows.append(row)
        names = sorted(set().union(*rows))
        return np.array([[row[name] for name in names] for row in rows], dtype=float)


_FeatureSet = Callable[[Work, Block, bool], Mapping[str, int]]
"""Counts features of one kernel, given its block and whether that block is late in the network (low resolution)."""


def _arithmetic_and_traffic(work: Work, _block: Block, _late: bool) -> Mapping[str, int]:
    return {"macs": work.macs, "moved": work.features + work.weights}


def _kernels(work: Work, _block: Block, _late: bool) -> dict[str, int]:
    """Launches, traffic, and arithmetic by kind: depthwise convolution or matrix product."""
    traffic = {"launches": work.launches, "features": work.features, "weights": work.weights}
    return {**traffic, "depthwise" if work.kind == "depthwise" else "product": work.macs}


def _windows(work: Work, block: Block, late: bool) -> Mapping[str, int]:
    """As `_kernels`, with depthwise convolutions split by kernel size and products by position in the network."""
    parts = _kernels(work, block, late)
    if work.kind == "depthwise" and isinstance(block, MBConv):
        parts[f"depthwise {block.kernel}"] = parts.pop("depthwise")
    elif "product" in parts:
        parts[f"product {late}"] = parts.pop("product")
    return parts


def _sums(work: Work, block: Block, late: bool) -> Mapping[str, int]:
    """As `_kernels`, with additional features for blocks that have a skip connection."""
    parts = _kernels(work, block, late)
    if not (isinstance(block, MBConv) and block.residual):
        return parts
    if work.kind == "elementwise":
        return {**parts, "sums": 1, "summed": work.features}
    own = {f"{name} beside a sum": parts[name] for name in ("depthwise", "product") if name in parts}
    return {**parts, **own}


_FEATURE_SETS: Mapping[str, _FeatureSet] = {
    ARITHMETIC_AND_TRAFFIC: _arithmetic_and_traffic,
    KERNELS: _kernels,
    WINDOWS: _windows,
    SUMS: _sums,
}
"""By increasing complexity."""


def _scaled(features: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of blocks, divided by those of an average network; features that hardly vary are dropped."""
    totals = counts @ features
    average = totals.mean(axis=0)
    varying = np.ptp(totals, axis=0) > MIN_VARIATION * average
    scaled: NDArray[np.float64] = features[:, varying] / average[varying]
    return scaled


def _with(constant: float, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.full(len(features), constant), features])
