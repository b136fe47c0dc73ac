import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.searchers.front import hypervolume
from edgenas.searchers.surrogate.improvement import MARGIN, SLICES, Improvement

CORNER = np.array([10.0])
UNIT = st.floats(0.01, 1)


def gain(left: Improvement, error: float, *costs: float) -> float:
    return float(left.of(np.array([[error]]), np.ones(1), np.array([costs]))[0])


def test_a_candidate_between_two_steps_gains_its_rectangles() -> None:
    left = Improvement(np.array([0.5, 0.1]), np.array([[1.0], [3.0]]), CORNER)
    # From 2 to 3 below 0.5, and beyond 3 below 0.1 up to the reference at 3 + MARGIN * 2.
    assert gain(left, 0.3, 2.0) == pytest.approx(0.2 * 1)
    assert gain(left, 0.05, 2.0) == pytest.approx(0.45 * 1 + 0.05 * MARGIN * 2)


def test_a_candidate_that_is_dominated_gains_nothing() -> None:
    left = Improvement(np.array([0.5, 0.1]), np.array([[1.0], [3.0]]), CORNER)
    assert gain(left, 0.5, 2.0) == 0
    assert gain(left, 0.1, 3.0) == 0
    assert gain(left, 0.2, 9.0) == 0


def test_one_that_costs_more_than_the_whole_front_gains_by_being_better() -> None:
    left = Improvement(np.array([0.5, 0.1]), np.array([[1.0], [3.0]]), CORNER)
    assert gain(left, 0.05, 9.0) == pytest.approx(0.05 * MARGIN * 2)


def test_one_that_costs_less_than_the_whole_front_gains_below_the_reference() -> None:
    left = Improvement(np.array([0.5, 0.1]), np.array([[1.0], [3.0]]), CORNER)
    assert gain(left, 0.5, 0.5) == pytest.approx((0.5 + MARGIN * 0.4 - 0.5) * 0.5)


def test_expectation_is_over_the_weighted_samples() -> None:
    left = Improvement(np.array([0.5]), np.array([[1.0]]), CORNER)
    samples, weights = np.array([[0.3, 0.9]]), np.array([0.25, 0.75])
    expected = 0.25 * gain(left, 0.3, 1.0)
    assert left.of(samples, weights, np.array([[1.0]]))[0] == pytest.approx(expected)


@given(
    st.lists(st.tuples(UNIT, UNIT), min_size=2, max_size=12),
    st.tuples(UNIT, UNIT),
)
def test_a_gain_within_the_front_is_the_difference_of_hypervolumes(
    points: list[tuple[float, float]], candidate: tuple[float, float]
) -> None:
    front = np.array([(0.01, 1.0), (1.0, 0.01), *points])
    left = Improvement(front[:, 0], front[:, 1:], np.ones(1))
    error, cost = candidate
    reference = np.array([1 + MARGIN * 0.99, 1 + MARGIN * 0.99])
    before, after = hypervolume(front, reference), hypervolume(np.vstack([front, candidate]), reference)
    assert gain(left, error, cost) == pytest.approx((after - before) * reference.prod(), abs=1e-9)
    assert gain(left.after(error, np.array([cost])), error, cost) == 0


def test_sampled_slices_agree_with_three_dimensional_hypervolume() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0.1, 1, (30, 3))
    corner = np.ones(2)
    left = Improvement(points[:, 0], points[:, 1:], corner)
    low, worst = points[:, 1:].min(0), points[:, 0].max()
    far = low + (1 + MARGIN) * (corner - low)
    reference = np.array([worst, *far])
    volume = np.prod(far - low)
    for candidate in rng.uniform(0.1, 0.7, (20, 3)):
        candidate[1:] = np.maximum(candidate[1:], low)
        after = hypervolume(np.vstack([points, candidate]), reference)
        exact = (after - hypervolume(points, reference)) * reference.prod()
        assert gain(left, *candidate) / SLICES * volume == pytest.approx(exact, abs=8e-3)


@pytest.mark.parametrize("costs", [1, 2, 3, 4])
def test_the_costliest_candidate_of_all_gains_by_being_better(costs: int) -> None:
    points = np.random.default_rng(0).uniform(0.2, 0.9, (30, 1 + costs))
    left = Improvement(points[:, 0], points[:, 1:], np.ones(costs))
    assert gain(left, 0.1, *np.ones(costs)) > 0
