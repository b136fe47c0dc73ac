import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.searchers.front import hypervolume, leaders, non_dominated, ranked_leaders, spread

Points = NDArray[np.float64]

GRID = 8


def grids(objectives: int = 2) -> st.SearchStrategy[Points]:
    """Points on a coarse grid, so that ties and equal points are common."""
    point = st.tuples(*[st.integers(0, GRID)] * objectives)
    return st.lists(point, max_size=25).map(lambda rows: np.array(rows, float).reshape(-1, objectives))


def dominates(one: Points, other: Points) -> bool:
    return bool((one <= other).all() and (one < other).any())


def brute_force_front(points: Points) -> set[int]:
    n = len(points)
    return {
        i
        for i in range(n)
        if not any(dominates(points[j], points[i]) for j in range(n))
        and not any((points[j] == points[i]).all() for j in range(i))
    }


@given(st.integers(1, 3).flatmap(grids))
def test_non_dominated_agrees_with_brute_force(points: Points) -> None:
    assert set(non_dominated(points).tolist()) == brute_force_front(points)


@given(grids())
def test_the_front_is_ordered_by_the_last_objective(points: Points) -> None:
    front = points[non_dominated(points)]
    assert (np.diff(front[:, 1]) > 0).all()
    assert (np.diff(front[:, 0]) < 0).all()


@given(grids(3))
def test_a_front_of_three_objectives_is_ordered_by_the_second_then_the_third(points: Points) -> None:
    rows = points[non_dominated(points)][:, [1, 2, 0]].tolist()
    assert rows == sorted(rows)


def test_of_equal_points_the_first_is_kept() -> None:
    assert non_dominated(np.array([[2.0, 2], [1, 1], [1, 1], [1, 1]])).tolist() == [1]


def test_nothing_has_an_empty_front() -> None:
    assert non_dominated(np.empty((0, 2))).tolist() == []


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], 0.0),
        ([[0, 0]], 1.0),
        ([[1, 5]], 0.25),
        ([[0, 10]], 0.0),
        ([[3, 1]], 0.0),
        ([[1, 0], [0, 5]], 0.75),
        ([[1, 0], [0, 5], [1.5, 7]], 0.75),
        ([[1, 0], [0, 5], [99, 0], [0, 99]], 0.75),
    ],
)
def test_hypervolume_of_cases_worked_out_by_hand(points: list[list[float]], expected: float) -> None:
    found = hypervolume(np.array(points, float).reshape(-1, 2), np.array([2.0, 10.0]))
    assert found == pytest.approx(expected)


@given(grids())
def test_hypervolume_is_the_share_of_grid_cells_dominated(points: Points) -> None:
    cells = [(i, j) for i in range(GRID) for j in range(GRID)]
    dominated = sum(any((point <= cell).all() for point in points) for cell in cells)
    assert hypervolume(points, np.array([GRID, GRID], float)) == pytest.approx(dominated / GRID**2)


@given(grids(3))
def test_hypervolume_of_three_objectives_is_the_share_of_cells_too(points: Points) -> None:
    cells = np.stack(np.meshgrid(*[range(GRID)] * 3), axis=-1).reshape(-1, 1, 3)
    dominated = (points <= cells).all(axis=2).any(axis=1).sum() if len(points) else 0
    assert hypervolume(points, np.full(3, float(GRID))) == pytest.approx(dominated / GRID**3)


@given(grids(), grids())
def test_more_points_never_have_less_hypervolume(points: Points, more: Points) -> None:
    reference = np.array([GRID, GRID / 2])
    fewer, all_of_them = hypervolume(points, reference), hypervolume(np.vstack([points, more]), reference)
    assert 0 <= fewer <= all_of_them + 1e-12 <= 1 + 1e-9


@given(grids())
def test_hypervolume_is_that_of_the_front_alone(points: Points) -> None:
    reference = np.array([GRID, GRID], float)
    alone = hypervolume(points[non_dominated(points)], reference)
    assert alone == pytest.approx(hypervolume(points, reference))


@given(grids(), st.integers(0, 30))
def test_leaders_are_as_many_as_asked_for_distinct_and_ordered(points: Points, count: int) -> None:
    chosen = leaders(points, count)
    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(points))
    assert (np.diff(points[chosen, 1]) >= 0).all()


@given(grids(3), st.integers(0, 30))
def test_leaders_in_three_objectives(points: Points, count: int) -> None:
    chosen = leaders(points, count)
    assert len(chosen) == len(set(chosen.tolist())) == min(count, len(points))
    rows = points[chosen][:, [1, 2, 0]].tolist()
    assert rows == sorted(rows)
    if count and len(points):
        assert points[chosen, 0].min() == points[:, 0].min()


@given(grids(), st.integers(0, 30))
def test_no_leader_is_dominated_by_one_left_out(points: Points, count: int) -> None:
    chosen = set(leaders(points, count).tolist())
    for out in set(range(len(points))) - chosen:
        assert not any(dominates(points[out], points[i]) for i in chosen)


@given(grids(), st.integers(0, 30))
def test_ranked_leaders_are_those_of_every_smaller_count(points: Points, count: int) -> None:
    ranked = ranked_leaders(points, count)
    assert sorted(ranked) == sorted(leaders(points, count).tolist())
    for fewer in range(count):
        assert ranked_leaders(points, fewer) == ranked[:fewer]


def test_leaders_of_a_short_front_are_filled_up_from_behind() -> None:
    points = np.array([[0, 0], [5, 1], [1, 5], [6, 6.0]])
    assert leaders(points, 1).tolist() == [0]
    assert leaders(points, 3).tolist() == [0, 1, 2]
    assert leaders(points, 9).tolist() == [0, 1, 2, 3]


@given(grids(), st.integers(2, 10))
def test_a_spread_holds_both_ends_of_the_front(points: Points, count: int) -> None:
    front = points[non_dominated(points)]
    chosen = spread(front, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(front))
    assert {0, len(front) - 1} <= set(chosen) or len(front) == 0


@given(st.floats(0.001, 1000), st.floats(0.001, 1000))
def test_a_spread_does_not_depend_on_units(first: float, second: float) -> None:
    front = np.array([[10, 0], [9, 1], [8, 2], [5, 5], [1, 8], [0, 10.0]])
    assert spread(front * [first, second], 3) == spread(front, 3) == [5, 0, 3]


def test_a_spread_of_one_is_the_most_accurate() -> None:
    assert spread(np.array([[3, 1], [2, 2], [1, 3.0]]), 1) == [2]


def test_a_spread_along_one_objective_alone() -> None:
    assert spread(np.array([[0.5, 1], [0.5, 2], [0.5, 9], [0.5, 10]]), 2) == [0, 3]
