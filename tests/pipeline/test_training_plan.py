"""Which models a time budget allows: the most important ones, with enough time left to train them."""

from hypothesis import given
from hypothesis import strategies as st

from edgenas.pipeline.training_plan import (
    LEAST_PART,
    Costs,
    TrainingPlan,
    affordable,
    shared_out,
    timed_costs,
)

seconds = st.floats(0, 1e3)
costs_by_id = st.dictionaries(st.text(max_size=3), st.builds(Costs, seconds, seconds), min_size=1)


@given(costs_by_id, st.floats(0, 1e4))
def test_the_most_important_that_leave_half_the_time_are_afforded(
    costs: dict[str, Costs], left_s: float
) -> None:
    found = affordable(costs, left_s)
    assert list(found.items()) == list(costs.items())[: len(found)]
    assert len(found) == 1 or sum(cost.beside_s for cost in found.values()) <= left_s / 2
    if len(found) < len(costs):
        with_next = list(costs.values())[: len(found) + 1]
        assert sum(cost.beside_s for cost in with_next) > left_s / 2


@given(st.lists(st.integers(1, 10**9), min_size=1), st.integers(0, 20))
def test_costs_that_are_not_timed_follow_from_operations(macs: list[int], timings: int) -> None:
    asked: list[int] = []

    def time(each: int) -> Costs:
        asked.append(each)
        return Costs(1e-6 * each, 3e-6 * each)

    found = list(timed_costs(macs, lambda each: each, time, lambda: len(asked) < timings))
    assert asked == macs[: max(1, timings)]
    for each, cost in zip(macs, found, strict=True):
        assert abs(cost.step_s - 1e-6 * each) <= 1e-9 * each
        assert abs(cost.beside_s - 3e-6 * each) <= 1e-9 * each


def test_a_model_is_too_late_when_less_than_half_its_time_is_left() -> None:
    plan = TrainingPlan({"model": 10.0}, {"model": 6.0})
    assert not plan.is_too_late("model", 16.0 * LEAST_PART)
    assert plan.is_too_late("model", 15.9 * LEAST_PART)


def span_s(seconds: dict[str, float], beside_s: dict[str, float], workers: int) -> float:
    """When the last worker is done, each taking the next training when it is done with one."""
    free_at = [0.0] * workers
    for id_ in seconds:
        first = free_at.index(min(free_at))
        free_at[first] += seconds[id_] + beside_s[id_]
    return max(free_at)


@given(
    trainings=st.lists(st.tuples(st.floats(1, 100), st.floats(0, 5)), min_size=1, max_size=9),
    workers=st.integers(2, 5),
    left_s=st.floats(50, 500),
)
def test_trainings_that_workers_share_end_in_time_in_the_same_proportions(
    trainings: list[tuple[float, float]], workers: int, left_s: float
) -> None:
    seconds = {str(i): training for i, (training, _) in enumerate(trainings)}
    beside_s = {str(i): beside for i, (_, beside) in enumerate(trainings)}
    shared = shared_out(seconds, beside_s, workers, left_s)
    assert span_s(shared, beside_s, workers) <= left_s + 1e-6
    factors = {round(shared[id_] / seconds[id_], 6) for id_ in seconds}
    assert len(factors) == 1
    if span_s(seconds, beside_s, workers) <= left_s:
        assert shared == seconds


def test_one_process_fills_the_time_as_planned() -> None:
    assert shared_out({"a": 60.0, "b": 60.0}, {"a": 1.0, "b": 1.0}, 1, 100.0) == {"a": 60.0, "b": 60.0}
