"""Parts of the timing that stand alone; the whole is tested with a simulated machine in `timing/test_measuring.py`."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgenas.board import bursts as module
from edgenas.board.bursts import Burst, disturbed, is_disturbed, is_usual, level, quantile, take_runs


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


class Counting:
    """A session that takes `ms` for a run, a third more for each that follows a pause."""

    interruptions = 0

    def __init__(self, ms: float) -> None:
        self.ms = ms
        self.calls: list[int] = []
        self.rested = False

    def rest(self, seconds: float) -> None:
        self.rested = True

    def time_ms(self, calls: int) -> list[float]:
        self.calls.append(calls)
        times = [self.ms + self.rested / 3] + [self.ms] * (calls - 1)
        self.rested = False
        return times


@pytest.mark.parametrize(
    ("runs", "budget_s", "made"),
    [(1000, 100.0, 1000), (7, 100.0, 7), (1000, 0.5, 250), (1000, 1e-3, 100), (30, 1e-3, 30)],
)
def test_as_many_runs_as_asked_for_or_as_time_allows(runs: int, budget_s: float, made: int) -> None:
    sessions = {"a": Counting(1.0), "b": Counting(1.0)}
    bursts, found = take_runs(sessions, Counting(0.1), runs, budget_s, paced=False, progress=lambda *_: None)
    for key in sessions:
        rounds = found[key].back_to_back
        assert sum(map(len, rounds)) == made and len(rounds) == min(made, module.RUN_ROUNDS)
        assert max(map(len, rounds)) - min(map(len, rounds)) <= 1
        assert [burst.n for burst in bursts[key]] == list(map(len, rounds)) and not found[key].paced


def test_bursts_are_short_however_many_runs() -> None:
    sessions = {"a": Counting(1000.0)}
    bursts, _ = take_runs(sessions, Counting(0.1), 1000, 1e5, paced=False, progress=lambda *_: None)
    assert sum(burst.n for burst in bursts["a"]) == 1000
    assert max(burst.n for burst in bursts["a"]) <= module.MAX_BURST_S


def test_paced_runs_follow_pauses() -> None:
    model = Counting(1.0)
    shown: list[str] = []
    _, found = take_runs(
        {"a": model}, Counting(0.1), 40, 100.0, True, lambda phase, *_: shown.append(phase), model.rest
    )
    assert found["a"].paced == pytest.approx([1 + 1 / 3] * module.PACED_RUNS)
    assert set(np.concatenate(found["a"].back_to_back)) == {1.0}
    assert shown[-1] == "timing after idle times" and "timing" in shown
