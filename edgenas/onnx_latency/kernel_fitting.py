"""Kernel costs of a device, learnt from the times of fragments.

A fragment takes the overhead of a call plus the sum of its pieces. A piece takes its parametric cost (`kernel_rates`)
times exp(g), where g is a Gaussian process over the logarithms of its sizes (Rasmussen & Williams 2006), correlated
between pieces of one kind, more strongly within one family. Only sums are observed; the posterior is found by
Gauss-Newton steps, each conditioning a Gaussian process on linear functionals of it (Laplace's approximation).
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from edgenas.errors import InputError
from edgenas.latency.table import MAX_DISTINCT, Fragments
from edgenas.onnx_latency.kernel_rates import TYPICAL_MS, Parts, Rates, SizedPiece, fitted_rates
from edgenas.onnx_latency.pieces import Piece, piece_from_text

KIND_SD, FAMILY_SD = 0.2, 0.2
"""Prior standard deviations of the log-correction shared by all pieces of a kind, and of a family."""

KIND_SIZE_SD, FAMILY_SIZE_SD = 0.2, 0.3
"""The same for the part that depends on the sizes."""

LENGTH_SCALES = (3.0, 2.0, 1.5, 2.0, 6.0)
"""Length scales of the log-sizes; see `_sizes`."""

NOISE = 0.06
"""Relative noise of a fragment's time: timing noise and deviation from a sum over pieces."""

TIMER_NOISE_MS = 0.5e-3
"""Absolute noise of a timing, milliseconds."""

RATE_SD, BEYOND_SD = 0.8, 0.12
"""Relative deviation of the rates of a family that no fragment had, which more of them lower as that of a mean. What
each factor of e adds by which a piece is larger than all of its family."""

NEWTON_STEPS = 6
MAX_STEP = 1.0
MAX_LOG_CORRECTION = 3.0
"""Corrections lie between exp(-3) and exp(3)."""

MIN_LOG2_BYTES, MAX_LOG2_BYTES = 17, 26
"""Bounds of log2 of the bytes of a network's weights; caches lie between them."""

COVERAGE, MIN_WIDENING = 0.9, 1.0
"""Nominal coverage of the interval, and its least half-width in standard deviations."""

Floats = NDArray[np.float64]


class Costs(NamedTuple):
    """Milliseconds of pieces, and the relative standard deviation of their sum and the overhead."""

    times_ms: Floats
    relative_sd: float


class Posterior(NamedTuple):
    """What was learnt from fragments; arrays alone, so that it can be kept.

    Attributes:
        rates: parametric costs, shape (families, features), the families in alphabetical order.
        pieces_ms: what each distinct piece takes where the observations are linearised, shape (pieces,).
        weights: of each piece in the mean of any other's correction, shape (pieces,).
        factor: Cholesky factor of the fragments' covariance, lower triangle, shape (fragments, fragments).
        errors: leave-one-out errors of the fragments, (measured - predicted) / measured.
        widening: half-width of the interval in standard deviations, such that it covers 90 % of the fragments.
    """

    rates: Floats
    pieces_ms: Floats
    weights: Floats
    factor: Floats
    errors: Floats
    widening: Floats


