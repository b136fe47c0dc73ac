"""What each layer's choice earns and costs: a panel a model, a row a layer, all on the same two scales."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from edgenas.reporting.series import Mark, Range
from edgenas.searchers.choice_contributions import Contribution

COUNTS = 0.01
"""What a choice costs counts from this share of its network's latency: less would be cheap at any price."""

_MARGIN = 0.02
_MINUS = "\N{MINUS SIGN}"


class Bar(NamedTuple):
    """Where a bar and its whisker lie, in percent of the scale's width."""

    start: float
    width: float
    low: float
    high: float


@dataclass(frozen=True)
class Scale:
    """Figures from `low` to `high`, zero among them, and how many decimals tell them apart."""

    low: float
    high: float
    decimals: int

    @classmethod
    def over(cls, values: Sequence[float], digits: int, ends: Iterable[float] = ()) -> "Scale":
        """The scale of values and of whatever else is drawn; `digits` are written of the greatest value, or more."""
        low, high = min(0.0, *values, *ends), max(0.0, *values, *ends)
        room = _MARGIN * (high - low) or 1.0
        greatest = max(map(abs, values))
        decimals = next((n for n in range(1, 5) if greatest >= 10.0 ** (digits - n - 1)), 5)
        return cls(low - room, high + room, decimals)

    @property
    def zero(self) -> float:
        """Where zero is, in percent."""
        return self._place(0.0)

    def bar(self, value: float, sd: float = 0.0) -> Bar:
        """From zero to a value, its whisker one standard deviation to both sides."""
        start, end = sorted((self.zero, self._place(value)))
        return Bar(start, end - start, self._place(value - sd), self._place(value + sd))

    def text(self, value: float, sign: bool = True) -> str:
        """A figure with its sign, all with the same decimals: `+1.2`."""
        rounded = round(value, self.decimals) + 0.0  # not -0.0
        return f"{rounded:{'+' if sign and rounded else ''}.{self.decimals}f}".replace("-", _MINUS)

    def _place(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True)
class Panel:
    """A model and what its layers' choices bring, first layer first; there is at least one."""

    mark: Mark
    rows: tuple[Contribution, ...]

    @property
    def best_value(self) -> Contribution | None:
        """The choice that surely earns accuracy and does so at the best price; None where none costs what counts."""
        least_ms = COUNTS * self.mark.model.latency_ms.predicted
        paid = [row for row in self.rows if row.certain and row.accuracy > 0 and row.latency_ms >= least_ms]
        return max(paid, key=lambda row: row.accuracy / row.latency_ms, default=None)


@dataclass(frozen=True)
class LayersView:
    """The picture of all models' layers; there is at least one panel."""

    panels: tuple[Panel, ...]

    @property
    def rows(self) -> tuple[Contribution, ...]:
        """Those of all panels."""
        return tuple(row for panel in self.panels for row in panel.rows)

    @cached_property
    def points(self) -> Scale:
        """Scale of what is earned: points, hundredths of an accuracy."""
        ends = [100 * (row.accuracy + side * row.accuracy_sd) for row in self.rows for side in (-1, 1)]
        return Scale.over([100 * row.accuracy for row in self.rows], 2, ends)

    @cached_property
    def milliseconds(self) -> Scale:
        """Scale of what is paid."""
        return Scale.over([row.latency_ms for row in self.rows], 3)

    @property
    def relative_interval(self) -> Range:
        """The widest interval of the models' predicted latencies, as shares below and above."""
        figures = [panel.mark.model.latency_ms for panel in self.panels]
        return 1 - min(f.low / f.predicted for f in figures), max(f.high / f.predicted for f in figures) - 1
