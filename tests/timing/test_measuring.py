"""Measuring on a machine whose clock is a formula: what it is slowed by, and when, is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgenas.board import bursts
from edgenas.device.runtime import Session
from edgenas.timing import measuring
from edgenas.timing.measuring import Bursts, measure

MODELS = {f"model {i}": float(ms) for i, ms in enumerate(np.geomspace(0.02, 3, 16))}
SENTINEL_MS = 0.1
BUDGET_S = 1.0
SPAN_S = 1.05
"""About how long the rounds below take."""


class Machine:
    """Runs take a model's time, times jitter, times how slow the machine is at that moment.

    A run in fifty is interrupted; the clock steps by 4 % up and down every few tenths of a second.
    """

    def __init__(self, seed: int, slowness: Callable[[float], float] = lambda second: 1.0) -> None:
        self.rng = np.random.default_rng(seed)
        self.slowness = slowness
        self.second = 0.0
        self.rests: list[float] = []
        self._step, self._steps_at = 1.0, 0.0

    def run_ms(self, model_ms: float) -> float:
        if self.second >= self._steps_at:
            self._step = float(self.rng.choice([1.0, 1.04]))
            self._steps_at = self.second + float(self.rng.exponential(0.3))
        interrupted = self.rng.random() < 0.02
        jitter = np.exp(abs(self.rng.normal(0, 0.01))) * (self.rng.uniform(1.2, 3) if interrupted else 1)
        milliseconds = float(model_ms * jitter * self._step * self.slowness(self.second))
        self.second += milliseconds / 1e3
        return milliseconds

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.second += seconds

    def session(self, model_ms: float) -> "MachineSession":
        return MachineSession(self, model_ms)


class MachineSession(Session):
    def __init__(self, machine: Machine, model_ms: float) -> None:
        self.machine = machine
        self.model_ms = model_ms
        self.runs = 0

    def run(self) -> list[NDArray[np.float32]]:
        return []

    def time_ms(self, calls: int) -> NDArray[np.float64]:
        self.runs += calls
        return np.array([self.machine.run_ms(self.model_ms) for _ in range(calls)])


@pytest.fixture(autouse=True)
def _short_bursts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bursts, "BURST_MS", 1.0)


def measured(machine: Machine, **options: Any) -> measuring.Measurement:
    sessions = {key: machine.session(ms) for key, ms in MODELS.items()}
    return measure(sessions, machine.session(SENTINEL_MS), BUDGET_S, pause=machine.rest, **options)


def slowed(start_s: float, end_s: float, factor: float = 1.3) -> Callable[[float], float]:
    return lambda second: factor if start_s <= second < end_s else 1.0


def worst_error(result: measuring.Measurement) -> float:
    """Largest relative distance from the true times, the clock's 4 % steps allowed for."""
    return max(abs(result.timings[key].typical_ms / (ms * 1.02) - 1) for key, ms in MODELS.items())


def test_quiet_machines_raise_no_alarm() -> None:
    alarms = [measured(Machine(seed)).retaken > 0 for seed in range(200)]
    assert np.mean(alarms) <= 0.01


def test_a_slowdown_of_30_percent_is_caught_and_does_no_harm() -> None:
    rng = np.random.default_rng(0)
    caught, errors = [], []
    for seed in range(100):
        start_s = rng.uniform(0.2, 0.6) * SPAN_S
        machine = Machine(seed, slowed(start_s, start_s + rng.uniform(0.1, 0.4) * SPAN_S))
        result = measured(machine)
        caught.append(result.retaken > 0)
        errors.append(worst_error(result))
    assert np.mean(caught) >= 0.95
    assert np.mean(np.array(errors) < 0.04) >= 0.95


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_slowdown_that_stays_is_caught_and_reported(share: float) -> None:
    """A chip that throttles for good: times from before, when at least a quarter of the time was so."""
    result = measured(Machine(1, slowed(share * SPAN_S, np.inf)))
    assert result.retaken > 0
    assert result.disturbed > 0
    assert worst_error(result) < 0.04


def test_no_more_bursts_are_repeated_than_a_model_lacks_of_enough() -> None:
    slowness = slowed(0.2 * SPAN_S, 0.6 * SPAN_S)
    all_of_them, few, none = (measured(Machine(1, slowness), enough=enough) for enough in (25, 13, 3))
    assert all_of_them.retaken > few.retaken > none.retaken == 0
    assert few.disturbed > 0
    assert worst_error(few) < 0.04


def test_a_boost_at_the_start_is_not_the_devices_speed() -> None:
    machine = Machine(2, slowed(0.1 * SPAN_S, np.inf))
    result = measured(machine)
    assert result.retaken > 0
    assert result.disturbed == 0
    ratios = [result.timings[key].typical_ms / ms for key, ms in MODELS.items()]
    assert min(ratios) > 1.29


def test_it_rests_before_disturbed_times_are_taken_again() -> None:
    machine = Machine(3, slowed(0.3 * SPAN_S, 0.5 * SPAN_S))
    measured(machine)
    assert machine.rests and set(machine.rests) == {bursts.PAUSE_S}
    quiet = Machine(3)
    measured(quiet)
    assert quiet.rests == []


def test_interruptions_do_not_show_but_in_the_upper_quantiles() -> None:
    result = measured(Machine(4))
    assert worst_error(result) < 0.04
    for timing in result.timings.values():
        assert timing.min_ms <= timing.typical_ms <= timing.p90_ms
        assert timing.min_ms <= timing.p50_ms <= timing.p90_ms
        assert timing.spread == pytest.approx(timing.p90_ms / timing.min_ms - 1)
        assert not timing.unstable


