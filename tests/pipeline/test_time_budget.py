"""A time budget: what is left of it, and how trainings share that."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.pipeline import time_budget as module
from edgenas.pipeline.time_budget import LEAST_S, RESERVE, RESERVE_S, Budget, split_time


class Clock:
    """Stands still but for what is added to it; everything else of `time` is real."""

    def __init__(self, now: float) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock(1000.0)
    monkeypatch.setattr(module, "time", clock)
    yield clock


def test_without_a_limit_there_is_always_time(clock: Clock) -> None:
    budget = Budget(None, before_s=1e6, started_s=0.0)
    clock.now += 1e9
    assert budget.left_s == float("inf") and not budget.is_spent()


def test_what_is_left_shrinks_with_the_clock_and_keeps_a_reserve(clock: Clock) -> None:
    budget = Budget(100.0, before_s=0.0, started_s=990.0)
    whole_s = 100.0 * (1 - RESERVE) - RESERVE_S
    assert budget.left_s == pytest.approx(whole_s - 10)
    clock.now += 30
    assert budget.left_s == pytest.approx(whole_s - 40)


def test_a_budget_is_spent_once_its_reserve_is(clock: Clock) -> None:
    budget = Budget(100.0, before_s=20.0, started_s=1000.0)
    clock.now += 79
    assert not budget.is_spent()
    clock.now += 1
    assert budget.is_spent()


def test_earlier_sessions_count(clock: Clock) -> None:
    fresh, resumed = (Budget(100.0, before_s, started_s=1000.0) for before_s in (0.0, 25.0))
    assert fresh.left_s - resumed.left_s == pytest.approx(25)


@pytest.mark.parametrize(("total_s", "before_s"), [(1.0, 0.0), (100.0, 98.0), (100.0, 5000.0)])
def test_a_budget_that_is_spent_still_has_a_moment_left(
    total_s: float, before_s: float, clock: Clock
) -> None:
    assert Budget(total_s, before_s, started_s=1000.0).left_s == LEAST_S


ids = st.sampled_from("abcdefgh")
step_times = st.dictionaries(ids, st.floats(1e-4, 10), min_size=1)


@given(step_times, st.dictionaries(ids, st.floats(0, 1e5)), st.floats(-100, 1e6))
def test_a_budget_is_shared_by_equal_steps_but_for_the_extra_ones(
    step_s: dict[str, float], extra: dict[str, float], left_s: float
) -> None:
    extra = {id_: steps for id_, steps in extra.items() if id_ in step_s}
    found, share = split_time(left_s, step_s, extra)
    assert found.keys() == step_s.keys()
    assert 0 <= share <= 1
    steps = {id_: seconds / step_s[id_] for id_, seconds in found.items()}
    assert all(count >= 1 - 1e-9 for count in steps.values())
    each_s = sum(step_s.values())
    assert sum(found.values()) == pytest.approx(max(left_s, each_s))
    common = (max(left_s, each_s) - _extra_s(step_s, extra, left_s)) / each_s
    for id_, count in steps.items():
        assert count >= common * (1 - 1e-6)
        if not extra.get(id_):
            assert count == pytest.approx(common)


def _extra_s(step_s: dict[str, float], extra: dict[str, float], left_s: float) -> float:
    """Seconds of all extra steps together: what is asked, or half of what a step each leaves."""
    asked_s = sum(steps * step_s[id_] for id_, steps in extra.items())
    return min(asked_s, 0.5 * max(0.0, left_s - sum(step_s.values())))


def test_extra_steps_that_would_leave_nothing_are_scaled_down() -> None:
    found, share = split_time(102.0, {"finalist": 1.0, "baseline": 1.0}, {"baseline": 1000.0})
    assert found == pytest.approx({"finalist": 26.0, "baseline": 76.0})
    assert share == pytest.approx(0.05)


def test_extra_steps_that_fit_are_given_in_full() -> None:
    found, share = split_time(70.0, {"finalist": 0.5, "baseline": 2.0}, {"baseline": 10.0})
    assert found == pytest.approx({"finalist": 10.0, "baseline": 60.0})
    assert share == 1


def test_without_time_everything_is_trained_for_a_step() -> None:
    assert split_time(-5.0, {"a": 0.5, "b": 2.0}, {"b": 10.0}) == ({"a": 0.5, "b": 2.0}, 0.0)
