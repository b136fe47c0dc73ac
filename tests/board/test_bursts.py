"""Parts of the timing that stand alone; the whole is tested with a simulated machine in `timing/test_measuring.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.board.bursts import Burst, disturbed, is_disturbed, is_usual, level, quantile


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_quantiles_are_numpy_s(values: list[float], share: float) -> None:
    assert quantile(sorted(values), share) == pytest.approx(float(np.quantile(values, share)))


def _burst(sentinel_ms: float = 1.0, interruptions: int = 0, p50_ms: float = 1.0) -> Burst:
    return Burst(p50_ms, p50_ms, p50_ms, 10, sentinel_ms, sentinel_ms, interruptions)


@pytest.mark.parametrize(
    ("ratio", "usual"), [(1.0, True), (1.14, True), (0.88, True), (1.16, False), (0.86, False)]
)
def test_normal_variation(ratio: float, usual: bool) -> None:
    assert is_usual(ratio) == usual


@pytest.mark.parametrize(
    ("burst", "expected"),
    [
        (_burst(), False),
        (_burst(1.3), True),
        (_burst(0.7), True),
        (_burst(interruptions=10), True),
        (_burst(interruptions=9), False),
        (_burst(interruptions=10, p50_ms=100.0), False),  # so seldom that daemons suffice
    ],
)
def test_a_burst_is_disturbed_by_another_speed_or_a_shared_core(burst: Burst, expected: bool) -> None:
    assert is_disturbed(burst, 1.0) == expected


def test_the_level_is_that_of_the_quiet_rounds_and_others_are_found() -> None:
    bursts = {"a": [_burst(), _burst(2.0), _burst()], "b": [_burst(), _burst(2.0), _burst(2.0)]}
    assert level(bursts) == 1.0
    assert disturbed(bursts) == [("a", 1), ("b", 1), ("b", 2)]
