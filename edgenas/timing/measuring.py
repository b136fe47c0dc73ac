"""Timing many models on a noisy machine.

Clock frequencies change and other processes interfere: on one machine the same block took 1.00, 1.04 or 1.11 times its
best, for seconds each. A single minimum catches the fastest clock for some models and not for others. Here every model
is timed in short bursts, in many interleaved rounds. A burst's minimum excludes interruptions, and the interquartile
mean of these minima over the rounds is the time at the machine's usual clock. A sentinel, one small model timed before
and after each burst, detects when the machine was throttled or busy; those bursts are repeated. So are bursts with at
least as many interruptions as runs: long models that share a core with another program are interrupted in every run,
which the short sentinel may miss.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from scipy import stats

from edgenas.device.runtime import Session
from edgenas.progress import Progress, silent

BURST_MS = 5.0
"""Duration of one burst; at least `MIN_CALLS` runs, so that the minimum excludes an interruption."""

MIN_CALLS = 3
MAX_CALLS = 1000
SENTINEL_CALLS = 6

MIN_ROUNDS, MAX_ROUNDS = 9, 25

DISTURBED = 1.15
"""Factor between a sentinel reading and its usual level beyond which a burst counts as disturbed.

Twice the usual clock steps, half the effect of throttling or of another busy program.
"""

MAX_INTERRUPTIONS_PER_S = 30.0
"""Two programs on one core interrupt each other 100 to 250 times a second; an idle system's daemons, twice."""

LEVEL_QUANTILE = 0.25
"""Quantile of the sentinel's readings that is its usual level: valid if the machine was quiet a quarter of the time."""

RETAKES = 3
"""How often disturbed bursts are repeated before they are accepted."""

RETAKE_SHARE = 0.5
"""Share of the time budget for repetitions, so that timing ends on a busy machine."""

PAUSE_S = 1.0
"""Pause before repetitions, for the chip to cool and short jobs to end."""

MIN_QUIET = 3
"""Fewest undisturbed bursts to use alone; with fewer, all bursts are used."""

UNSTABLE_SPREAD = 0.1
"""Relative interquartile range of the bursts above which a time is unstable."""


class Burst(NamedTuple):
    """Consecutive runs of one model, the sentinel's readings before and after, and the number of preemptions."""

    min_ms: PositiveFloat
    p50_ms: PositiveFloat
    p90_ms: PositiveFloat
    n: PositiveInt
    before_ms: PositiveFloat
    after_ms: PositiveFloat
    interruptions: NonNegativeInt


@dataclass(frozen=True, slots=True)
class Timing:
    """Time of a model. `typical_ms`, the interquartile mean of the bursts' minima, is used for predictions.

    `halves_ms` is the same for the first and the second half of the rounds.
    """

    typical_ms: float
    halves_ms: tuple[float, float]
    min_ms: float
    p50_ms: float
    p90_ms: float
    n: int
    unstable: bool

    @property
    def spread(self) -> float:
        """(p90 - min) / min of the runs."""
        return (self.p90_ms - self.min_ms) / self.min_ms


@dataclass(frozen=True, slots=True)
class Measurement:
    """Times of models, and how noisy the machine was.

    `sentinel_ms` is the sentinel's usual level, `retaken` counts repeated bursts, `disturbed` is the share of bursts
    that are disturbed in the end.
    """

    timings: dict[str, Timing]
    sentinel_ms: float
    retaken: int
    disturbed: float


Bursts = dict[str, list[Burst]]


def measure(
    sessions: Mapping[str, Session],
    sentinel: Session,
    budget_s: float,
    known: Bursts | None = None,
    commit: Callable[[Bursts], None] = lambda bursts: None,
    progress: Progress = silent,
    pause: Callable[[float], None] = time.sleep,
) -> Measurement:
    """Time loaded models.

    Args:
        sessions: models to time, by any key; at least one.
        sentinel: a small model on the same runtime, timed between the others.
        budget_s: target duration, seconds; between 9 and 25 rounds are made in any case.
        known: complete rounds of an interrupted measurement of the same models; extended in place.
        commit: called with all bursts after each round, so that an interruption loses at most one.
        progress: called for each burst, in seconds of timing.
        pause: waits the given seconds before disturbed bursts are repeated.
    """
    bursts: Bursts = {key: [] for key in sessions} if known is None else known
    calls = {key: _calls(session) for key, session in sessions.items()}
    reading_ms = (1 + SENTINEL_CALLS) * _warm_up(sentinel)
    round_s = sum((1 + count) * run_ms + reading_ms for count, run_ms in calls.values()) / 1e3
    finished = len(next(iter(bursts.values())))
    rounds = max(finished, int(np.clip(budget_s / round_s, MIN_ROUNDS, MAX_ROUNDS)))
    timer = _BurstTimer(sessions, {key: count for key, (count, _) in calls.items()}, sentinel)
    for done in range(finished, rounds):
        for number, (key, burst) in enumerate(timer.take(list(sessions))):
            bursts[key].append(burst)
            progress("timing", (done + number / len(sessions)) * round_s, rounds * round_s)
        commit(bursts)
    progress("timing", rounds * round_s, rounds * round_s)
    affordable = int(RETAKE_SHARE * max(budget_s / round_s, MIN_ROUNDS) * len(sessions))
    retaken = _retake(bursts, timer, affordable, commit, progress, pause)
    level = _level(bursts)
    timings = {key: _timing(each, level) for key, each in bursts.items()}
    return Measurement(timings, level, retaken, len(_disturbed(bursts)) / (rounds * len(sessions)))


