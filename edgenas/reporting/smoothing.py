"""Smoothing of noisy per-batch curves."""

import math
from collections.abc import Sequence

Values = Sequence[float | None]

WIDTH = 0.04
"""Standard deviation of the kernel, as a share of the training."""


def smoothed(positions: Sequence[float], values: Values, width: float = WIDTH) -> Values:
    """Gaussian-weighted means of the known values around each position; None where no value is known."""
    known = [
        (position, value) for position, value in zip(positions, values, strict=True) if value is not None
    ]

    def around(centre: float) -> float:
        weights = [math.exp(-(((position - centre) / width) ** 2) / 2) for position, _ in known]
        return sum(weight * value for weight, (_, value) in zip(weights, known, strict=True)) / sum(weights)

    return [
        None if value is None else around(position) for position, value in zip(positions, values, strict=True)
    ]
