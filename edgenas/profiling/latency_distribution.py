"""The distribution of a model's latency over many runs, and whether two models differ."""

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import stats

from edgenas.board.bursts import Runs
from edgenas.formats import Document

CONFIDENCE = 0.95

Positive = Annotated[float, Field(gt=0)]


class Distribution(Document):
    """Milliseconds of runs that follow each other without a pause."""

    min: Positive
    mean: Positive
    p50: Positive
    p90: Positive
    p95: Positive
    p99: Positive


class Comparison(Document):
    """The time of a model as a multiple of that of another.

    Attributes:
        ratio: geometric mean, over the rounds, of the ratios of their medians.
        low: lower end of its 95 % interval.
        high: upper end.
    """

    ratio: Positive
    low: Positive
    high: Positive

    @property
    def differ(self) -> bool:
        """Whether the interval excludes that they are equally fast."""
        return not self.low <= 1 <= self.high


def distribution_of(runs: Runs) -> Distribution:
    """The distribution of all runs but the paced ones."""
    times = np.concatenate(runs.back_to_back)
    p50, p90, p95, p99 = np.quantile(times, [0.5, 0.9, 0.95, 0.99]).tolist()
    return Distribution(min=float(times.min()), mean=float(times.mean()), p50=p50, p90=p90, p95=p95, p99=p99)


def compared(runs: Runs, reference: Runs) -> Comparison:
    """Compare a model with another that was timed in the same rounds, at least two.

    In a round both met the same state of the machine, so the ratios vary less than the times: a t interval on their
    logarithms.
    """
    ratios = np.log(_medians(runs) / _medians(reference))
    mean = float(ratios.mean())
    half = float(stats.sem(ratios) * stats.t.ppf((1 + CONFIDENCE) / 2, len(ratios) - 1))
    ratio, low, high = np.exp([mean, mean - half, mean + half]).tolist()
    return Comparison(ratio=ratio, low=low, high=high)


def _medians(runs: Runs) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.median(each) for each in runs.back_to_back])
