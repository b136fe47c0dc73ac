"""The best models of several runs at equal latency."""

from collections.abc import Sequence

from edgenas.storage.search_result import Model, SearchResult, most_accurate_within

MOST_ROWS = 12
"""Latencies at which fronts are compared."""


def at_equal_latency(results: Sequence[SearchResult]) -> list[tuple[float, tuple[Model | None, ...]]]:
    """Predicted latencies, ms, of trained models, and the best of each run that is predicted no slower.

    The best is that of the highest validation figure; None where a run has no trained model as fast.
    """
    latencies = {
        model.latency_ms.predicted
        for result in results
        for model in result.front
        if model.accuracies.validation is not None
    }
    return [
        (limit_ms, tuple(most_accurate_within(result.front, limit_ms) for result in results))
        for limit_ms in _spread(sorted(latencies))
    ]


def _spread(latencies: Sequence[float]) -> list[float]:
    """At most `MOST_ROWS` of them, spread evenly; the ends are among them."""
    if len(latencies) <= MOST_ROWS:
        return list(latencies)
    step = (len(latencies) - 1) / (MOST_ROWS - 1)
    return [latencies[round(i * step)] for i in range(MOST_ROWS)]
