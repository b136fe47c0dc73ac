"""Physics fitted to sums."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from edgenas.onnx_latency.kernel_rates import Rates, SizedPiece
from edgenas.onnx_latency.pieces import Piece

SIZE = 18


def _rates(pieces: list[Piece], times_ms: list[float]) -> Rates:
    seen = [SizedPiece(piece, SIZE) for piece in pieces]
    times = np.array(times_ms)
    return Rates(seen, csr_matrix(np.eye(len(pieces))), times, times)


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


def test_what_was_never_seen_costs_what_all_have_in_common() -> None:
    rates = _rates([_piece(n) for n in (10, 20, 40)], [0.1, 0.2, 0.4])
    (found,) = rates.base_ms([SizedPiece(_piece(20, "unknown/Odd"), SIZE)])
    assert 0 < found < 0.3
