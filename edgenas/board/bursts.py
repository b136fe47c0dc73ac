"""Timing many models on a noisy machine, in bursts and rounds.

Clock frequencies change and other processes interfere: on one machine the same block took 1.00, 1.04 or 1.11 times its
best, for seconds each. A single minimum catches the fastest clock for some models and not for others. Here every model
is timed in short bursts, in many interleaved rounds. A burst's minimum excludes interruptions. A sentinel, one small
model timed before and after each burst, detects when the machine was throttled or busy; those bursts are repeated. So
are bursts with at least as many interruptions as runs: long models that share a core with another program are
interrupted in every run, which the short sentinel may miss.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Protocol, Sequence

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

RUN_ROUNDS = 20
"""Rounds in which the runs of a distribution are made, unless they take long."""

MAX_BURST_S = 30.0
"""Of a distribution: whoever waits sees progress after each burst."""

MIN_RUNS = 100
"""Fewest runs of a distribution, however long they take, unless fewer are asked for."""

PACED_RUNS, PACE_S = 20, 0.1
"""Single runs, and the idle time before each, in which clocks fall and caches are lost."""


class Timed(Protocol):
    """A loaded model that can be timed."""

    @property
    def interruptions(self) -> int:
        """How often the last timing was preempted."""

    def time_ms(self, calls: int) -> Iterable[float]:
        """Milliseconds of each of `calls` consecutive runs."""


class Burst(NamedTuple):
    """Consecutive runs of one model, the sentinel's readings before and after, and the number of preemptions."""

    min_ms: float
    p50_ms: float
    p90_ms: float
    n: int
    before_ms: float
    after_ms: float
    interruptions: int


Bursts = Dict[str, List[Burst]]
"""By model, one burst a round."""


class Runs(NamedTuple):
    """Every run of one model, milliseconds.

    Attributes:
        back_to_back: by round, runs that follow each other without a pause.
        paced: runs after idle times.
    """

    back_to_back: list[list[float]]
    paced: list[float]


def take_rounds(
    sessions: Mapping[str, Timed],
    sentinel: Timed,
    budget_s: float,
    bursts: Bursts,
    commit: Callable[[Bursts], None],
    progress: Callable[[str, float, float], Any],
    pause: Callable[[float], None] = time.sleep,
    enough: int = MAX_ROUNDS,
) -> int:
    """Time loaded models in rounds, then repeat disturbed bursts; returns how many bursts were repeated.

    Args:
        sessions: models to time, by any key; at least one.
        sentinel: a small model on the same runtime, timed between the others.
        budget_s: target duration, seconds; between 9 and 25 rounds are made in any case.
        bursts: complete rounds of the same models, or an empty list for each; extended in place.
        commit: called with all bursts after each round, so that an interruption loses at most one.
        progress: called with a phase, what is done and the total: for each burst, in seconds of timing.
        pause: waits the given seconds before disturbed bursts are repeated.
        enough: undisturbed bursts of a model; no more are repeated than it lacks of them, so that it may stay unstable.
    """
    calls = {key: _calls(session) for key, session in sessions.items()}
    reading_ms = (1 + SENTINEL_CALLS) * _warm_up(sentinel)
    round_s = sum((1 + count) * run_ms + reading_ms for count, run_ms in calls.values()) / 1e3
    finished = len(next(iter(bursts.values())))
    rounds = max(finished, min(max(int(budget_s / round_s), MIN_ROUNDS), MAX_ROUNDS))
    timer = _BurstTimer(sessions, {key: count for key, (count, _) in calls.items()}, sentinel)
    for done in range(finished, rounds):
        taken = []
        for number, (key, burst, _) in enumerate(timer.take(list(sessions))):
            taken.append((key, burst))
            progress("timing", (done + number / len(sessions)) * round_s, rounds * round_s)
        for key, burst in taken:  # only whole rounds
            bursts[key].append(burst)
        commit(bursts)
    progress("timing", rounds * round_s, rounds * round_s)
    affordable = int(RETAKE_SHARE * max(budget_s / round_s, MIN_ROUNDS) * len(sessions))
    return _retake(bursts, timer, affordable, commit, progress, pause, enough)


def take_runs(
    sessions: Mapping[str, Timed],
    sentinel: Timed,
    runs: int,
    budget_s: float,
    paced: bool,
    progress: Callable[[str, float, float], Any],
    pause: Callable[[float], None] = time.sleep,
) -> tuple[Bursts, dict[str, Runs]]:
    """Time loaded models run by run, for the distribution of their times; disturbed runs count like others.

    Args:
        sessions: models to time, in turn, by any key; at least one.
        sentinel: as for `take_rounds`.
        runs: of each model.
        budget_s: if they would take longer, there are fewer, but at least `MIN_RUNS`.
        paced: whether single runs after idle times follow.
        progress: called with a phase, what is done and the total: for each burst.
        pause: waits the given seconds before a paced run.

    Returns:
        The runs as bursts, and one by one.
    """
    run_ms = {key: _warm_up(session) for key, session in sessions.items()}
    total_s = sum(run_ms.values()) * runs / 1e3
    if total_s > budget_s:
        runs = min(runs, max(MIN_RUNS, int(runs * budget_s / total_s)))
    longest_s = max(run_ms.values()) * runs / 1e3
    rounds = min(runs, max(RUN_ROUNDS, math.ceil(longest_s / MAX_BURST_S)))
    _warm_up(sentinel)
    bursts: Bursts = {key: [] for key in sessions}
    times: dict[str, list[list[float]]] = {key: [] for key in sessions}
    for done in range(rounds):
        calls = runs // rounds + (done < runs % rounds)
        timer = _BurstTimer(sessions, dict.fromkeys(sessions, calls), sentinel)
        for number, (key, burst, taken) in enumerate(timer.take(list(sessions))):
            bursts[key].append(burst)
            times[key].append(taken)
            progress("timing", done * len(sessions) + number + 1, rounds * len(sessions))
    single: dict[str, list[float]] = {key: [] for key in sessions}
    for number, (key, session) in enumerate(sessions.items() if paced else ()):
        session.time_ms(1)  # the first run after another model has cold caches
        for _ in range(PACED_RUNS):
            pause(PACE_S)
            single[key] += map(float, session.time_ms(1))
        progress("timing after idle times", number + 1, len(sessions))
    return bursts, {key: Runs(times[key], single[key]) for key in sessions}