class KernelCosts:
    """The fitted model. Immutable.

    Args:
        fragments: timed on a device.
        posterior: what was learnt from them before; None to learn it.

    Raises:
        ValueError: it was learnt from others.

    Attributes:
        overhead_ms: overhead of a call.
        blocked: as `Fragments.blocked`.
        posterior: what was learnt.
    """

    def __init__(self, fragments: Fragments, posterior: Posterior | None = None) -> None:
        self.overhead_ms, self.blocked = fragments.overhead_ms, fragments.blocked
        observed = _observed(fragments)
        self._places = _by_kind([each.piece for each in observed.pieces])
        self._groups = {
            kind: _Group([observed.pieces[i] for i in places]) for kind, places in self._places.items()
        }
        self._known = _Known([each.piece for each in observed.pieces], observed.counts)
        with threadpool_limits(1):  # matrices are small: threads would only wait for each other
            self.posterior = posterior or self._learnt(observed, self.overhead_ms)
        families = sorted({each.piece.family for each in observed.pieces})
        _check(self.posterior, len(families), len(observed.pieces), len(observed.times_ms))
        self._rates = Rates(dict(zip(families, self.posterior.rates, strict=True)))
        self._slopes = _slopes(observed, self.posterior.pieces_ms)

    @property
    def errors(self) -> Floats:
        """Leave-one-out errors of the fragments, (measured - predicted) / measured."""
        return self.posterior.errors

    @property
    def widening(self) -> float:
        """Half-width of the interval in standard deviations, such that it covers 90 % of the fragments."""
        return float(self.posterior.widening)

    def _learnt(self, observed: "_Observed", overhead_ms: float) -> Posterior:
        pieces, counts, times_ms = observed.pieces, observed.counts, observed.times_ms
        net_ms = times_ms - overhead_ms
        rates = fitted_rates(pieces, counts, net_ms, times_ms, observed.parts)
        base_ms = rates.base_ms(pieces)
        noise = NOISE**2 + (TIMER_NOISE_MS / times_ms) ** 2
        covariances = {kind: group.covariance(group) for kind, group in self._groups.items()}
        g = np.zeros(len(base_ms))
        for _ in range(NEWTON_STEPS):
            pieces_ms = base_ms * np.exp(g)
            slopes = _slopes(observed, pieces_ms)
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
            g = np.clip(g + np.clip(wanted - g, -MAX_STEP, MAX_STEP), -MAX_LOG_CORRECTION, MAX_LOG_CORRECTION)
        precision = np.diag(cho_solve(factor, np.eye(len(times_ms))))
        errors = solved / precision
        variances = 1 / precision + self._known.left_out(slopes)
        off = np.quantile(np.abs(errors) / np.sqrt(variances), COVERAGE)
        return Posterior(
            rates=np.array(list(rates.families.values())),
            pieces_ms=pieces_ms,
            weights=weights,
            factor=factor[0],
            errors=errors,
            widening=np.array(max(float(off), MIN_WIDENING)),
        )

    def costs(self, counts: Mapping[Piece, int]) -> Costs:
        """Cost of a network's pieces, in the order of `counts`; the deviation is that of each so often.

        Raises:
            InputError: too many of them differ: time and memory grow with their square.
        """
        if len(counts) > MAX_DISTINCT:
            raise InputError(
                f"the model has {len(counts)} different kernels; at most {MAX_DISTINCT} are possible",
                "give a smaller model",
            )
        size = _size(counts)
        seen = [SizedPiece(piece, size) for piece in counts]
        return self._costs(seen, np.array(list(counts.values()), np.float64))

    def _costs(self, seen: Sequence[SizedPiece], counts: Floats) -> Costs:
        """Of distinct pieces, in order; their sum is that of each so often."""
        pieces = [each.piece for each in seen]
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
            g[groups[kind][0]] = covariance @ self.posterior.weights[self._places[kind]]
        times_ms *= np.exp(np.clip(g, -MAX_LOG_CORRECTION, MAX_LOG_CORRECTION))
        variance = 0.0
        shared: Floats = np.zeros(self._slopes.shape[0])
        for kind, (places, group) in groups.items():
            part_ms = times_ms[places] * counts[places]
            variance += float(part_ms @ group.covariance(group) @ part_ms)
            if kind in cross:
                shared += self._slopes[:, self._places[kind]] @ (part_ms @ cross[kind])
        variance -= float(shared @ cho_solve((self.posterior.factor, True), shared))
        variance += self._known.variance(pieces, times_ms * counts)
        whole_ms = self.overhead_ms + times_ms @ counts
        return Costs(times_ms, math.sqrt(max(variance, 0.0) / whole_ms**2 + NOISE**2))


class _Known:
    """How well rates of families are known: from how many fragments, and of which sizes.

    Args:
        pieces: distinct ones.
        counts: how often each is in which fragment, shape (fragments, pieces).
    """

    def __init__(self, pieces: Sequence[Piece], counts: csr_matrix) -> None:
        self._pieces = pieces
        self._largest: dict[str, dict[int, int]] = {}
        for fragment, place in zip(*map(np.ndarray.tolist, counts.nonzero()), strict=True):
            largest = self._largest.setdefault(pieces[place].family, {})
            largest[fragment] = max(largest.get(fragment, 1), _amount(pieces[place]))
        self._sorted = {family: sorted(each.values()) for family, each in self._largest.items()}

    def variance(self, pieces: Sequence[Piece], parts_ms: Floats) -> float:
        """Of the sum of pieces that take `parts_ms`, as errors of a family's rates are common to its pieces."""
        deviations: dict[str, float] = {}
        for piece, part_ms in zip(pieces, parts_ms.tolist(), strict=True):
            sizes = self._sorted.get(piece.family, [])
            deviation = _deviation(piece, len(sizes), max(sizes, default=1)) * part_ms
            deviations[piece.family] = deviations.get(piece.family, 0.0) + deviation
        return sum(deviation**2 for deviation in deviations.values())

    def left_out(self, slopes: csr_matrix) -> Floats:
        """Of each fragment, by the shares of its pieces, as known from the others; shape (fragments,)."""
        found = np.zeros(slopes.shape[0])
        for fragment in range(slopes.shape[0]):
            row = slopes[[fragment]]
            deviations: dict[str, float] = {}
            for place, share in zip(row.indices.tolist(), row.data.tolist(), strict=True):
                piece = self._pieces[place]
                sizes = self._sorted[piece.family]
                is_largest = self._largest[piece.family][fragment] == sizes[-1]
                others = sizes[:-1] if is_largest else sizes[-1:]
                deviation = _deviation(piece, len(sizes) - 1, others[-1] if others else 1) * share
                deviations[piece.family] = deviations.get(piece.family, 0.0) + deviation
            found[fragment] = sum(deviation**2 for deviation in deviations.values())
        return found


