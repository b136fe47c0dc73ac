"""Physics fitted to sums."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from edgenas.onnx_latency.kernel_rates import Parts, Rates, SizedPiece, fitted_rates
from edgenas.onnx_latency.pieces import Piece

SIZE = 18


def _rates(pieces: list[Piece], times_ms: list[float]) -> Rates:
    seen = [SizedPiece(piece, SIZE) for piece in pieces]
    times = np.array(times_ms)
    return fitted_rates(seen, csr_matrix(np.eye(len(pieces))), times, times, _parts())


def _parts(*parts: tuple[int, float]) -> Parts:
    """What pieces took, by their places."""
    places, times_ms = [place for place, _ in parts], [ms for _, ms in parts]
    return Parts(np.array(places, np.int64), np.ones(len(parts)), np.array(times_ms, np.float64))


def _piece(millions: int, family: str = "dense/Conv") -> Piece:
    return Piece(family, millions * 10**6, 1000, 1000, 1000, 10)


def test_a_rate_is_found_and_more_work_never_takes_less_time() -> None:
    rates = _rates([_piece(n) for n in (10, 20, 40, 80)], [0.1, 0.2, 0.4, 0.8])
    found = rates.base_ms([SizedPiece(_piece(n), SIZE) for n in (15, 30, 60)])
    assert found == pytest.approx([0.15, 0.3, 0.6], rel=0.25)
    assert (np.diff(found) > 0).all()


def test_a_family_of_its_own_speed_has_its_own_rate() -> None:
    sizes = (10, 20, 40, 80)
    pieces = [_piece(n, family) for family in ("dense/Conv", "matmul/MatMul") for n in sizes]
    rates = _rates(pieces, [n / 100 * factor for factor in (1, 4) for n in sizes])
    fast, slow = rates.base_ms(
        [SizedPiece(_piece(30, family), SIZE) for family in ("dense/Conv", "matmul/MatMul")]
    )
    assert slow / fast == pytest.approx(4, rel=0.4)


def test_a_family_that_was_never_seen_costs_what_its_kind_does_or_else_all() -> None:
    families = ("dense/Conv", "dense/FusedConv", "matmul/MatMul")
    rates = _rates([_piece(20, family) for family in families], [0.1, 0.3, 2.0])
    known = rates.base_ms([SizedPiece(_piece(20, family), SIZE) for family in families])
    of_kind, other = rates.base_ms(
        [SizedPiece(_piece(20, family), SIZE) for family in ("dense/Other", "grouped/Odd")]
    )
    assert of_kind == pytest.approx(known[:2].mean())
    assert other == pytest.approx(known.mean())


def test_parts_tell_apart_what_always_runs_together() -> None:
    families = ("dense/Conv", "matmul/MatMul")
    sizes = (10, 20, 40, 80)
    seen = [SizedPiece(_piece(n, family), SIZE) for n in sizes for family in families]
    pairs = csr_matrix(np.kron(np.eye(len(sizes)), np.ones(2)))
    times = np.array([n / 100 for n in sizes])

    def slower(parts: Parts) -> float:
        dense_ms, product_ms = fitted_rates(seen, pairs, times, times, parts).base_ms(seen)[2:4]
        return float(product_ms / dense_ms)

    told = _parts(*((i, times[i // 2] * (0.8 if i % 2 else 0.2)) for i in range(len(seen))))
    assert slower(_parts()) == pytest.approx(1, abs=0.1)
    assert slower(told) > 2
