"""The distribution of a model's latency over many runs, and whether two models differ."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import stats

from edgenas.board.bursts import Runs
from edgenas.formats import Document

CONFIDENCE = 0.95

MIN_BINS, MAX_BINS = 5, 20
"""Of a histogram between its fences: what fits on a screen."""

FENCE = 1.5
"""Interquartile ranges beyond the quartiles where outliers begin (Tukey's fences)."""

LEAST_WIDTH = 1e-3
"""Width of all bins together, as a share of the latency, where all runs took the same time."""

Positive = Annotated[float, Field(gt=0)]


class Distribution(Document):
    """Milliseconds of runs that follow each other without a pause."""

    min: Positive
    mean: Positive
    p50: Positive
    p90: Positive
    p95: Positive
    p99: Positive


class Histogram(Document):
    """How often latencies occurred.

    Attributes:
        edges_ms: ascending, one more than there are bins; a latency on an edge belongs to the bin above it, the last
            one to the last bin.
        counts: runs in each bin.
    """

    edges_ms: tuple[float, ...]
    counts: tuple[int, ...]


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


def histogram_of(runs: Runs) -> Histogram:
    """The histogram of all runs but the paced ones.

    Bins have the width of Freedman and Diaconis, as far as the number of bins allows. Outliers do not widen them: those
    beyond Tukey's fences share one bin at either end.
    """
    times = np.concatenate(runs.back_to_back)
    q1, q3 = np.quantile(times, [0.25, 0.75]).tolist()
    least, most = float(times.min()), float(times.max())
    low, high = max(least, q1 - FENCE * (q3 - q1)), min(most, q3 + FENCE * (q3 - q1))
    high = max(high, low * (1 + LEAST_WIDTH))
    width = 2 * (q3 - q1) / len(times) ** (1 / 3)
    bins = min(max(round((high - low) / width), MIN_BINS), MAX_BINS) if width > 0 else MIN_BINS
    edges = np.linspace(low, high, bins + 1).tolist()
    edges = [*([least] if least < low else []), *edges, *([most] if most > high else [])]
    counts, _ = np.histogram(times, edges)
    return Histogram(edges_ms=tuple(edges), counts=tuple(counts.tolist()))


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


def _medians(runs: Runs) -> NDArray[Any]:
    return np.array([np.median(each) for each in runs.back_to_back])
