"""Predicted against measured latencies: what the chart of a report and the picture of a validation draw."""

from dataclasses import dataclass

from edgenas.latency.agreement import Agreement
from edgenas.profiling.validation import Pair, Validation, agreement_of
from edgenas.reporting.series import Mark
from edgenas.storage.search_result import Model

# Intervals of estimates are wide (x0.5 to x2). A latency axis grows for them by no more than this share of what the
# points span, else the points would be a blot; longer bars run off the picture.
ROOM_FOR_INTERVALS = 0.4
MARGIN = 0.05
_LOGARITHMIC_FROM = 10.0
_LOG_MARGIN = 1.15


@dataclass(frozen=True)
class AgreementView:
    """Predicted against measured latencies, as the picture of a validation and the chart of a report draw them.

    Args:
        validation: random networks, None where there are none to show.
        marks: models of a run, all of them measured. There is at least one network or model.
    """

    validation: Validation | None
    marks: tuple[Mark, ...] = ()

    @property
    def networks(self) -> tuple[Pair, ...]:
        """The validation's networks."""
        return self.validation.pairs if self.validation else ()

    @property
    def models(self) -> tuple[Pair, ...]:
        """The run's models, in the order of the marks."""
        return tuple(pair for mark in self.marks if (pair := pair_of(mark.model)))

    @property
    def own(self) -> Agreement | None:
        """Figures of the run's models alone; None without models."""
        return agreement_of(self.models) if self.marks else None

    @property
    def logarithmic(self) -> bool:
        """Whether latencies reach over so much that their logarithms are drawn."""
        least, most = self._ends_ms
        return most > _LOGARITHMIC_FROM * least

    @property
    def range_ms(self) -> tuple[float, float]:
        """Both axes: all latencies, and what room they leave for intervals."""
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


def pair_of(model: Model) -> Pair | None:
    """A model's predicted and measured latency; None for one that was not measured."""
    if model.latency_ms.measured is None:
        return None
    choices = tuple(model.architecture.get("choices", ()))
    return Pair(architecture=model.id, choices=choices, latency=model.latency_ms)
