"""Physics of kernels: launch + multiplications / rate + traffic / bandwidths, fitted to the times of many together.

A family's figures are those of all kernels, and what its kind, and then it itself, cost on top; none is negative and
each is drawn towards 0 as far as the times allow, so that a family seen once is much like others of its kind.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.sparse import csr_matrix

from edgenas.onnx_latency.blocked_layout import Piece

CACHES = (2**18, 2**20)
"""Numbers beyond which each one read or written may cost more, as no cache of such a size holds them."""

COLD = (19, 22)
"""Logarithms to base 2 of the bytes of a network's weights beyond which weights may come from further away."""

RIDGE = 0.3
"""Weight of the penalty on each figure, in shares of a network's time as the errors are."""

LEAST_MS = 1e-7
MAX_STEPS = 50_000

Floats = NDArray[np.float64]


class Seen(NamedTuple):
    """A piece, and in how large a network: the logarithm to base 2 of the bytes of its weights, a whole number."""

    piece: Piece
    size: int


class Rates:
    """Milliseconds of pieces, families not seen included.

    Args:
        seen: distinct pieces.
        counts: how often each runs in each network, shape (networks, pieces).
        net_ms: what the networks took beyond the call's overhead.
        times_ms: what they took: their errors are relative to it.
    """

    def __init__(self, seen: Sequence[Seen], counts: csr_matrix, net_ms: Floats, times_ms: Floats) -> None:
        groups = sorted({group for each in seen for group in _groups(each.piece)})
        work = np.array([_work(each) for each in seen])
        columns = []
        for group in groups:
            own = work * np.array([group in _groups(each.piece) for each in seen])[:, None]
            if group:  # where weights come from does not depend on what they are for
                own[:, -len(COLD) :] = 0
            columns.append(counts @ own)
        design = np.concatenate(columns, 1) / times_ms[:, None]
        scale = np.maximum(design.mean(0), 1e-12)
        penalty = np.diag(np.full(design.shape[1], RIDGE))
        wanted = np.concatenate([net_ms / times_ms, np.zeros(design.shape[1])])
        found, _ = nnls(np.vstack([design / scale, penalty]), wanted, maxiter=MAX_STEPS)
        self._rates = dict(zip(groups, (found / scale).reshape(len(groups), -1), strict=True))

    def base_ms(self, seen: Sequence[Seen]) -> Floats:
        """Milliseconds of each piece, shape (pieces,), all positive."""
        times = [
            _work(each) @ sum(self._rates[group] for group in _groups(each.piece) if group in self._rates)
            for each in seen
        ]
        return np.maximum(times, LEAST_MS)


def _groups(piece: Piece) -> tuple[str, str, str]:
    return ("", piece.kind, piece.family)


def _work(seen: Seen) -> Floats:
    """What takes time: a launch, and millions of multiplications, numbers moved, those beyond each cache, weights."""
    _, macs, read, written, weights, _ = seen.piece
    moved = read + written
    beyond = [max(0, moved - cache) for cache in CACHES]
    cold = [weights * min(max((seen.size - start) / 2, 0), 1) for start in COLD]
    return np.array([1e6, macs, moved, weights, *beyond, *cold]) * 1e-6
