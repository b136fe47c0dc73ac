"""Times of models, from bursts that are robust against the noise of a machine.

The interquartile mean of the bursts' minima over the rounds is a model's time at the machine's usual clock;
`board.bursts` says how they are taken.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from edgenas.board.bursts import (
    MAX_ROUNDS,
    Burst,
    Bursts,
    disturbed,
    is_disturbed,
    level,
    take_rounds,
)
from edgenas.device.runtime import Session
from edgenas.progress import Progress, silent

MIN_QUIET = 3
"""Fewest undisturbed bursts to use alone; with fewer, all bursts are used."""

UNSTABLE_SPREAD = 0.1
"""Relative interquartile range of the bursts above which a time is unstable."""


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


def measure(
    sessions: Mapping[str, Session],
    sentinel: Session,
    budget_s: float,
    known: Bursts | None = None,
    commit: Callable[[Bursts], None] = lambda bursts: None,
    progress: Progress = silent,
    pause: Callable[[float], None] = time.sleep,
    enough: int = MAX_ROUNDS,
) -> Measurement:
    """Time loaded models on this machine.

    Args:
        sessions: models to time, by any key; at least one.
        sentinel: a small model on the same runtime, timed between the others.
        budget_s: target duration, seconds; between 9 and 25 rounds are made in any case.
        known: complete rounds of an interrupted measurement of the same models; extended in place.
        commit: called with all bursts after each round, so that an interruption loses at most one.
        progress: called for each burst, in seconds of timing.
        pause: waits the given seconds before disturbed bursts are repeated.
        enough: undisturbed bursts of a model; no more are repeated than it lacks of them, so that it may stay unstable.
    """
    bursts: Bursts = {key: [] for key in sessions} if known is None else known
    retaken = take_rounds(sessions, sentinel, budget_s, bursts, commit, progress, pause, enough)
    return measurement_of(bursts, retaken)


def measurement_of(bursts: Bursts, retaken: int = 0) -> Measurement:
    """The times that bursts amount to, taken here or on a board.

    Args:
        bursts: by model; at least one model, and one burst for each.
        retaken: how many bursts were repeated.
    """
    usual_ms = level(bursts)
    return Measurement(
        timings={key: _timing(each, usual_ms) for key, each in bursts.items()},
        sentinel_ms=usual_ms,
        retaken=retaken,
        disturbed=len(disturbed(bursts)) / sum(map(len, bursts.values())),
    )


def _timing(bursts: Sequence[Burst], usual_ms: float) -> Timing:
    quiet = [burst for burst in bursts if not is_disturbed(burst, usual_ms)]
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
