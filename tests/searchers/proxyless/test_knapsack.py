import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgenas.device import Device
from edgenas.latency.predictor import predictor_from_device
from edgenas.searchers.proxyless import knapsack
from edgenas.searchers.proxyless.knapsack import STEPS, best_within
from edgenas.space import MBConvSpace

Floats = NDArray[np.float64]
Instance = tuple[list[Floats], list[Floats]]


def summed(parts: list[Floats], choices: tuple[int, ...]) -> float:
    total = 0.0
    for part, choice in zip(parts, choices, strict=True):
        total += float(part[choice])
    return total


def assignments(parts: list[Floats]) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(len(part)) for part in parts)))


def assert_best(instance: Instance, limit: float, floor: float) -> None:
    """What brute force finds is found."""
    values, costs = instance
    fitting = [each for each in assignments(costs) if floor <= summed(costs, each) <= limit]
    found = best_within(values, costs, limit, floor)
    if not fitting:
        assert found is None
        return
    assert found is not None
    assert found.dtype == np.int64
    assert tuple(found) in fitting
    best = max(summed(values, each) for each in fitting)
    assert summed(values, tuple(found)) == pytest.approx(best, abs=1e-12, rel=1e-14)


def lists(numbers: st.SearchStrategy[float], shape: list[int]) -> st.SearchStrategy[list[Floats]]:
    return st.tuples(*(st.lists(numbers, min_size=n, max_size=n).map(np.array) for n in shape)).map(list)


@st.composite
def instances(draw: st.DrawFn) -> Instance:
    """Up to 5 variables of up to 4 choices, with equal, zero and negative costs, equal values, costs of any size."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    some = [0.0, 0.1, 0.2, 0.3, 0.7, 1.1]
    sizes = [st.sampled_from(some), st.floats(0, 3), st.floats(-1, 3), st.floats(0, 1e-9), st.floats(0, 1e9)]
    costs = draw(st.sampled_from(sizes))
    values = draw(st.sampled_from([st.just(-1.1), st.integers(-50, 0).map(float), st.floats(-50, 0)]))
    return draw(lists(values, shape)), draw(lists(costs, shape))


@given(instances(), st.data())
@settings(max_examples=400)
def test_it_is_the_best_in_any_window_between_reachable_sums(instance: Instance, data: st.DataObject) -> None:
    sums = sorted({summed(instance[1], each) for each in assignments(instance[1])})
    ends = st.sampled_from(sums).flatmap(
        lambda total: st.sampled_from([total, np.nextafter(total, -math.inf), np.nextafter(total, math.inf)])
    )
    assert_best(instance, float(data.draw(ends)), float(data.draw(st.just(-math.inf) | ends)))


@given(instances(), st.floats(-0.1, 1.2), st.sampled_from([0.0, 0.92, 0.999, 1.0, 1.1]))
@settings(max_examples=400)
def test_it_is_the_best_in_windows_below_a_limit(instance: Instance, share: float, floor: float) -> None:
    limit = share * sum(float(each.max()) for each in instance[1])
    assert_best(instance, limit, floor * limit if floor else -math.inf)


@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.05, 0.3, 0.6, 0.95]))
@settings(max_examples=25)
def test_a_large_one_beats_what_chance_and_exchanges_find(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    costs = [rng.uniform(0, 3, 7) for _ in range(21)]
    values = [np.log(rng.dirichlet(np.full(7, 0.5)) + 1e-20) for _ in range(21)]
    low, high = (sum(float(end(each)) for each in costs) for end in (np.min, np.max))
    limit = low + share * (high - low)
    found = best_within(values, costs, limit, 0.92 * limit)
    assert found is not None
    mine = tuple(int(choice) for choice in found)
    assert 0.92 * limit <= summed(costs, mine) <= limit
    for i, j in itertools.combinations(range(21), 2):
        for a, b in itertools.product(range(7), repeat=2):
            other = tuple(a if k == i else b if k == j else choice for k, choice in enumerate(mine))
            if 0.92 * limit <= summed(costs, other) <= limit:
                assert summed(values, other) <= summed(values, mine) + 1e-12


def test_a_network_at_the_limit_is_found_as_its_predictor_sums(
    tiny_space: MBConvSpace, board: Device
) -> None:
    predictor = predictor_from_device(tiny_space, board)
    costs = [np.array([predictor.fixed_ms]), *predictor.choice_ms]
    rng = np.random.default_rng(0)
    for _ in range(20):
        vector = np.array([rng.integers(len(each)) for each in costs])
        latency = float(predictor.predict_encoded(vector[None, 1:])[0])
        found = best_within([np.zeros(len(each)) for each in costs], costs, latency, latency)
        assert found is not None
        assert predictor.predict_encoded(found[None, 1:])[0] == latency


@given(instances(), st.floats(0, 1.1), st.sampled_from([0.0, 0.9, 0.999]), st.sampled_from([1, 4]))
@settings(max_examples=200)
def test_how_fine_the_grid_is_changes_nothing(
    instance: Instance, share: float, floor: float, steps: int
) -> None:
    limit = share * sum(float(each.max()) for each in instance[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knapsack, "STEPS", steps)
        assert_best(instance, limit, floor * limit)


def test_equal_values_end_at_once_and_always_alike() -> None:
    values = [np.full(7, math.log(1 / 7))] * 21
    costs = list(np.random.default_rng(0).uniform(0, 3, (21, 7)))
    found, again = (best_within(values, costs, 30.0, 0.92 * 30.0) for _ in range(2))
    assert found is not None
    assert again is not None
    assert found.tolist() == again.tolist()


def test_a_limit_just_above_many_equal_sums_is_resolved() -> None:
    """Steps between the sums are far smaller than one of the grid."""
    near = 1 + np.arange(4) / STEPS / 1000
    values, costs = [np.arange(4.0)] * 6, [near] * 6
    limit = summed(costs, (3, 3, 2, 2, 2, 2))
    found = best_within([*values, np.zeros(2)], [*costs, np.array([0.0, 9.0])], limit, limit)
    assert found is not None
    assert summed(values, tuple(found[:6])) == 14


def test_choices_worth_minus_infinity_are_never_taken() -> None:
    values = [np.array([-math.inf, -5.0]), np.array([-1.0, -2.0])]
    costs = [np.array([0.0, 1.0]), np.array([2.0, 1.0])]
    found = best_within(values, costs, 2.0)
    assert found is not None
    assert found.tolist() == [1, 1]
    assert best_within(values, costs, 1.5) is None


@pytest.mark.parametrize(
    ("limit", "floor", "expected"),
    [(math.inf, -math.inf, [1]), (math.inf, math.inf, None), (-1.0, -math.inf, None), (0.5, 0.6, None)],
)
def test_windows_without_end_or_inside(limit: float, floor: float, expected: list[int] | None) -> None:
    found = best_within([np.array([-2.0, -1.0])], [np.array([0.5, 0.75])], limit, floor)
    assert (found if found is None else found.tolist()) == expected


def test_nothing_to_choose_costs_nothing() -> None:
    found = best_within([], [], 0.0)
    assert found is not None
    assert found.shape == (0,)
    assert best_within([], [], 1.0, 0.5) is None
