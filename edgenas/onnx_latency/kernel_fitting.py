"""What a device's kernels cost, learnt from the times of fragments.

A fragment takes the call's overhead and the sum of its pieces. A piece takes what physics says (`rates`) times exp(g),
g a Gaussian process over the logarithms of its sizes (Rasmussen & Williams 2006), alike for pieces of one kind and
more so for those of one family. Only sums were timed; its posterior follows from them in Gauss-Newton steps, each of
them a Gaussian process conditioned on linear functionals of it (Laplace's approximation).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix

from edgenas.latency.table import Fragments
from edgenas.onnx_latency.blocked_layout import Piece, piece_from_text
from edgenas.onnx_latency.kernel_rates import Rates, Seen

KIND, FAMILY = 0.2, 0.2
"""Prior standard deviation of the logarithm of what all pieces of a kind, and of a family, have in common."""

KIND_SHAPE, FAMILY_SHAPE = 0.2, 0.3
"""The same of what depends on the sizes."""

LENGTHS = (3.0, 2.0, 1.5, 2.0, 6.0)
"""Differences of the sizes' logarithms over which that changes; see `_sizes`."""

NOISE = 0.04
"""What a fragment's time is off from any sum of its pieces, as a share of it."""

CLOCK_MS = 0.5e-3
"""What it is off by in any case."""

STEPS = 6
LARGEST_STEP = 1.0
FARTHEST = 3.0
"""No piece costs more than exp(3) times what physics says, or less than that share of it."""

FEWEST_BYTES, MOST_BYTES = 17, 26
"""Logarithms to base 2 of what a network's weights take, at least and at most: caches between are told apart."""

COVERED, LEAST_WIDENING = 0.9, 1.645
"""Share of networks that the interval should hold, and the standard deviations either side that hold it by theory."""

Floats = NDArray[np.float64]


class Costs(NamedTuple):
    """Milliseconds of pieces, and how far their sum and the overhead may be off, as a standard deviation's share."""

    times_ms: Floats
    relative_sd: float


class KernelCosts:
    """What was learnt. Immutable.

    Attributes:
        overhead_ms: what a call costs before any kernel runs.
        channel_block: as `Fragments.channel_block`.
        evidence: logarithm of how probable the times are; compares ways to count the same fragments' pieces.
        errors: of each fragment predicted from the others, (measured - predicted) / measured.
        widening: standard deviations either side of a prediction that hold 90 % of them.
    """

    def __init__(self, fragments: Fragments) -> None:
        self.overhead_ms, self.channel_block = fragments.overhead_ms, fragments.channel_block
        times_ms = np.array([each.typical_ms for each in fragments.times])
        seen, counts = _counted(fragments)
        pieces = [each.piece for each in seen]
        net_ms = times_ms - self.overhead_ms
        self._rates = Rates(seen, counts, net_ms, times_ms)
        self._groups = {kind: _Group([seen[i] for i in places]) for kind, places in _by_kind(pieces).items()}
        self._places = _by_kind(pieces)
        self._solve(self._rates.base_ms(seen), counts, net_ms, times_ms)

    def _solve(self, base_ms: Floats, counts: csr_matrix, net_ms: Floats, times_ms: Floats) -> None:
        noise = NOISE**2 + (CLOCK_MS / times_ms) ** 2
        covariances = {kind: group.covariance(group) for kind, group in self._groups.items()}
        g = np.zeros(len(base_ms))
        for _ in range(STEPS):
            # Rows: networks, in shares of their time; columns: pieces.
            slopes = csr_matrix(counts.multiply(base_ms * np.exp(g)).multiply(1 / times_ms[:, None]))
            left = net_ms / times_ms - slopes @ np.ones(len(g)) + slopes @ g
            among = np.diag(noise)
            for kind, covariance in covariances.items():
                part = slopes[:, self._places[kind]]
                among += part @ (part @ covariance).T
            factor = cho_factor(among, lower=True)
            solved = cho_solve(factor, left)
            weights = slopes.T @ solved
            wanted = np.zeros(len(g))
            for kind, covariance in covariances.items():
                wanted[self._places[kind]] = covariance @ weights[self._places[kind]]
            g = np.clip(g + np.clip(wanted - g, -LARGEST_STEP, LARGEST_STEP), -FARTHEST, FARTHEST)
        self._slopes, self._factor, self._weights = slopes, factor, weights
        precision = np.diag(cho_solve(factor, np.eye(len(times_ms))))
        self.evidence = float(-0.5 * left @ solved - np.log(np.diag(factor[0])).sum())
        self.errors = solved / precision
        off = np.quantile(np.abs(solved) / np.sqrt(precision), COVERED)
        self.widening = max(float(off), LEAST_WIDENING)

    def costs(self, pieces: Sequence[Piece]) -> Costs:
        """Milliseconds of a network's pieces, in order."""
        size = _size(pieces)
        seen = [Seen(piece, size) for piece in pieces]
        g, times_ms = np.zeros(len(pieces)), self._rates.base_ms(seen)
        groups = {
            kind: (places, _Group([seen[i] for i in places])) for kind, places in _by_kind(pieces).items()
        }
        cross = {
            kind: group.covariance(self._groups[kind])
            for kind, (_, group) in groups.items()
            if kind in self._groups
        }
        for kind, covariance in cross.items():
            g[groups[kind][0]] = covariance @ self._weights[self._places[kind]]
        times_ms *= np.exp(np.clip(g, -FARTHEST, FARTHEST))
        variance = 0.0
        shared: Floats = np.zeros(self._slopes.shape[0])
        for kind, (places, group) in groups.items():
            part_ms = times_ms[places]
            variance += float(part_ms @ group.covariance(group) @ part_ms)
            if kind in cross:
                shared += self._slopes[:, self._places[kind]] @ (part_ms @ cross[kind])
        variance -= float(shared @ cho_solve(self._factor, shared))
        whole_ms = self.overhead_ms + times_ms.sum()
        return Costs(times_ms, math.sqrt(max(variance, 0.0) / whole_ms**2 + NOISE**2))


