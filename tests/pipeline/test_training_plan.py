"""Which models a time budget allows: the most important ones, with enough time left to train them."""

from hypothesis import given
from hypothesis import strategies as st

from edgenas.pipeline.training_plan import LEAST_PART, Costs, TrainingPlan, affordable, timed_costs

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
