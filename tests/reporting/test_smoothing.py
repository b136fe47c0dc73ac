"""Smoothed curves follow what they are made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.reporting.smoothing import smoothed


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=20))
def test_smoothing_stays_between_its_values_and_leaves_gaps(values: list[float | None]) -> None:
    found = smoothed([i / 100 for i in range(len(values))], values)
    assert [each is None for each in found] == [each is None for each in values]
    known = [each for each in values if each is not None]
    assert all(min(known) - 1e-6 <= each <= max(known) + 1e-6 for each in found if each is not None)


def test_smoothing_keeps_a_line_and_calms_what_jumps() -> None:
    places = [i / 100 for i in range(101)]
    assert smoothed(places, [3.0] * 101) == pytest.approx([3.0] * 101)
    jagged = [float(i % 2) for i in range(101)]
    assert smoothed(places, jagged)[30:70] == pytest.approx([0.5] * 40, abs=1e-3)