class _Group:
    """Pieces of one kind, as the process sees them."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self._families = np.array([each.piece.family for each in seen])
        self._sizes = np.array([_sizes(each) for each in seen]) / LENGTHS

    def covariance(self, other: "_Group") -> Floats:
        """Between these and those, shape (these, those)."""
        squares = (
            (self._sizes**2).sum(1)[:, None] + (other._sizes**2).sum(1) - 2 * self._sizes @ other._sizes.T
        )
        near = np.exp(-0.5 * np.maximum(squares, 0))
        same = self._families[:, None] == other._families
        result: Floats = KIND**2 + KIND_SHAPE**2 * near + same * (FAMILY**2 + FAMILY_SHAPE**2 * near)
        return result


def _sizes(seen: Seen) -> tuple[float, ...]:
    """Logarithms of positions, outputs at each, multiplications for each, numbers read for each, network's bytes."""
    _, macs, read, written, _, reuse = seen.piece
    written = max(written, 1)
    return (
        math.log(max(written / reuse, 1)),
        math.log(reuse),
        math.log(max(macs / written, 1)),
        math.log(max(read, 1) / written),
        math.log(2) * seen.size,
    )


def _size(pieces: Sequence[Piece]) -> int:
    return round(
        min(max(math.log2(4 * sum(piece.weights for piece in pieces) + 1), FEWEST_BYTES), MOST_BYTES)
    )


def _counted(fragments: Fragments) -> tuple[list[Seen], csr_matrix]:
    """The distinct pieces of all fragments, and how often each runs in each, shape (fragments, pieces)."""
    places: dict[Seen, int] = {}
    rows, columns, counts = [], [], []
    for row, fragment in enumerate(fragments.times):
        pieces = {piece_from_text(text): count for text, count in fragment.pieces.items()}
        size = _size([piece for piece, count in pieces.items() for _ in range(count)])
        for piece, count in pieces.items():
            rows.append(row)
            columns.append(places.setdefault(Seen(piece, size), len(places)))
            counts.append(float(count))
    return list(places), csr_matrix((counts, (rows, columns)), shape=(len(fragments.times), len(places)))


def _by_kind(pieces: Sequence[Piece]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for i, piece in enumerate(pieces):
        places.setdefault(piece.kind, []).append(i)
    return places