def test_the_median_finds_the_usual_step_where_a_minimum_would_find_a_rare_one() -> None:
    """A fast moment shorter than a round: some models meet it and some do not."""
    rare = Machine(5, slowed(0.5, 0.53, 0.9))
    result = measured(rare)
    typical = [
        timing.typical_ms / ms
        for (_, ms), timing in zip(MODELS.items(), result.timings.values(), strict=True)
    ]
    lowest = [
        timing.min_ms / ms for (_, ms), timing in zip(MODELS.items(), result.timings.values(), strict=True)
    ]
    assert np.ptp(typical) < 0.05 < np.ptp(lowest)


def test_a_model_that_never_settles_is_unstable() -> None:
    machine = Machine(6)
    noisy = machine.session(0.5)
    take, turn = noisy.time_ms, iter(range(10**6))
    noisy.time_ms = lambda calls: take(calls) * (1 + 0.3 * (next(turn) % 3))  # type: ignore[method-assign]
    sessions = {"steady": machine.session(0.5), "noisy": noisy}
    result = measure(sessions, machine.session(SENTINEL_MS), BUDGET_S, pause=machine.rest)
    assert [result.timings[key].unstable for key in sessions] == [False, True]


def test_the_sentinel_s_level_is_its_usual_time() -> None:
    assert SENTINEL_MS <= measured(Machine(7)).sentinel_ms <= SENTINEL_MS * 1.06


@pytest.mark.parametrize(("budget_s", "rounds"), [(1e-9, bursts.MIN_ROUNDS), (1e9, bursts.MAX_ROUNDS)])
def test_rounds_follow_the_budget_within_bounds(budget_s: float, rounds: int) -> None:
    seen: list[Bursts] = []
    machine = Machine(8)
    sessions = {key: machine.session(ms) for key, ms in MODELS.items()}
    measure(sessions, machine.session(SENTINEL_MS), budget_s, commit=seen.append, pause=machine.rest)
    assert {len(bursts) for bursts in seen[-1].values()} == {rounds}
    assert len(seen) == rounds


def test_rounds_are_interleaved() -> None:
    order: list[str] = []
    machine = Machine(9)
    sessions = {}
    for key in ("a", "b"):
        sessions[key] = machine.session(0.5)
        take = sessions[key].time_ms
        sessions[key].time_ms = (  # type: ignore[method-assign]
            lambda calls, key=key, take=take: (order.append(key), take(calls))[1]
        )
    measure(sessions, machine.session(SENTINEL_MS), 1e-9, pause=machine.rest)
    assert "".join(order).endswith("ab" * bursts.MIN_ROUNDS)


def test_known_rounds_are_not_made_again() -> None:
    class StopError(Exception):
        pass

    kept: Bursts = {}

    def stop_after_four(bursts: Bursts) -> None:
        kept.update({key: list(each) for key, each in bursts.items()})
        if all(len(each) == 4 for each in bursts.values()):
            raise StopError

    with pytest.raises(StopError):
        measured(Machine(10), commit=stop_after_four)
    first = {key: list(each) for key, each in kept.items()}
    machine = Machine(11)
    sessions = {key: machine.session(ms) for key, ms in MODELS.items()}
    committed: list[int] = []
    measure(
        sessions,
        machine.session(SENTINEL_MS),
        1e-9,
        known=kept,
        commit=lambda bursts: committed.append(len(next(iter(bursts.values())))),
        pause=machine.rest,
    )
    assert committed == list(range(5, bursts.MIN_ROUNDS + 1))
    assert {key: each[:4] for key, each in kept.items()} == first


def test_progress_rises_to_its_total() -> None:
    seen: dict[str, list[tuple[float, float]]] = {}
    measured(
        Machine(12, slowed(0.3 * SPAN_S, 0.4 * SPAN_S)),
        progress=lambda phase, done, total, detail="": seen.setdefault(phase, []).append((done, total)),
    )
    assert set(seen) == {"timing", "repeating disturbed timings"}
    done = [each for each, _ in seen["timing"]]
    assert done == sorted(done)
    assert done[0] == 0 and done[-1] == seen["timing"][-1][1]


def test_a_core_shared_with_another_program_is_noticed() -> None:
    """Every run of a long model is interrupted; the sentinel, short as it is, slips through."""
    machine = Machine(14)
    shared = machine.session(3.0)
    take = shared.time_ms
    turns = iter(range(10**6))

    def interrupted_for_a_while(calls: int) -> NDArray[np.float64]:
        busy = 5 <= next(turns) < 8
        shared.interruptions = calls if busy else 1
        return take(calls) * (1.7 if busy else 1.0)

    shared.time_ms = interrupted_for_a_while  # type: ignore[method-assign]
    result = measure({"shared": shared}, machine.session(SENTINEL_MS), 1e-9, pause=machine.rest)
    assert result.retaken > 0
    assert result.disturbed == 0
    assert result.timings["shared"].typical_ms == pytest.approx(3.0, rel=0.06)


def test_a_first_run_slower_than_the_rest_is_warmed_up_away() -> None:
    machine = Machine(13)
    cold = machine.session(0.5)
    take = cold.time_ms

    def slow_start(calls: int) -> NDArray[np.float64]:
        runs = cold.runs
        return take(calls) * np.array([5.0 if runs + i < 6 else 1.0 for i in range(calls)])

    cold.time_ms = slow_start  # type: ignore[method-assign]
    result = measure({"cold": cold}, machine.session(SENTINEL_MS), BUDGET_S, pause=machine.rest)
    assert result.timings["cold"].p90_ms < 0.5 * 2