def _deviation(piece: Piece, fragments: int, largest: int) -> float:
    """Of the rates of a piece's family, relative, for so many fragments and the largest amount of work in them."""
    beyond = max(0.0, math.log(_amount(piece) / largest))
    return math.hypot(RATE_SD / math.sqrt(1 + fragments), BEYOND_SD * beyond)


def _amount(piece: Piece) -> int:
    return max(1, piece.macs, piece.read + piece.written, piece.weights)


class _Group:
    """Pieces of one kind, as inputs of the Gaussian process."""

    def __init__(self, seen: Sequence[SizedPiece]) -> None:
        self._families = np.array([each.piece.family for each in seen])
        self._sizes = np.array([_sizes(each) for each in seen]) / LENGTH_SCALES

    def covariance(self, other: "_Group") -> Floats:
        """Prior covariance with another group, shape (pieces here, pieces there)."""
        squares = (
            (self._sizes**2).sum(1)[:, None] + (other._sizes**2).sum(1) - 2 * self._sizes @ other._sizes.T
        )
        near = np.exp(-0.5 * np.maximum(squares, 0))
        same = self._families[:, None] == other._families
        result: Floats = (
            KIND_SD**2 + KIND_SIZE_SD**2 * near + same * (FAMILY_SD**2 + FAMILY_SIZE_SD**2 * near)
        )
        return result


def _sizes(seen: SizedPiece) -> tuple[float, ...]:
    """Logs of: output positions, channels per position, MACs and reads per output, bytes of the network's weights."""
    _, macs, read, written, _, reuse = seen.piece
    written = max(written, 1)
    return (
        math.log(max(written / reuse, 1)),
        math.log(reuse),
        math.log(max(macs / written, 1)),
        math.log(max(read, 1) / written),
        math.log(2) * seen.size,
    )


def _size(counts: Mapping[Piece, int]) -> int:
    """Of a network of pieces, each so often; see `SizedPiece`."""
    weights = sum(piece.weights * count for piece, count in counts.items())
    return round(min(max(math.log2(4 * weights + 1), MIN_LOG2_BYTES), MAX_LOG2_BYTES))


class _Observed(NamedTuple):
    """Fragments as arrays: distinct pieces, how often each is in which, shape (fragments, pieces), times, and parts."""

    pieces: list[SizedPiece]
    counts: csr_matrix
    times_ms: Floats
    parts: Parts


def _observed(fragments: Fragments) -> _Observed:
    places: dict[SizedPiece, int] = {}
    rows, columns, counts = [], [], []
    parts = []
    for row, fragment in enumerate(fragments.times):
        pieces = {piece_from_text(text): count for text, count in fragment.pieces.items()}
        size = _size(pieces)
        for (text, count), piece in zip(fragment.pieces.items(), pieces, strict=True):
            place = places.setdefault(SizedPiece(piece, size), len(places))
            rows.append(row)
            columns.append(place)
            counts.append(float(count))
            if text in fragment.parts_ms:
                parts.append((place, float(count), fragment.parts_ms[text]))
    found, often, parts_ms = np.array(parts, np.float64).reshape(-1, 3).T
    return _Observed(
        list(places),
        csr_matrix((counts, (rows, columns)), shape=(len(fragments.times), len(places))),
        np.array([each.typical_ms for each in fragments.times]),
        Parts(found.astype(np.int64), often, parts_ms),
    )


def _slopes(observed: _Observed, pieces_ms: Floats) -> csr_matrix:
    """Jacobian of the fragments' times in the corrections, relative to the times, shape (fragments, pieces)."""
    return csr_matrix(observed.counts.multiply(pieces_ms).multiply(1 / observed.times_ms[:, None]))


def _check(posterior: Posterior, families: int, pieces: int, fragments: int) -> None:
    """Raise ValueError if it was learnt from others, or cannot have been learnt."""
    expected = (
        *((families, len(TYPICAL_MS)), (pieces,), (pieces,), (fragments, fragments)),
        *((fragments,), ()),
    )
    for name, found, shape in zip(Posterior._fields, posterior, expected, strict=True):
        if found.shape != shape or not np.isfinite(found).all():
            raise ValueError(f"{name} has shape {found.shape}, not {shape}, or is not finite")
    positive = (posterior.pieces_ms, np.diag(posterior.factor), posterior.widening)
    if (posterior.rates < 0).any() or any((each <= 0).any() for each in positive):
        raise ValueError("rates are negative, or deviations are not positive")


def _by_kind(pieces: Sequence[Piece]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for i, piece in enumerate(pieces):
        places.setdefault(piece.kind, []).append(i)
    return places
