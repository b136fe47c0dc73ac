from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.searchers.problem import Problem
from edgenas.searchers.scalarisation import RHO, WEIGHTS, Scalarisation, even_weights, points_of
from edgenas.searchers.searcher import Outcome

FRACTIONS = st.floats(0, 0.99)


@pytest.mark.parametrize(("objectives", "count"), [(2, 10), (3, 10), (4, 10), (5, 15)])
def test_weights_are_distinct_sum_to_one_and_weigh_the_error(objectives: int, count: int) -> None:
    weights = even_weights(objectives)
    assert weights.shape == (count, objectives)
    assert count >= WEIGHTS
    assert len(np.unique(weights, axis=0)) == count
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights[:, 0] > 0).all()
    assert (weights >= 0).all()


def test_weights_of_two_objectives_are_a_tenth_apart() -> None:
    np.testing.assert_allclose(even_weights(2)[:, 1], np.arange(10) / 10)


def test_no_objective_has_more_weight_in_all_than_another_cost() -> None:
    totals = even_weights(4).sum(0)
    np.testing.assert_allclose(totals[1:], totals[1])


def test_a_value_worked_out_by_hand() -> None:
    scalarisation = Scalarisation(2)
    scalarisation.see(np.array([[0.2, 10.0], [0.6, 30.0]]))
    found = scalarisation.values(np.array([0.3, 25.0]), np.array([0.4, 0.6]))
    assert found == pytest.approx(0.6 * 0.75 + RHO * (0.4 * 0.25 + 0.6 * 0.75))


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS), min_size=1, max_size=10))
def test_a_dominated_point_is_never_better_under_any_weights(rows: list[tuple[float, float, float]]) -> None:
    points = np.array(rows)
    scalarisation = Scalarisation(3)
    scalarisation.see(points)
    values = scalarisation.values(points, scalarisation.weights[:, None])
    assert values.shape == (len(scalarisation.weights), len(points))
    assert (values >= 0).all()
    assert (values <= 1 + RHO + 1e-9).all()
    for i, one in enumerate(points):
        for j, other in enumerate(points):
            if (one <= other).all():
                assert (values[:, i] <= values[:, j] + 1e-12).all()


@given(st.floats(0.001, 1000), st.floats(-5, 5))
def test_values_do_not_depend_on_a_costs_unit(unit: float, zero: float) -> None:
    points = np.array([[0.5, 1.0], [0.25, 2.0], [0.125, 7.0]])
    plain, other = Scalarisation(2), Scalarisation(2)
    plain.see(points)
    moved = points * [1, unit] + [0, zero]
    other.see(moved)
    np.testing.assert_allclose(
        plain.values(points, plain.weights[:, None]), other.values(moved, other.weights[:, None]), atol=1e-6
    )


def test_a_failure_is_worst_but_does_not_stretch_the_range() -> None:
    scalarisation = Scalarisation(2)
    seen = np.array([[0.05, 1.0], [0.1, 2.0]])
    scalarisation.see(seen)
    before = scalarisation.values(seen, np.array([1.0, 0.0]))
    scalarisation.see(np.array([[1.0, 1.5]]))
    np.testing.assert_array_equal(scalarisation.values(seen, np.array([1.0, 0.0])), before)
    assert scalarisation.values(np.array([1.0, 1.5]), np.array([1.0, 0.0])) == pytest.approx(1 + RHO)


def test_where_all_failed_or_all_are_alike_there_are_values_too() -> None:
    scalarisation = Scalarisation(2)
    scalarisation.see(np.array([[1.0, 3.0]]))
    assert scalarisation.values(np.array([1.0, 3.0]), np.array([0.5, 0.5])) == 0
    scalarisation.see(np.array([[0.5, 3.0], [0.5, 3.0]]))
    assert scalarisation.values(np.array([0.5, 3.0]), np.array([0.5, 0.5])) == 0


def test_points_are_the_error_and_the_costs(make_problem: Callable[[float], Problem]) -> None:
    problem = replace(make_problem(1.0), objectives=("accuracy", "latency", "macs"))
    ends = [problem.predictor.fastest(), problem.predictor.slowest()]
    outcomes = [
        Outcome(end, error, problem.latency_ms(end), 0) for end, error in zip(ends, (0.5, 0.25), strict=True)
    ]
    found = points_of(problem, outcomes)
    assert found[:, 0].tolist() == [0.5, 0.25]
    np.testing.assert_array_equal(found[:, 1:], problem.costs_of(ends))
