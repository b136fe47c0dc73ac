"""Parametric kernel costs: launch + MACs / rate + traffic / bandwidth, fitted jointly to the times of many networks.

A family's coefficients are the sum of those shared by all kernels, by its kind, and its own. All are non-negative and
shrunk towards 0 by a ridge penalty, so that a family with few observations resembles others of its kind.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, diags, vstack

from edgenas.onnx_latency.pieces import Piece, kind_of

CACHES = (2**18, 2**20, 2**22)
"""Elements read and written beyond which each may cost more, as they exceed a cache."""

COLD_WEIGHTS = (19, 22)
"""log2 of the bytes of a network's weights beyond which weights may no longer be cached."""

Floats = NDArray[np.float64]

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

TYPICAL_MS = np.array([2e-3, 0.05, 0.3, 10.0, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])
"""Usual costs of a launch, and of a million of each other amount of `_work`, on one core of a laptop: their proportions
decide how much each coefficient is shrunk."""

RIDGE = (0.005, 0.02, 0.04)
"""Weight of the penalty on a coefficient of its usual size: of those shared by all, by a kind, and a family's own.
Errors are relative to a network's time."""

PART_WEIGHT, PART_MS = 0.2, 3e-3
"""Weight of a part's error beside that of a network; what is added to its time as the runtime's clock counts whole
microseconds and the clock itself takes time."""

MIN_MS = 1e-7
MAX_STEPS = 400


class SizedPiece(NamedTuple):
    """A piece and the size of its network: log2 of the bytes of the network's weights, rounded."""

    piece: Piece
    size: int


class Parts(NamedTuple):
    """What some pieces took of a network's time, by the runtime's own clock: row i of each array is of one piece.

    Attributes:
        pieces: places among all pieces.
        counts: how often each ran.
        times_ms: milliseconds of all of these.
    """

    pieces: NDArray[np.int64]
    counts: Floats
    times_ms: Floats


class Rates:
    """Parametric cost of pieces, also for families that were not timed.

    Args:
        families: coefficients of each family, shape (features,).
    """

    def __init__(self, families: Mapping[str, Floats]) -> None:
        self.families = families
        kinds: dict[str, list[Floats]] = {}
        for family, rates in families.items():
            kinds.setdefault(kind_of(family), []).append(rates)
        self._kinds: dict[str, Floats] = {kind: np.mean(each, axis=0) for kind, each in kinds.items()}
        self._mean: Floats = np.mean(list(families.values()), axis=0)

    def base_ms(self, seen: Sequence[SizedPiece]) -> Floats:
        """Milliseconds of each piece, shape (pieces,), all positive."""
        rates = np.array([self._of(each.piece) for each in seen])
        times_ms: Floats = np.maximum((_work(seen) * rates).sum(1), MIN_MS)
        return times_ms

    def _of(self, piece: Piece) -> Floats:
        """Those of its family; of one that was not timed, the mean of its kind, or of all."""
        found = self.families.get(piece.family)
        return self._kinds.get(piece.kind, self._mean) if found is None else found


def fitted_rates(
    seen: Sequence[SizedPiece], counts: csr_matrix, net_ms: Floats, times_ms: Floats, parts: Parts
) -> Rates:
    """The rates that explain the times of networks best.

    Args:
        seen: distinct pieces.
        counts: of each piece in each network, shape (networks, pieces).
        net_ms: times of the networks minus the overhead of a call.
        times_ms: times of the networks; errors are relative to them.
        parts: of the networks.
    """
    groups = sorted({group for each in seen for group in _groups(each.piece.family)})
    work = _work(seen)
    pace = float(np.median(net_ms / (counts @ (work @ TYPICAL_MS))))
    scale = max(pace, 1e-9) * TYPICAL_MS
    columns = _columns(seen, work * scale, groups)
    part_weights = PART_WEIGHT / (parts.times_ms + PART_MS)
    design = vstack(
        [
            diags(1 / times_ms) @ counts @ columns,
            diags(part_weights * parts.counts) @ columns[parts.pieces],
        ]
    )
    wanted = np.concatenate([net_ms / times_ms, part_weights * parts.times_ms])
    penalties = [RIDGE[bool(group) + ("/" in group)] for group in groups]
    found = _non_negative(csr_matrix(design), wanted, np.repeat(penalties, len(scale)))
    rates = dict(zip(groups, found.reshape(len(groups), -1) * scale, strict=True))
    families = sorted({each.piece.family for each in seen})
    return Rates({family: sum(rates[group] for group in _groups(family)) for family in families})


def _columns(seen: Sequence[SizedPiece], work: Floats, groups: Sequence[str]) -> csr_matrix:
    """Each piece's work in the columns of each of its groups, shape (pieces, groups x features)."""
    places = {group: i for i, group in enumerate(groups)}
    own = work.copy()
    own[:, -len(COLD_WEIGHTS) :] = 0  # cache misses of weights do not depend on the kernel
    blocks = []
    for level, part in enumerate((work, own, own)):
        chosen = [places[_groups(each.piece.family)[level]] for each in seen]
        columns = np.array(chosen)[:, None] * work.shape[1] + np.arange(work.shape[1])
        rows = np.repeat(np.arange(len(seen)), work.shape[1])
        shape = (len(seen), len(groups) * work.shape[1])
        blocks.append(csr_matrix((part.ravel(), (rows, columns.ravel())), shape))
    return sum(blocks[1:], blocks[0])


def _non_negative(design: csr_matrix, wanted: Floats, penalties: Floats) -> Floats:
    """Non-negative least squares with a ridge penalty on each coefficient."""
    transposed, curvatures = csr_matrix(design.T), penalties**2

    def loss(found: Floats) -> tuple[float, Floats]:
        left = design @ found - wanted
        shrunk = curvatures * found
        return float(left @ left + found @ shrunk) / 2, transposed @ left + shrunk

    start = np.where(np.asarray(design.sum(0)).ravel() > 0, 0.1, 0.0)
    options = {"maxiter": MAX_STEPS, "maxfun": MAX_STEPS, "ftol": 1e-7}
    found: Floats = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start), options=options
    ).x
    return found


def _groups(family: str) -> tuple[str, str, str]:
    return ("", kind_of(family), family)


def _work(seen: Sequence[SizedPiece]) -> Floats:
    """Features of the cost, shape (pieces, features).

    They are: launch, and millions of MACs, elements brought to them, stretches of memory, elements moved, weights,
    elements beyond each cache, uncached weights.
    """
    multiplies = np.array([each.piece.kind in MULTIPLYING for each in seen])
    sizes = np.array([each.size for each in seen], np.float64)
    macs, read, written, weights, reuse = np.array([each.piece[1:] for each in seen], np.float64).T
    moved = read + written
    beyond = [np.maximum(0, moved - cache) for cache in CACHES]
    cold = [weights * np.clip((sizes - start) / 2, 0, 1) for start in COLD_WEIGHTS]
    features = (
        *(np.full(len(seen), 1e6), macs * multiplies, macs / reuse * multiplies, macs * ~multiplies),
        *(moved, weights, *beyond, *cold),
    )
    return np.stack(features, axis=1) * 1e-6
