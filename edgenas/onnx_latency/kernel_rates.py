"""Parametric kernel costs: launch + MACs / rate + traffic / bandwidth, fitted jointly to the times of many networks.

A family's coefficients are the sum of those shared by all kernels, by its kind, and its own. All are non-negative and
shrunk towards 0 by a ridge penalty, so that a family with few observations resembles others of its kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from edgenas.onnx_latency.pieces import Piece

CACHES = (2**18, 2**20)
"""Elements read and written beyond which each may cost more, as they exceed a cache."""

COLD_WEIGHTS = (19, 22)
"""log2 of the bytes of a network's weights beyond which weights may no longer be cached."""

MULTIPLYING = (
    "dense",
    "depthwise",
    "global-pooling",
    "grouped",
    "linear",
    "matmul",
    "pointwise",
    "pooling",
    "recurrent",
)
"""Kinds whose `macs` are those; of others they are stretches of memory."""

TYPICAL_MS = np.array([2e-3, 0.05, 10.0, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])
"""Usual costs of a launch, and of a million of each other amount of `_work`, on one core of a laptop: their proportions
decide how much each coefficient is shrunk."""

RIDGE = (0.005, 0.02, 0.04)
"""Weight of the penalty on a coefficient of its usual size: of those shared by all, by a kind, and a family's own.
Errors are relative to a network's time."""

MIN_MS = 1e-7
MAX_STEPS = 400

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
        members: dict[str, list[int]] = {}
        for i, each in enumerate(seen):
            for group in _groups(each.piece):
                members.setdefault(group, []).append(i)
        groups = sorted(members)
        work = np.array([_work(each) for each in seen])
        pace = float(np.median(net_ms / (counts @ (work @ TYPICAL_MS))))
        scale = max(pace, 1e-9) * TYPICAL_MS
        columns, penalties = [], []
        for group in groups:
            own = work[members[group]] * scale
            if group:  # cache misses of weights do not depend on the kernel
                own[:, -len(COLD_WEIGHTS) :] = 0
            columns.append(counts[:, members[group]] @ own)
            penalties += [RIDGE[bool(group) + ("/" in group)]] * len(TYPICAL_MS)
        found = _non_negative(
            np.concatenate(columns, 1) / times_ms[:, None], net_ms / times_ms, np.array(penalties)
        )
        self._rates = dict(zip(groups, found.reshape(len(groups), -1) * scale, strict=True))

    def base_ms(self, seen: Sequence[SizedPiece]) -> Floats:
        """Milliseconds of each piece, shape (pieces,), all positive."""
        times = [
            _work(each) @ sum(self._rates[group] for group in _groups(each.piece) if group in self._rates)
            for each in seen
        ]
        return np.maximum(times, MIN_MS)


def _non_negative(design: Floats, wanted: Floats, penalties: Floats) -> Floats:
    """Non-negative least squares with a ridge penalty on each coefficient; hundreds of them in less than a second."""
    used: NDArray[np.bool_] = np.abs(design).sum(0) > 0
    found = np.zeros(len(used))
    found[used] = _solved(design[:, used], wanted, penalties[used])
    return found


def _solved(design: Floats, wanted: Floats, penalties: Floats) -> Floats:
    gram = design.T @ design + np.diag(penalties**2)
    right = design.T @ wanted

    def loss(found: Floats) -> tuple[float, Floats]:
        slope = gram @ found
        return float(found @ (0.5 * slope - right)), slope - right

    start = np.full(len(right), 0.1)
    options = {"maxiter": MAX_STEPS, "maxfun": MAX_STEPS, "ftol": 1e-7}
    found: Floats = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(right), options=options
    ).x
    return found


def _groups(piece: Piece) -> tuple[str, str, str]:
    return ("", piece.kind, piece.family)


def _work(seen: SizedPiece) -> Floats:
    """Features of the cost: launch, and millions of MACs, stretches of memory, elements moved, weights, elements beyond
    each cache, uncached weights."""
    _, macs, read, written, weights, _ = seen.piece
    multiplies = seen.piece.kind in MULTIPLYING
    moved = read + written
    beyond = [max(0, moved - cache) for cache in CACHES]
    cold = [weights * min(max((seen.size - start) / 2, 0), 1) for start in COLD_WEIGHTS]
    return np.array([1e6, macs * multiplies, macs * (not multiplies), moved, weights, *beyond, *cold]) * 1e-6
