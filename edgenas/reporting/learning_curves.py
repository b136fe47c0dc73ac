"""The recorded curves of a gradient search: its latency targets, their figures and the ranges to plot."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from edgenas.reporting.series import Range
from edgenas.reporting.shown_text import figure_ms
from edgenas.reporting.smoothing import Values, smoothed
from edgenas.searchers.proxyless.curves import Curve, Curves

# Fast to slow; distinct from the red of the limit, and readable by day and by night.
_SCALE = ((20, 150, 112), (56, 120, 226), (150, 96, 218))
_MARGIN = 0.06
# A limit further above the curves than this share of their span is stated in text, not drawn.
_ROOM_FOR_LIMIT = 0.5
_LEAST_OFF = 5.0  # percent; the axis reaches at least this far to either side


@dataclass(frozen=True)
class Target:
    """One latency target, its recorded curve (at least one point) and its colour."""

    curve: Curve
    color: str

    @property
    def name(self) -> str:
        """Such as `12.0 ms`."""
        return f"{figure_ms(self.curve.target_ms)} ms"

    def off_percent(self, values: Sequence[float]) -> tuple[float, ...]:
        """Deviation of latencies (ms) from the target, in percent of it; negative below."""
        return tuple(100 * (value / self.curve.target_ms - 1) for value in values)

    @property
    def skips_percent(self) -> tuple[float, ...]:
        """Share of skippable layers that are skipped."""
        return tuple(100 * share for share in self.curve.skips)

    def end_text(self, values: Sequence[float]) -> str:
        """The last latency and its deviation from the target: `12.1 ms, +0.8 %`."""
        return f"{figure_ms(values[-1])} ms, {signed(self.off_percent(values)[-1], 1)} %"


@dataclass(frozen=True)
class LearningCurves:
    """The curves of a gradient search with at least one recorded point.

    Args:
        curves: what was recorded.
        limit_ms: the run's latency limit.
    """

    curves: Curves
    limit_ms: float

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, fastest first, coloured in that order."""
        curves = self.curves.targets
        last = len(curves) - 1
        colors = [_colour(i / last if last else 0.5) for i in range(len(curves))]
        return tuple(Target(curve, color) for curve, color in zip(curves, colors, strict=True))

    @property
    def has_loss(self) -> bool:
        """Whether any validation loss was recorded."""
        return any(loss is not None for curve in self.curves.targets for loss in curve.loss)

    @property
    def has_multiplier(self) -> bool:
        """Whether the price of latency was learnt as a multiplier."""
        return any(any(curve.multiplier) for curve in self.curves.targets)

    @property
    def has_skips(self) -> bool:
        """Whether any layers may be skipped."""
        return any(any(curve.skips) for curve in self.curves.targets)

    @property
    def price_decimals(self) -> int:
        """Decimals for a column of prices: three digits of the largest."""
        largest = max(abs(curve.multiplier[-1]) for curve in self.curves.targets)
        return max(0, 2 - math.floor(math.log10(largest))) if largest else 0

    def smooth_loss(self, target: Target) -> Values:
        """The validation losses of a target, smoothed; None where no path was drawn."""
        return smoothed(self.curves.done, target.curve.loss)

    def last_loss(self, target: Target) -> float | None:
        """The last smoothed loss; None where no path was ever drawn."""
        return next((loss for loss in reversed(self.smooth_loss(target)) if loss is not None), None)

    @property
    def latency_range_ms(self) -> Range:
        """The latency axis: all curves and targets, and the limit if it is near."""
        curves = self.curves.targets
        shown = [ms for curve in curves for ms in (*curve.expected_ms, *curve.likeliest_ms, curve.target_ms)]
        low, high = min(shown), max(shown)
        if self.limit_ms <= high + _ROOM_FOR_LIMIT * max(high - low, 0.1 * high):
            low, high = min(low, self.limit_ms), max(high, self.limit_ms)
        room = _MARGIN * max(high - low, 0.1 * high)
        return max(0.0, low - room), high + room

    @property
    def off_percent_range(self) -> Range:
        """The axis of the deviation from the target: covers the second half of the learning."""
        half = (1 + self.curves.warm_up) / 2
        begin = min(bisect_left(self.curves.done, half), len(self.curves.done) - 1)
        late = [
            percent
            for target in self.targets
            for values in (target.curve.expected_ms, target.curve.likeliest_ms)
            for percent in target.off_percent(values[begin:])
        ]
        low, high = min(-_LEAST_OFF, *late), max(_LEAST_OFF, *late)
        return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def signed(value: float, decimals: int) -> str:
    """A value with its sign: `+0.8`; no sign for a rounded zero; no decimals from 1,000 on: `+10,095`."""
    places = 0 if abs(value) >= 1000 else decimals
    rounded = round(value, places) + 0.0  # not -0.0
    return f"{rounded:{'+' if rounded else ''},.{places}f}".replace("-", "\N{MINUS SIGN}")


def _colour(place: float) -> str:
    """A colour `#rrggbb` of the scale, at a place from 0 to 1."""
    at = place * (len(_SCALE) - 1)
    first = min(int(at), len(_SCALE) - 2)
    pairs = zip(_SCALE[first], _SCALE[first + 1], strict=True)
    return "#" + "".join(f"{round(low + (at - first) * (high - low)):02x}" for low, high in pairs)
