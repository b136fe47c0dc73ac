"""Timing many models so that the machine's moods do not decide.

Clocks step up and down, neighbours come and go: on one machine the same block took 1.00, 1.04 or 1.11 times its best,
for seconds each. A single minimum catches the fast step for some models and not for others. Here every model is
timed in short bursts, in many interleaved rounds; the minimum of a burst sheds interruptions, and the mean of the
middle half of these minima over the rounds is the time at the machine's usual step. A sentinel, one small model
read before and after each burst, tells when the machine was not at its usual step at all (throttled, or busy with
something else): those bursts are taken again. So are bursts that were interrupted as often as they ran: long models
that share a core with another program are interrupted in every run, while the small sentinel slips through.
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
"""How long one burst lasts; at least `MIN_CALLS` runs, so that a minimum sheds an interruption."""

MIN_CALLS = 3
MAX_CALLS = 1000
SENTINEL_CALLS = 6

MIN_ROUNDS, MAX_ROUNDS = 9, 25

DISTURBED = 1.15
"""A sentinel reading further than this factor from its usual level says that the machine was not itself.

Twice the usual steps of a clock, half of what throttling or another busy program do.
"""

MAX_INTERRUPTIONS_PER_S = 30.0
"""Two programs that share a core interrupt each other 100 to 250 times a second, an idle system's own chores twice."""

LEVEL_QUANTILE = 0.25
"""The usual level of the sentinel: slow moments are forgiven as long as a quarter of the time was quiet."""

RETAKES = 3
"""How often disturbed bursts are taken again before they are left as they are."""

RETAKE_SHARE = 0.5
"""Share of the budget that may go into it: a busy machine must not take for ever."""

PAUSE_S = 1.0
"""Rest before they are: a hot chip cools, a passing job passes."""

MIN_QUIET = 3
"""Quiet bursts that a time can rest on; with fewer, all count."""

UNSTABLE_SPREAD = 0.1
"""A quarter of the bursts this far from another quarter says that a time is not to be trusted."""


class Burst(NamedTuple):
    """Consecutive runs of one model, the sentinel's readings around them, how often a core was taken away."""

    min_ms: PositiveFloat
    p50_ms: PositiveFloat
    p90_ms: PositiveFloat
    n: PositiveInt
    before_ms: PositiveFloat
    after_ms: PositiveFloat
    interruptions: NonNegativeInt


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a model takes. `typical_ms`, mean of the middle half of the bursts' minima, is what predictions rest on.

    `halves_ms` are the same over the first and over the second half of the rounds.
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
    """Times of models, and how quiet the machine was.

    `sentinel_ms` is the sentinel's usual level, `retaken` counts bursts taken again because it was off that level,
    `disturbed` is the share of the bursts that still are.
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
        sessions: what is timed, by any key; at least one.
        sentinel: a small model on the same runtime, also timed between the others.
        budget_s: seconds the rounds should take; 9 to 25 rounds are made, whatever it says.
        known: whole rounds that an interrupted measurement of the same models made; extended in place.
        commit: told all bursts after each round, so that an interruption loses no more than one.
        progress: told about each burst, in seconds of timing.
        pause: waits some seconds before disturbed bursts are taken again.
    """
    bursts: Bursts = {key: [] for key in sessions} if known is None else known
    calls = {key: _calls(session) for key, session in sessions.items()}
    reading_ms = (1 + SENTINEL_CALLS) * _warm_up(sentinel)
    round_s = sum((1 + count) * run_ms + reading_ms for count, run_ms in calls.values()) / 1e3
    finished = len(next(iter(bursts.values())))
    rounds = max(finished, int(np.clip(budget_s / round_s, MIN_ROUNDS, MAX_ROUNDS)))
    taker = _Taker(sessions, {key: count for key, (count, _) in calls.items()}, sentinel)
    for done in range(finished, rounds):
        for number, (key, burst) in enumerate(taker.take(list(sessions))):
            bursts[key].append(burst)
            progress("timing", (done + number / len(sessions)) * round_s, rounds * round_s)
        commit(bursts)
    progress("timing", rounds * round_s, rounds * round_s)
    affordable = int(RETAKE_SHARE * max(budget_s / round_s, MIN_ROUNDS) * len(sessions))
    retaken = _retake(bursts, taker, affordable, commit, progress, pause)
    level = _level(bursts)
    timings = {key: _timing(each, level) for key, each in bursts.items()}
    return Measurement(timings, level, retaken, len(_disturbed(bursts)) / (rounds * len(sessions)))


class _Taker:
    """Takes bursts one after the other, the sentinel read between them."""

    def __init__(self, sessions: Mapping[str, Session], calls: Mapping[str, int], sentinel: Session) -> None:
        self._sessions = sessions
        self._calls = calls
        self._sentinel = sentinel

    def take(self, keys: Sequence[str]) -> Iterator[tuple[str, Burst]]:
        before_ms = self._read()
        for key in keys:
            # The first run after another model finds cold caches.
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
    taker: _Taker,
    affordable: int,
    commit: Callable[[Bursts], None],
    progress: Progress,
    pause: Callable[[float], None],
) -> int:
    """Replace up to `affordable` disturbed bursts, in place, a few times over; the number of bursts that were."""
    retaken: list[tuple[str, int]] = []
    for _ in range(RETAKES):
        disturbed = _disturbed(bursts)[: affordable - len(retaken)]
        if not disturbed:
            break
        retaken += disturbed
        pause(PAUSE_S)
        fresh = taker.take([key for key, _ in disturbed])
        for number, ((key, i), (_, burst)) in enumerate(zip(disturbed, fresh, strict=True)):
            bursts[key][i] = burst
            progress("taking disturbed times again", number + 1, len(disturbed))
        commit(bursts)
    return len(set(retaken))


def _calls(session: Session) -> tuple[int, float]:
    """Runs a burst of a model has, and milliseconds of one, after a warm-up."""
    run_ms = _warm_up(session)
    return int(np.clip(BURST_MS / run_ms, MIN_CALLS, MAX_CALLS)), run_ms


def _warm_up(session: Session) -> float:
    """Run until a run is no longer clearly faster than the ones before it; milliseconds of the fastest."""
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
    """Whether a time over its usual value is the same machine at another moment, not a disturbed or another one."""
    return 1 / DISTURBED <= ratio <= DISTURBED


def _is_disturbed(burst: Burst, level: float) -> bool:
    usual = all(is_usual(reading / level) for reading in _readings(burst))
    return not usual or _shares_its_core(burst)


def _shares_its_core(burst: Burst) -> bool:
    # Interrupted less often than it ran, at least one run was whole, and the minimum is that one's.
    per_s = burst.interruptions / (burst.n * burst.p50_ms / 1e3)
    return burst.interruptions >= burst.n and per_s > MAX_INTERRUPTIONS_PER_S


def _disturbed(bursts: Bursts) -> list[tuple[str, int]]:
    """(key, round) of disturbed bursts, round by round as they were taken."""
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
    """Mean of the middle half: as deaf to slow moments as the median, and steadier between two steps of a clock."""
    return max(float(stats.trim_mean(values, 0.25)), min(values))  # of equal values the mean may round below
