"""What of a network's blocks may take time: views of whole networks as sums over their blocks' work.

Devices differ in what holds them up: arithmetic, memory, the number of kernels, one kind of convolution, a sum that
their runtime does not fuse. Each view counts some of it, all views the same networks; an average network has 1 of each
feature, so that a cost is a share of an average network's time.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgenas.device_models.work import Work, block_work
from edgenas.space import Architecture, Block, SearchSpace
from edgenas.space.block import MBConv
from edgenas.transfer.cell_features import Views

AVERAGED = 500
"""Random networks that say what an average one is."""

VARIES = 1e-3
"""Features that differ less between networks, as a share of themselves, are part of the constant."""

ARITHMETIC_AND_TRAFFIC = "arithmetic and traffic"
KERNELS = "kinds of kernel"
WINDOWS = "windows and stages"
SUMS = "skip connections"


class BlockViews:
    """Views of the networks of one space, at one batch size.

    Args:
        space: whose networks.
        batch: images a call takes.
    """

    def __init__(self, space: SearchSpace, batch: int) -> None:
        self._space = space
        self._position = {block: i for i, block in enumerate(space.distinct_blocks)}
        rng = np.random.default_rng(0)
        self.average = [space.sample(rng) for _ in range(AVERAGED)]
        """The networks whose average the features are relative to."""
        counts = self.counts(self.average)
        self._features = {name: _scaled(self._count(view, batch), counts) for name, view in _VIEWS.items()}

    def counts(self, networks: Sequence[Architecture]) -> NDArray[np.float64]:
        """How often each distinct block of the space occurs, shape (networks, blocks)."""
        found = np.zeros((len(networks), len(self._position)))
        for row, network in zip(found, networks, strict=True):
            for block in self._space.blocks(network):
                row[self._position[block]] += 1
        return found

    def of_networks(self, networks: Sequence[Architecture]) -> Views:
        """Each view's features, shape (networks, features); the first is 1."""
        counts = self.counts(networks)
        return {name: _with(1.0, counts @ features) for name, features in self._features.items()}

    @property
    def of_blocks(self) -> Views:
        """What each distinct block of the space adds to a network's features; nothing to the constant."""
        return {name: _with(0.0, features) for name, features in self._features.items()}

    @property
    def of_nothing(self) -> Views:
        """A network without blocks: the constant alone, one row."""
        return {
            name: _with(1.0, np.zeros((1, features.shape[1]))) for name, features in self._features.items()
        }

    def _count(self, view: "_View", batch: int) -> NDArray[np.float64]:
        """One view of every distinct block, shape (blocks, features)."""
        heights = [block.height for block in self._position]
        rows: list[Counter[str]] = []
        for block in self._position:
            row: Counter[str] = Counter()
            for work in block_work(block, batch):
                row.update(view(work, block, block.height**2 <= max(heights) * min(heights)))
            rows.append(row)
        names = sorted(set().union(*rows))
        return np.array([[row[name] for name in names] for row in rows], dtype=float)


_View = Callable[[Work, Block, bool], Mapping[str, int]]
"""What is counted of one kernel, the block it is in, and whether that is a late one: of few rows."""


def _arithmetic_and_traffic(work: Work, _block: Block, _late: bool) -> Mapping[str, int]:
    return {"macs": work.macs, "moved": work.features + work.weights}


def _kernels(work: Work, _block: Block, _late: bool) -> dict[str, int]:
    """Kernels started, what is read and written, and arithmetic by kind: depthwise, or a product of matrices."""
    traffic = {"launches": work.launches, "features": work.features, "weights": work.weights}
    return {**traffic, "depthwise" if work.kind == "depthwise" else "product": work.macs}


def _windows(work: Work, block: Block, late: bool) -> Mapping[str, int]:
    """Kinds of kernel; depthwise ones by their window, products by where in the network they are."""
    parts = _kernels(work, block, late)
    if work.kind == "depthwise" and isinstance(block, MBConv):
        parts[f"depthwise {block.kernel}"] = parts.pop("depthwise")
    elif "product" in parts:
        parts[f"product {late}"] = parts.pop("product")
    return parts


def _sums(work: Work, block: Block, late: bool) -> Mapping[str, int]:
    """Kinds of kernel; what belongs to a block with a skip connection also on its own."""
    parts = _kernels(work, block, late)
    if not (isinstance(block, MBConv) and block.residual):
        return parts
    if work.kind == "elementwise":
        return {**parts, "sums": 1, "summed": work.features}
    own = {f"{name} beside a sum": parts[name] for name in ("depthwise", "product") if name in parts}
    return {**parts, **own}


_VIEWS: Mapping[str, _View] = {
    ARITHMETIC_AND_TRAFFIC: _arithmetic_and_traffic,
    KERNELS: _kernels,
    WINDOWS: _windows,
    SUMS: _sums,
}
"""Simpler ones first."""


def _scaled(features: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features of blocks, relative to those of an average network; without those that all networks have alike."""
    totals = counts @ features
    average = totals.mean(axis=0)
    varying = np.ptp(totals, axis=0) > VARIES * average
    scaled: NDArray[np.float64] = features[:, varying] / average[varying]
    return scaled


def _with(constant: float, features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.full(len(features), constant), features])
