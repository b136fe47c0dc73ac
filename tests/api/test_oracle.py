"""The true front, and how near a search comes to it, worked out by hand and by counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.api.oracle import REFERENCE, Oracle
from edgenas.searchers.front import hypervolume

# Errors of 0.1 to 0.5 and 1 to 5 ms: by the front's span of 0.4 and 4 ms, corners (0, 1), (0.5, 0.5), (1, 0).
CORNERS = np.array([[0.1, 5.0], [0.3, 3.0], [0.5, 1.0]])
BEHIND = np.array([[0.35, 4.0], [0.9, 9.0]])

steps = st.integers(0, 6).map(float)
points = st.lists(st.tuples(steps, steps), min_size=1, max_size=12).map(np.array)


def test_the_hypervolume_of_three_corners() -> None:
    oracle = Oracle(np.concatenate([BEHIND, CORNERS]))
    assert oracle.front.tolist() == CORNERS[::-1].tolist()
    # Three boxes to (1.1, 1.1): 1.1 x 0.1, 0.6 x 0.5 and 0.1 x 0.5 beyond one another.
    assert oracle.hypervolume == pytest.approx(1.1 * 0.1 + 0.6 * 0.5 + 0.1 * 0.5)


def test_standings_worked_out_by_hand() -> None:
    oracle = Oracle(np.concatenate([BEHIND, CORNERS]))
    found = list(
        oracle.standings(np.array([BEHIND[1], BEHIND[0], CORNERS[1], CORNERS[1], CORNERS[0], CORNERS[2]]))
    )
    assert [standing.pareto_recall for standing in found] == pytest.approx([0, 0, 1 / 3, 1 / 3, 2 / 3, 1])
    # (0.625, 0.75) dominates 0.475 x 0.35; (0.5, 0.5) in its place 0.6 x 0.6; (0, 1) adds 0.5 x 0.1.
    volumes = np.array([0, 0.475 * 0.35, 0.36, 0.36, 0.41, 0.46])
    assert [standing.hypervolume_ratio for standing in found] == pytest.approx(volumes / 0.46)


def test_networks_of_equal_figures_are_one_point_of_the_front() -> None:
    oracle = Oracle(np.concatenate([CORNERS, CORNERS]))
    assert len(oracle.front) == 3
    (first,) = oracle.standings(CORNERS[:1])
    assert first.pareto_recall == pytest.approx(1 / 3)


def test_a_front_of_one_point_counts_in_the_objectives_own_units() -> None:
    oracle = Oracle(np.array([[0.2, 3.0], [0.3, 3.5]]))
    assert oracle.hypervolume == pytest.approx(REFERENCE**2)
    behind, found = oracle.standings(np.array([[0.3, 3.5], [0.2, 3.0]]))
    assert behind.hypervolume_ratio == pytest.approx(1.0 * 0.6 / 1.21)
    assert (found.hypervolume_ratio, found.pareto_recall) == (1, 1)


@given(points, st.randoms(use_true_random=False))
def test_standings_rise_to_one_and_no_further(everything: np.ndarray, random: object) -> None:
    order = list(range(len(everything)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found = list(Oracle(everything).standings(everything[order]))
    for values in (
        [standing.hypervolume_ratio for standing in found],
        [standing.pareto_recall for standing in found],
    ):
        assert all(0 <= value <= 1 for value in values)
        assert values == sorted(values)
        assert values[-1] == pytest.approx(1)


@given(points, st.data())
def test_ratios_are_those_of_the_hypervolume_of_all_points_so_far(
    everything: np.ndarray, data: st.DataObject
) -> None:
    oracle = Oracle(everything)
    chosen = everything[data.draw(st.lists(st.integers(0, len(everything) - 1), min_size=1))]
    ideal, span = oracle.front.min(0), np.ptp(oracle.front, axis=0)
    normalised = (chosen - ideal) / np.where(span > 0, span, 1)
    box = np.full(2, REFERENCE)
    for count, standing in enumerate(oracle.standings(chosen), start=1):
        expected = hypervolume(normalised[:count], box) * REFERENCE**2
        assert standing.hypervolume_ratio * oracle.hypervolume == pytest.approx(expected)