class _BurstTimer:
    """Times bursts in sequence, with the sentinel in between."""

    def __init__(self, sessions: Mapping[str, Timed], calls: Mapping[str, int], sentinel: Timed) -> None:
        self._sessions = sessions
        self._calls = calls
        self._sentinel = sentinel

    def take(self, keys: Sequence[str]) -> Iterator[tuple[str, Burst, list[float]]]:
        """Key, burst, and the time of each run, milliseconds."""
        before_ms = self._read()
        for key in keys:
            # The first run after another model has cold caches.
            session = self._sessions[key]
            taken = [float(each) for each in session.time_ms(1 + self._calls[key])][1:]
            times = sorted(taken)
            interruptions = session.interruptions
            after_ms = self._read()
            p50, p90 = (quantile(times, share) for share in (0.5, 0.9))
            yield key, Burst(times[0], p50, p90, len(times), before_ms, after_ms, interruptions), taken
            before_ms = after_ms

    def _read(self) -> float:
        return float(min(list(self._sentinel.time_ms(1 + SENTINEL_CALLS))[1:]))


def _retake(
    bursts: Bursts,
    timer: _BurstTimer,
    affordable: int,
    commit: Callable[[Bursts], None],
    progress: Callable[[str, float, float], Any],
    pause: Callable[[float], None],
    enough: int,
) -> int:
    """Repeat up to `affordable` disturbed bursts, in place, up to `RETAKES` times; the number of bursts replaced."""
    retaken: list[tuple[str, int]] = []
    for _ in range(RETAKES):
        repeated = _wanting(bursts, enough)[: affordable - len(retaken)]
        if not repeated:
            break
        retaken += repeated
        pause(PAUSE_S)
        fresh = timer.take([key for key, _ in repeated])
        for number, ((key, i), (_, burst, _)) in enumerate(zip(repeated, fresh)):
            bursts[key][i] = burst
            progress("repeating disturbed timings", number + 1, len(repeated))
        commit(bursts)
    return len(set(retaken))


def _wanting(bursts: Bursts, enough: int) -> list[tuple[str, int]]:
    """(key, round) of disturbed bursts, of each model as many as it lacks of enough others."""
    found = disturbed(bursts)
    counts = Counter(key for key, _ in found)
    lacking = {key: enough - (len(bursts[key]) - count) for key, count in counts.items()}
    wanting = []
    for key, i in found:
        if lacking[key] > 0:
            lacking[key] -= 1
            wanting.append((key, i))
    return wanting


def _calls(session: Timed) -> tuple[int, float]:
    """Runs per burst of a model, and milliseconds per run, after a warm-up."""
    run_ms = _warm_up(session)
    return min(max(int(BURST_MS / run_ms), MIN_CALLS), MAX_CALLS), run_ms


def _warm_up(session: Timed) -> float:
    """Run until runs no longer get clearly faster; milliseconds of the fastest."""
    best = float(min(session.time_ms(2)))
    for _ in range(10):
        latest = float(min(session.time_ms(2)))
        if latest > 0.97 * best:
            break
        best = latest
    return min(best, latest)


def level(bursts: Bursts) -> float:
    """The sentinel's usual reading, milliseconds, over all rounds and models."""
    return quantile(
        sorted(each for rounds in bursts.values() for burst in rounds for each in _readings(burst)),
        LEVEL_QUANTILE,
    )


def is_usual(ratio: float) -> bool:
    """Whether a time relative to its usual value is within normal variation of the same machine."""
    return 1 / DISTURBED <= ratio <= DISTURBED


def is_disturbed(burst: Burst, usual_ms: float) -> bool:
    """Whether the machine was slower or faster than the sentinel's usual time says, or shared with other programs."""
    usual = all(is_usual(reading / usual_ms) for reading in _readings(burst))
    return not usual or _shares_its_core(burst)


def disturbed(bursts: Bursts) -> list[tuple[str, int]]:
    """(key, round) of disturbed bursts, by round."""
    usual_ms = level(bursts)
    found = [
        (i, key)
        for key, rounds in bursts.items()
        for i, burst in enumerate(rounds)
        if is_disturbed(burst, usual_ms)
    ]
    return [(key, i) for i, key in sorted(found, key=lambda pair: pair[0])]


def quantile(ascending: Sequence[float], share: float) -> float:
    """A quantile of sorted values, interpolated linearly."""
    place = share * (len(ascending) - 1)
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return float(ascending[low] + (place - low) * (ascending[high] - ascending[low]))


def _readings(burst: Burst) -> tuple[float, float]:
    return burst.before_ms, burst.after_ms


def _shares_its_core(burst: Burst) -> bool:
    # With fewer interruptions than runs, at least one run was uninterrupted, and the minimum is from it.
    per_s = burst.interruptions / (burst.n * burst.p50_ms / 1e3)
    return burst.interruptions >= burst.n and per_s > MAX_INTERRUPTIONS_PER_S
