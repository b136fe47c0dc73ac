"""Curves of single batches, calmed so that their course can be seen."""

import math
from collections.abc import Sequence

Values = Sequence[float | None]

WIDTH = 0.04
"""Standard deviation of the kernel, as a share of the training."""


def smoothed(places: Sequence[float], values: Values, width: float = WIDTH) -> Values:
    """Means of the known values around each place, weighed by a Gaussian kernel; None where no value is known."""
    known = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]

    def around(centre: float) -> float:
        weights = [math.exp(-(((place - centre) / width) ** 2) / 2) for place, _ in known]
        return sum(weight * value for weight, (_, value) in zip(weights, known, strict=True)) / sum(weights)

    return [None if value is None else around(place) for place, value in zip(places, values, strict=True)]
