"""Predicted against measured latencies: the data behind the report's chart and the validation's PNG."""

from dataclasses import dataclass

from edgenas.latency.agreement import Agreement
from edgenas.profiling.validation import Pair, Validation, agreement_of
from edgenas.reporting.series import ModelEntry
from edgenas.storage.search_result import Model

# Intervals of estimates are wide (x0.5 to x2). A latency axis grows for them by at most this share of the points'
# span, so that the points stay apart; longer bars run off the chart.
ROOM_FOR_INTERVALS = 0.4
MARGIN = 0.05
_LOGARITHMIC_FROM = 10.0
_LOG_MARGIN = 1.15


@dataclass(frozen=True)
class LatencyComparison:
    """Predicted against measured latencies of at least one network or model.

    Args:
        validations: random networks, if any were validated; of several precisions, those of each.
        entries: measured models of a run.
    """

    validations: tuple[Validation, ...]
    entries: tuple[ModelEntry, ...] = ()

    @property
    def networks(self) -> tuple[Pair, ...]:
        """The validations' networks."""
        return tuple(pair for validation in self.validations for pair in validation.pairs)

    @property
    def models(self) -> tuple[Pair, ...]:
        """The run's models, in the order of `entries`."""
        return tuple(pair for entry in self.entries if (pair := pair_from_model(entry.model)))

    @property
    def run_agreement(self) -> Agreement | None:
        """Prediction errors of the run's models alone; None without models."""
        return agreement_of(self.models) if self.entries else None

    @property
    def logarithmic(self) -> bool:
        """Whether the latencies span more than a decade and need logarithmic axes."""
        least, most = self._ends_ms
        return most > _LOGARITHMIC_FROM * least

    @property
    def range_ms(self) -> tuple[float, float]:
        """Range of both axes: all latencies, and their intervals as far as there is room."""
        least, most = self._ends_ms
        pairs = (*self.networks, *self.models)
        if self.logarithmic:
            return least / _LOG_MARGIN, most * _LOG_MARGIN
        span = max(most - least, 0.1 * most)
        low = max(min(pair.latency.low for pair in pairs), least - ROOM_FOR_INTERVALS * span)
        high = min(max(pair.latency.high for pair in pairs), most + ROOM_FOR_INTERVALS * span)
        return max(0.0, min(low, least) - MARGIN * span), max(high, most) + MARGIN * span

    @property
    def _ends_ms(self) -> tuple[float, float]:
        pairs = (*self.networks, *self.models)
        shown = [ms for pair in pairs for ms in (pair.latency.predicted, pair.measured_ms)]
        return min(shown), max(shown)


def pair_from_model(model: Model) -> Pair | None:
    """A model's predicted and measured latency; None if it was not measured."""
    if model.latency_ms.measured is None:
        return None
    choices = tuple(model.architecture.get("choices", ()))
    return Pair(architecture=model.id, choices=choices, latency=model.latency_ms)