class _BurstTimer:
    """Times bursts in sequence, with the sentinel in between."""

    def __init__(self, sessions: Mapping[str, Session], calls: Mapping[str, int], sentinel: Session) -> None:
        self._sessions = sessions
        self._calls = calls
        self._sentinel = sentinel

    def take(self, keys: Sequence[str]) -> Iterator[tuple[str, Burst]]:
        before_ms = self._read()
        for key in keys:
            # The first run after another model has cold caches.
            session = self._sessions[key]
            times = session.time_ms(1 + self._calls[key])[1:]
            interruptions = session.interruptions
            after_ms = self._read()
            low, p50, p90 = np.quantile(times, [0, 0.5, 0.9]).tolist()
            yield key, Burst(low, p50, p90, len(times), before_ms, after_ms, interruptions)
            before_ms = after_ms

    def _read(self) -> float:
        return float(self._sentinel.time_ms(1 + SENTINEL_CALLS)[1:].min())


def _retake(
    bursts: Bursts,
    timer: _BurstTimer,
    affordable: int,
    commit: Callable[[Bursts], None],
    progress: Progress,
    pause: Callable[[float], None],
) -> int:
    """Repeat up to `affordable` disturbed bursts, in place, up to `RETAKES` times; the number of bursts replaced."""
    retaken: list[tuple[str, int]] = []
    for _ in range(RETAKES):
        disturbed = _disturbed(bursts)[: affordable - len(retaken)]
        if not disturbed:
            break
        retaken += disturbed
        pause(PAUSE_S)
        fresh = timer.take([key for key, _ in disturbed])
        for number, ((key, i), (_, burst)) in enumerate(zip(disturbed, fresh, strict=True)):
            bursts[key][i] = burst
            progress("repeating disturbed timings", number + 1, len(disturbed))
        commit(bursts)
    return len(set(retaken))


def _calls(session: Session) -> tuple[int, float]:
    """Runs per burst of a model, and milliseconds per run, after a warm-up."""
    run_ms = _warm_up(session)
    return int(np.clip(BURST_MS / run_ms, MIN_CALLS, MAX_CALLS)), run_ms


def _warm_up(session: Session) -> float:
    """Run until runs no longer get clearly faster; milliseconds of the fastest."""
    best = float(session.time_ms(2).min())
    for _ in range(10):
        latest = float(session.time_ms(2).min())
        if latest > 0.97 * best:
            break
        best = latest
    return min(best, latest)


def _readings(burst: Burst) -> tuple[float, float]:
    return burst.before_ms, burst.after_ms


def _level(bursts: Bursts) -> float:
    """The sentinel's usual reading, over all rounds and models."""
    readings = [reading for each in bursts.values() for burst in each for reading in _readings(burst)]
    return float(np.quantile(readings, LEVEL_QUANTILE))


def is_usual(ratio: float) -> bool:
    """Whether a time relative to its usual value is within normal variation of the same machine."""
    return 1 / DISTURBED <= ratio <= DISTURBED


def _is_disturbed(burst: Burst, level: float) -> bool:
    usual = all(is_usual(reading / level) for reading in _readings(burst))
    return not usual or _shares_its_core(burst)


def _shares_its_core(burst: Burst) -> bool:
    # With fewer interruptions than runs, at least one run was uninterrupted, and the minimum is from it.
    per_s = burst.interruptions / (burst.n * burst.p50_ms / 1e3)
    return burst.interruptions >= burst.n and per_s > MAX_INTERRUPTIONS_PER_S


def _disturbed(bursts: Bursts) -> list[tuple[str, int]]:
    """(key, round) of disturbed bursts, by round."""
    level = _level(bursts)
    found = [(i, key) for key, each in bursts.items() for i, b in enumerate(each) if _is_disturbed(b, level)]
    return [(key, i) for i, key in sorted(found, key=lambda pair: pair[0])]


def _timing(bursts: Sequence[Burst], level: float) -> Timing:
    quiet = [burst for burst in bursts if not _is_disturbed(burst, level)]
    trusted = quiet if len(quiet) >= MIN_QUIET else bursts
    minima = [burst.min_ms for burst in trusted]
    q1, q3 = np.quantile(minima, [0.25, 0.75]).tolist()
    middle = (len(minima) + 1) // 2
    typical = _midmean(minima)
    return Timing(
        typical_ms=typical,
        halves_ms=(_midmean(minima[:middle]), _midmean(minima[-middle:])),
        min_ms=min(minima),
        p50_ms=float(np.median([burst.p50_ms for burst in trusted])),
        p90_ms=float(np.median([burst.p90_ms for burst in trusted])),
        n=sum(burst.n for burst in trusted),
        unstable=2 * len(quiet) < len(bursts) or (q3 - q1) / typical > UNSTABLE_SPREAD,
    )


def _midmean(values: Sequence[float]) -> float:
    """Interquartile mean: as robust to slow bursts as the median, and more stable between two clock frequencies."""
    return max(float(stats.trim_mean(values, 0.25)), min(values))  # of equal values the mean may round below
