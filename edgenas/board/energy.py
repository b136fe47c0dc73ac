"""Energy of a run: a model runs for a second while a power meter counts, and what the idle board draws is subtracted.

Readings of power are autocorrelated, so their scatter says little about the error of their mean. The scatter of the
means of longer batches does (Alexopoulos and Seila, "Output data analysis", in Handbook of Simulation, 1998). Idle
power drifts with temperature: it is measured again after every few models, and taken to change evenly between.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence

from edgenas.board.bursts import Timed
from edgenas.board.power import Meter, MeterError, Reading

BURST_S, IDLE_S = 1.0, 2.0
"""How long a model runs, and how long the idle board is watched."""

SETTLE_S = 0.2
"""Pause before counting begins: meters average over some time, and a board takes a moment to become idle."""

BATCHES = 6
"""Into which a burst is divided, for the uncertainty of its mean; more would be too short to be independent.

Where readings are alike for up to 50 ms, 1.645 deviations hold 89 to 93 % of the errors (tests/board/test_energy.py).
"""

GROUP = 16
"""Models between two measurements of idle power."""

MAX_BURST_CALLS = 100_000
"""Of a batch, whose times are all kept until its end."""

MAX_MJ = 1e6
"""A kilojoule: more than any run takes."""

STUCK = 1e-9
"""Relative difference between readings below which a meter shows the same all the time."""

NOISE_SDS, NOISE_MJ = 5.0, 1e-6
"""How far below zero an energy may be, in standard deviations of at least so much, before it is not just noise."""


class Energy(NamedTuple):
    """Energy of a run beyond that of the idle board, millijoules; its standard deviation; and the meter's name.

    Where a run takes next to nothing, noise may bring it below zero.
    """

    mj: float
    sd_mj: float
    meter: str

    @property
    def is_possible(self) -> bool:
        """Whether it is of a possible size, and not below zero by more than noise."""
        noise_mj = NOISE_SDS * max(self.sd_mj, NOISE_MJ)
        return 0 <= self.sd_mj <= MAX_MJ and max(-noise_mj, -MAX_MJ) <= self.mj <= MAX_MJ


Energies = Dict[str, Energy]
"""By model."""


class MeanPower(NamedTuple):
    """Watts, and the variance of their mean."""

    watts: float
    variance: float


def energy_seconds(models: int) -> float:
    """How long it takes to measure the energy of some models."""
    idle = math.ceil(models / GROUP) + 1 if models else 0
    return models * (SETTLE_S + BURST_S) + idle * (SETTLE_S + IDLE_S)


def take_energies(
    meter: Meter,
    sessions: Mapping[str, Timed],
    energies: Energies,
    commit: Callable[[], None],
    progress: Callable[[str, float, float], Any],
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Measure the energy of loaded models; returns the keys of those whose figures cannot be right and are left out.

    Args:
        meter: of this board.
        sessions: models, by any key.
        energies: those that are known, which are not measured again; extended in place.
        commit: called whenever something was added, so that an interruption loses a few models at most.
        progress: called with a phase, what is done and the total, for each model.
        pause: waits the given seconds.

    Raises:
        MeterError: the meter does not answer.
    """
    left = [key for key in sessions if key not in energies]
    impossible: list[str] = []
    if not left:
        return impossible
    with meter:
        before = _idle(meter, pause)
        for start in range(0, len(left), GROUP):
            group = left[start : start + GROUP]
            runs = []
            for number, key in enumerate(group, start):
                progress("measuring energy", number, len(left))
                runs.append(_burst(meter, sessions[key]))
            after = _idle(meter, pause)
            watts = [power.watts for power in (before, after, *(run[0] for run in runs))]
            if max(watts) - min(watts) <= STUCK * max(watts):
                raise MeterError(
                    f"the power meter {meter.name} shows the same whether the board is busy or not"
                )
            for number, (key, run) in enumerate(zip(group, runs)):
                energy = _energy(run, before, after, (number + 0.5) / len(group), meter.name)
                if energy.is_possible:
                    energies[key] = energy
                else:
                    impossible.append(key)
            commit()
            before = after
    progress("measuring energy", len(left), len(left))
    return impossible


def _burst(meter: Meter, session: Timed) -> tuple[MeanPower, float]:
    """Power while a model runs, and milliseconds of a run."""
    run_ms = min(session.time_ms(2))
    list(session.time_ms(_calls_within(SETTLE_S, run_ms)))
    times_ms: list[float] = []
    readings = [meter.read()]
    for _ in range(BATCHES):
        times_ms.extend(session.time_ms(_calls_within(BURST_S / BATCHES, run_ms)))
        readings.append(meter.read())
    return _mean_power(readings), statistics.fmean(times_ms)


def _idle(meter: Meter, pause: Callable[[float], None]) -> MeanPower:
    """Power while nothing runs."""
    pause(SETTLE_S)
    readings = [meter.read()]
    for _ in range(BATCHES):
        pause(IDLE_S / BATCHES)
        readings.append(meter.read())
    return _mean_power(readings)


def _mean_power(readings: Sequence[Reading]) -> MeanPower:
    batches = [_watts_between(*pair) for pair in zip(readings, readings[1:])]
    count = len(batches)
    # The last factor makes it the variance of Student's t: the scatter of a few batches is uncertain itself.
    variance = statistics.variance(batches) / count * (count - 1) / (count - 3)
    return MeanPower(_watts_between(readings[0], readings[-1]), variance)


def _watts_between(earlier: Reading, later: Reading) -> float:
    if later.at_s <= earlier.at_s:
        raise MeterError("the clock stood still while a power meter was read", "restart the board")
    return (later.joules - earlier.joules) / (later.at_s - earlier.at_s)


def _energy(
    run: tuple[MeanPower, float], before: MeanPower, after: MeanPower, place: float, meter: str
) -> Energy:
    """Energy of a run at a place, 0..1, between two measurements of idle power."""
    power, run_ms = run
    idle_watts = (1 - place) * before.watts + place * after.watts
    variance = power.variance + (1 - place) ** 2 * before.variance + place**2 * after.variance
    return Energy((power.watts - idle_watts) * run_ms, math.sqrt(variance) * run_ms, meter)


def _calls_within(seconds: float, run_ms: float) -> int:
    return min(max(math.ceil(seconds * 1e3 / run_ms), 1), MAX_BURST_CALLS)
