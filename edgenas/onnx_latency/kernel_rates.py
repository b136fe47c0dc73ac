"""Parametric kernel costs: launch + MACs / rate + traffic / bandwidth, fitted jointly to the times of many networks.

A family's coefficients are the sum of those shared by all kernels, by its kind, and its own. All are non-negative and
shrunk towards 0 by a ridge penalty, so that a family with few observations resembles others of its kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_matrix

from edgenas.onnx_latency.pieces import Piece

CACHES = (2**18, 2**20)
"""Elements read and written beyond which each may cost more, as they exceed a cache."""

COLD_WEIGHTS = (19, 22)
"""log2 of the bytes of a network's weights beyond which weights may no longer be cached."""

RIDGE = 0.3
"""Weight of the penalty on each coefficient; errors are relative to a network's time."""

MIN_MS = 1e-7
MAX_STEPS = 50_000

Floats = NDArray[np.float64]


class SizedPiece(NamedTuple):
    """A piece and the size of its network: log2 of the bytes of the network's weights, rounded."""

    piece: Piece
    size: int


class Rates:
    """Parametric cost of pieces, also for families that were not timed.

    Args:
        seen: distinct pieces.
        counts: of each piece in each network, shape (networks, pieces).
        net_ms: times of the networks minus the overhead of a call.
        times_ms: times of the networks; errors are relative to them.
    """

    def __init__(
        self, seen: Sequence[SizedPiece], counts: csr_matrix, net_ms: Floats, times_ms: Floats
    ) -> None:
        groups = sorted({group for each in seen for group in _groups(each.piece)})
        work = np.array([_work(each) for each in seen])
        columns = []
        for group in groups:
            own = work * np.array([group in _groups(each.piece) for each in seen])[:, None]
            if group:  # cache misses of weights do not depend on the kernel
                own[:, -len(COLD_WEIGHTS) :] = 0
            columns.append(counts @ own)
        design = np.concatenate(columns, 1) / times_ms[:, None]
        scale = np.maximum(design.mean(0), 1e-12)
        penalty = np.diag(np.full(design.shape[1], RIDGE))
        wanted = np.concatenate([net_ms / times_ms, np.zeros(design.shape[1])])
        found, _ = nnls(np.vstack([design / scale, penalty]), wanted, maxiter=MAX_STEPS)
        self._rates = dict(zip(groups, (found / scale).reshape(len(groups), -1), strict=True))

    def base_ms(self, seen: Sequence[SizedPiece]) -> Floats:
        """Milliseconds of each piece, shape (pieces,), all positive."""
        times = [
            _work(each) @ sum(self._rates[group] for group in _groups(each.piece) if group in self._rates)
            for each in seen
        ]
        return np.maximum(times, MIN_MS)


def _groups(piece: Piece) -> tuple[str, str, str]:
    return ("", piece.kind, piece.family)


def _work(seen: SizedPiece) -> Floats:
    """Features of the cost: launch, and millions of MACs, elements moved, weights, elements beyond each cache, uncached
    weights."""
    _, macs, read, written, weights, _ = seen.piece
    moved = read + written
    beyond = [max(0, moved - cache) for cache in CACHES]
    cold = [weights * min(max((seen.size - start) / 2, 0), 1) for start in COLD_WEIGHTS]
    return np.array([1e6, macs, moved, weights, *beyond, *cold]) * 1e-6
