"""What each layer's choice gains and costs: one panel per model, one row per layer, on two shared scales."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from edgenas.reporting.series import ModelEntry, Range
from edgenas.searchers.choice_contributions import Contribution

LEAST_COST_SHARE = 0.01
"""A choice must cost at least this share of its network's latency to be ranked by accuracy per millisecond."""

_MARGIN = 0.02
_MINUS = "\N{MINUS SIGN}"


class Bar(NamedTuple):
    """Positions of a bar and its whisker, in percent of the scale's width."""

    start: float
    width: float
    low: float
    high: float


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` that includes zero, and the number of decimals to print."""

    low: float
    high: float
    decimals: int

    @classmethod
    def over(cls, values: Sequence[float], digits: int, ends: Iterable[float] = ()) -> "Scale":
        """The scale covering `values` and `ends`, with at least `digits` significant digits of the largest value."""
        low, high = min(0.0, *values, *ends), max(0.0, *values, *ends)
        room = _MARGIN * (high - low) or 1.0
        greatest = max(map(abs, values))
        decimals = next((n for n in range(1, 5) if greatest >= 10.0 ** (digits - n - 1)), 5)
        return cls(low - room, high + room, decimals)

    @property
    def zero(self) -> float:
        """Position of zero, in percent."""
        return self._place(0.0)

    def bar(self, value: float, sd: float = 0.0) -> Bar:
        """A bar from zero to a value, with a whisker of one standard deviation on either side."""
        start, end = sorted((self.zero, self._place(value)))
        return Bar(start, end - start, self._place(value - sd), self._place(value + sd))

    def text(self, value: float, sign: bool = True) -> str:
        """A value with its sign and the scale's number of decimals: `+1.2`."""
        rounded = round(value, self.decimals) + 0.0  # not -0.0
        return f"{rounded:{'+' if sign and rounded else ''}.{self.decimals}f}".replace("-", _MINUS)

    def _place(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True)
class Panel:
    """A model and its layers' contributions, first layer first; at least one row."""

    entry: ModelEntry
    rows: tuple[Contribution, ...]

    @property
    def best_value(self) -> Contribution | None:
        """The choice with the most accuracy per millisecond, of those that certainly gain accuracy and cost enough."""
        least_ms = LEAST_COST_SHARE * self.entry.model.latency_ms.predicted
        paid = [row for row in self.rows if row.certain and row.accuracy > 0 and row.latency_ms >= least_ms]
        return max(paid, key=lambda row: row.accuracy / row.latency_ms, default=None)


@dataclass(frozen=True)
class LayerContributions:
    """The panels of all models; at least one."""

    panels: tuple[Panel, ...]

    @property
    def rows(self) -> tuple[Contribution, ...]:
        """The rows of all panels."""
        return tuple(row for panel in self.panels for row in panel.rows)

    @cached_property
    def points(self) -> Scale:
        """Scale of the accuracy gained, in percentage points."""
        ends = [100 * (row.accuracy + side * row.accuracy_sd) for row in self.rows for side in (-1, 1)]
        return Scale.over([100 * row.accuracy for row in self.rows], 2, ends)

    @cached_property
    def milliseconds(self) -> Scale:
        """Scale of the latency paid."""
        return Scale.over([row.latency_ms for row in self.rows], 3)

    @property
    def relative_interval(self) -> Range:
        """The widest relative interval of the models' predicted latencies: shares below and above."""
        figures = [panel.entry.model.latency_ms for panel in self.panels]
        return 1 - min(f.low / f.predicted for f in figures), max(f.high / f.predicted for f in figures) - 1
