"""Energy of runs on a simulated board, whose true energies are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from fixtures.power import SimulatedBoard

from edgenas.board.energy import GROUP, MAX_MJ, Energies, Energy, energy_seconds, take_energies
from edgenas.board.power import MeterError, Reading

IDLE_WATTS = 3.0


def _measured(
    board: SimulatedBoard, known: Energies | None = None, commit: Callable[[], None] = lambda: None
) -> Energies:
    energies = {} if known is None else known
    progress: list[tuple[str, float, float]] = []
    odd = take_energies(
        board, board.sessions, energies, commit, lambda *step: progress.append(step), board.pause
    )
    assert odd == [] and not board.counting
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)
    assert all(phase == "measuring energy" for phase, _, _ in progress)
    return energies


def _steady(extra: dict[str, float]) -> Callable[[float, str | None], float]:
    return lambda at_s, model: IDLE_WATTS + (extra[model] if model else 0.0)


def test_idle_power_is_subtracted() -> None:
    board = SimulatedBoard(_steady({"small": 0.5, "large": 4.0}), {"small": 0.2, "large": 30.0})
    energies = _measured(board)
    assert list(energies) == ["small", "large"]
    assert energies["small"].mj == pytest.approx(0.1)
    assert energies["large"].mj == pytest.approx(120)
    assert energies["large"].sd_mj == pytest.approx(0, abs=1e-6)
    assert energies["large"].meter == "simulated"


def test_a_meter_that_is_stuck_measures_nothing() -> None:
    board = SimulatedBoard(lambda at_s, model: 5.0, {"a": 2.0})
    with pytest.raises(MeterError, match=r"simulated shows the same whether the board is busy or not"):
        _measured(board)


def test_a_drift_of_idle_power_does_no_harm() -> None:
    keys = [f"block {number}" for number in range(2 * GROUP + 3)]
    extra = dict.fromkeys(keys, 1.0)
    board = SimulatedBoard(
        lambda at_s, model: _steady(extra)(at_s, model) + 0.01 * at_s, dict.fromkeys(keys, 2.0)
    )
    assert all(each.mj == pytest.approx(2, abs=0.15) for each in _measured(board).values())


def test_what_a_meter_shows_late_is_not_counted() -> None:
    """The board draws what the model takes only a while after it began, and goes on for a while after its end."""
    level = [IDLE_WATTS]

    def watts(at_s: float, model: str | None) -> float:
        target = IDLE_WATTS + (2.0 if model else 0.0)
        level[0] += 0.3 * (target - level[0])
        return level[0]

    energies = _measured(SimulatedBoard(watts, {"a": 5.0, "b": 10.0}))
    assert energies["a"].mj == pytest.approx(10, rel=0.01) and energies["b"].mj == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_truth_lies_in_the_interval_nine_times_in_ten(correlation: float) -> None:
    """With readings that are noisy, and alike for a while: by so much from one centisecond to the next."""
    errors: list[float] = []
    for seed in range(6):
        random = np.random.default_rng(seed)
        noise = 0.0

        def watts(at_s: float, model: str | None, random: np.random.Generator = random) -> float:
            nonlocal noise
            noise = correlation * noise + math.sqrt(1 - correlation**2) * random.normal(0, 0.4)
            return IDLE_WATTS + noise + (1.5 if model else 0.0)

        board = SimulatedBoard(watts, {f"block {number}": 4.0 for number in range(160)})
        errors += [(each.mj - 6) / each.sd_mj for each in _measured(board).values()]
    assert 0.88 < np.mean(np.abs(errors) < 1.645) < 0.94
    assert abs(np.mean(errors)) < 0.3


def test_a_run_that_takes_next_to_nothing_may_come_out_negative() -> None:
    random = np.random.default_rng(0)
    board = SimulatedBoard(
        lambda at_s, model: IDLE_WATTS + random.normal(0, 0.3),
        {f"block {number}": 1.0 for number in range(20)},
    )
    figures = [each.mj for each in _measured(board).values()]
    assert min(figures) < 0 < max(figures)


def test_less_than_nothing_is_left_out() -> None:
    board = SimulatedBoard(_steady({"a": -1.0, "b": 1.0}), {"a": 1.0, "b": 1.0})
    energies: Energies = {}
    odd = take_energies(board, board.sessions, energies, lambda: None, lambda *_: None, board.pause)
    assert odd == ["a"] and list(energies) == ["b"]


def test_an_interruption_loses_a_few_models_at_most() -> None:
    keys = [f"block {number}" for number in range(3 * GROUP)]
    kept: list[int] = []
    energies: Energies = {}

    def commit() -> None:
        kept.append(len(energies))
        if len(kept) == 2:
            raise KeyboardInterrupt

    extra = dict.fromkeys(keys, 1.0)
    with pytest.raises(KeyboardInterrupt):
        _measured(SimulatedBoard(_steady(extra), dict.fromkeys(keys, 1.0)), energies, commit)
    assert kept == [GROUP, 2 * GROUP]
    again = SimulatedBoard(_steady(extra), dict.fromkeys(keys, 1.0))
    assert list(_measured(again, energies)) == keys
    assert again.ran == keys[2 * GROUP :]
    finished = SimulatedBoard(_steady(extra), dict.fromkeys(keys, 1.0))
    assert _measured(finished, energies) == energies and finished.ran == []


def test_a_meter_that_dies_leaves_what_was_measured() -> None:
    class Dying(SimulatedBoard):
        def read(self) -> Reading:
            if len(self.ran) > GROUP + 2:
                raise MeterError("the power meter simulated stopped answering (gone)")
            return super().read()

    keys = [f"block {number}" for number in range(2 * GROUP)]
    board = Dying(_steady(dict.fromkeys(keys, 1.0)), dict.fromkeys(keys, 1.0))
    energies: Energies = {}
    with pytest.raises(MeterError, match="stopped answering"):
        _measured(board, energies)
    assert len(energies) == GROUP and not board.counting


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    board = SimulatedBoard(_steady({"a": 1.0}), {"a": 1.0})
    with pytest.raises(MeterError, match="the clock stood still while a power meter was read"):
        take_energies(board, board.sessions, {}, lambda: None, lambda *_: None, pause=lambda seconds: None)


@pytest.mark.parametrize(
    ("mj", "sd_mj", "possible"),
    [
        (1.0, 0.1, True),
        (-0.4, 0.1, True),
        (-0.6, 0.1, False),
        (-1.0, 0.0, False),
        (MAX_MJ, 1.0, True),
        (2 * MAX_MJ, 1.0, False),
        (-2 * MAX_MJ, MAX_MJ, False),
        (1.0, -0.1, False),
        (1.0, 2 * MAX_MJ, False),
        (math.nan, 0.1, False),
        (1.0, math.nan, False),
        (math.inf, 0.1, False),
        (1.0, math.inf, False),
    ],
)
def test_possible_energies(mj: float, sd_mj: float, possible: bool) -> None:
    assert Energy(mj, sd_mj, "meter").is_possible == possible


def test_how_long_it_takes() -> None:
    assert energy_seconds(0) == 0
    keys = [f"block {number}" for number in range(20)]
    board = SimulatedBoard(_steady(dict.fromkeys(keys, 1.0)), dict.fromkeys(keys, 1.0))
    _measured(board)
    with board:
        assert board.read().at_s == pytest.approx(energy_seconds(20), rel=0.02)
