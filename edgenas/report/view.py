"""What a report shows, before it is a picture or a page: both draw the same series over the same range."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from edgenas.device import Provenance
from edgenas.latency.validation import Agreement, Pair, Validation, agreement
from edgenas.run.result import Model, SearchResult
from edgenas.units import format_milliseconds

if TYPE_CHECKING:  # the configuration's recipes import torch
    from edgenas.run.config import RunConfig


# Intervals of estimates are wide (x0.5 to x2). The latency axis grows for them and for the limit by no more
# than these shares of what the points span, else the points would be a blot; longer bars run off the picture.
_ROOM_FOR_INTERVALS = 0.4
_ROOM_FOR_LIMIT = 0.3
_MARGIN = 0.05
_LOGARITHMIC_FROM = 10.0
_LOG_MARGIN = 1.15


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluated architecture; `accuracy` is None when its evaluation failed, `reason` then says why."""

    id: str
    choices: tuple[str, ...]
    accuracy: float | None
    kind: str
    predicted_ms: float
    low_ms: float
    high_ms: float
    provenance: Provenance
    params: int
    macs: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A model under the number that it carries in the pictures and in the tables; `kept` on the front."""

    number: int
    model: Model
    kept: bool = True


@dataclass(frozen=True, slots=True)
class Series:
    """Marks drawn alike: all on the front or all dropped, all with one kind of accuracy."""

    title: str
    kept: bool
    marks: tuple[Mark, ...]


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
        return tuple(pair for mark in self.marks if (pair := _pair(mark.model)))

    @property
    def own(self) -> Agreement | None:
        """Figures of the run's models alone; None without models."""
        return agreement(self.models) if self.marks else None

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
        low = max(min(pair.low_ms for pair in pairs), least - _ROOM_FOR_INTERVALS * span)
        high = min(max(pair.high_ms for pair in pairs), most + _ROOM_FOR_INTERVALS * span)
        return max(0.0, min(low, least) - _MARGIN * span), max(high, most) + _MARGIN * span

    @property
    def _ends_ms(self) -> tuple[float, float]:
        pairs = (*self.networks, *self.models)
        shown = [ms for pair in pairs for ms in (pair.predicted_ms, pair.measured_ms)]
        return min(shown), max(shown)


@dataclass(frozen=True)
class ReportView:
    """A run's result with everything the report shows beside it.

    Args:
        result: what was found.
        config: what was asked for.
        versions: of edgenas and what its results depend on.
        points: all evaluations, in the order they were made, failed ones included.
        validation: of the very predictions the run rests on, where there is one.
    """

    result: SearchResult
    config: "RunConfig"
    versions: dict[str, str]
    points: tuple[Point, ...]
    validation: Validation | None = None

    @property
    def data_name(self) -> str:
        """Name of the data set, or of the folder it is in."""
        return Path(self.result.data).name

    @property
    def interrupted(self) -> bool:
        """Whether the search has not ended, so that its front is untrained."""
        return self.result.status == "interrupted"

    @property
    def evaluated(self) -> tuple[Point, ...]:
        """Points that have an accuracy."""
        return tuple(point for point in self.points if point.accuracy is not None)

    @property
    def failed(self) -> tuple[Point, ...]:
        """Points whose evaluation failed."""
        return tuple(point for point in self.points if point.accuracy is None)

    @property
    def best(self) -> Model | None:
        """The most accurate model of the front, the faster of equals; None when the front is empty."""
        return max(self.result.front, key=lambda model: model.accuracy.value, default=None)

    @property
    def front(self) -> tuple[Mark, ...]:
        """The front, numbered from 1."""
        return tuple(Mark(number, model) for number, model in enumerate(self.result.front, start=1))

    @property
    def dropped(self) -> tuple[Mark, ...]:
        """Models that were dropped, numbered on from the front."""
        start = len(self.result.front) + 1
        return tuple(
            Mark(number, model, kept=False) for number, model in enumerate(self.result.dropped, start=start)
        )

    @property
    def models(self) -> tuple[Model, ...]:
        """The front and what was dropped, in the order of their numbers."""
        return (*self.result.front, *self.result.dropped)

    @property
    def measured(self) -> tuple[tuple[Model, float], ...]:
        """Models that were measured on the device, with the milliseconds they took."""
        figures = ((model, model.latency_ms.measured) for model in self.models)
        return tuple((model, measured) for model, measured in figures if measured is not None)

    @property
    def agreement(self) -> AgreementView | None:
        """Predicted against measured latencies; None where nothing was measured."""
        marks = tuple(mark for mark in (*self.front, *self.dropped) if _pair(mark.model))
        return AgreementView(self.validation, marks) if self.validation or marks else None

    @property
    def series(self) -> tuple[Series, ...]:
        """The models as they are drawn, kept ones first."""
        front = "front so far, untrained" if self.interrupted else "front"
        return (*_by_kind(front, True, self.front), *_by_kind("dropped", False, self.dropped))

    @property
    def points_title(self) -> str:
        """Legend of the evaluated points, with the kind of their accuracy."""
        kinds = dict.fromkeys(point.kind for point in self.evaluated)
        return f"evaluated ({' or '.join(kinds)} accuracy)"

    @property
    def steps_title(self) -> str:
        """Legend of the line through the non-dominated points."""
        kinds = dict.fromkeys(point.kind for point in self.non_dominated)
        return f"non-dominated ({' or '.join(kinds)} accuracy)"

    @property
    def non_dominated(self) -> tuple[Point, ...]:
        """Evaluated points within the limit that no other one beats, fastest first."""
        limit_ms = self.result.constraint.max_latency_ms
        result: list[Point] = []
        best = -1.0
        for point in sorted(self.evaluated, key=lambda p: (p.predicted_ms, -(p.accuracy or 0.0))):
            if point.predicted_ms <= limit_ms and point.accuracy is not None and point.accuracy > best:
                result.append(point)
                best = point.accuracy
        return tuple(result)

    @property
    def provenances(self) -> tuple[Provenance, ...]:
        """Where the predicted latencies come from."""
        found = [point.provenance for point in self.points] + [model.provenance for model in self.models]
        expected = Provenance.ESTIMATED if self.config.table_checksum is None else Provenance.MEASURED
        return tuple(dict.fromkeys(found or [expected]))

    @property
    def basis(self) -> str:
        """The same for people, such as `from measured blocks`."""
        return " or ".join(provenance.basis for provenance in self.provenances)

    @property
    def latency_title(self) -> str:
        """Title of the latency axis; the device is named beside it."""
        return f"predicted latency, ms ({self.basis})"

    @property
    def latency_range_ms(self) -> tuple[float, float]:
        """The latency axis: all points and marks, and what room they leave for intervals and limit."""
        figures = [model.latency_ms for model in self.models]
        shown = [point.predicted_ms for point in self.evaluated] + [f.predicted for f in figures]
        shown += [measured_ms for _, measured_ms in self.measured]
        limit_ms = self.result.constraint.max_latency_ms
        if not shown:
            return 0.0, limit_ms * (1 + _MARGIN)
        least, most = min(shown), max(shown)
        span = max(most - least, 0.1 * most)
        room = _ROOM_FOR_INTERVALS * span
        low = max(min([least, *(f.low for f in figures)]), least - room)
        high = min(max([most, *(f.high for f in figures)]), most + room)
        if limit_ms <= high + _ROOM_FOR_LIMIT * span:
            low, high = min(low, limit_ms), max(high, limit_ms)
        return max(0.0, low - _MARGIN * span), high + _MARGIN * span

    @property
    def limit_note(self) -> str:
        """What the picture says about a limit that is outside it; empty when the limit can be drawn."""
        constraint = self.result.constraint
        low, high = self.latency_range_ms
        if low <= constraint.max_latency_ms <= high:
            return ""
        where = "beyond this picture" if constraint.binding else "beyond the slowest network"
        return f"limit {format_milliseconds(constraint.max_latency_ms)}: {where}"

    def predicted_text(self, latency_ms: float) -> str:
        """A predicted latency that came without interval, with the widest relative one of points and models.

        There must be at least one of them.
        """
        known = [(p.predicted_ms, p.low_ms, p.high_ms) for p in self.points]
        figures = [model.latency_ms for model in self.models]
        known += [(f.predicted, f.low, f.high) for f in figures]
        low = min(low / predicted for predicted, low, _ in known)
        high = max(high / predicted for predicted, _, high in known)
        return f"{figure_ms(latency_ms)} ms {interval_text(low * latency_ms, high * latency_ms)}"


def percent(share: float) -> str:
    """A share with one decimal where it is small: `97 %`, `1.2 %`, `100 %`."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def rank_text(correlation: float | None) -> str:
    """A rank correlation; a dash where there is none."""
    return "\N{EN DASH}" if correlation is None else f"{correlation:.4f}"


def figure_ms(latency_ms: float) -> str:
    """Milliseconds with three significant digits and no unit: `0.610`, `12.3`, `1234`."""
    return f"{latency_ms:.0f}" if latency_ms >= 99.95 else f"{latency_ms:#.3g}"


def interval_text(low_ms: float, high_ms: float) -> str:
    """An interval, milliseconds: `[0.310 to 1.23]`."""
    return f"[{figure_ms(low_ms)} to {figure_ms(high_ms)}]"


def compact_choices(choices: tuple[str, ...]) -> tuple[str, ...]:
    """Choices with neighbours that are equal drawn together: `2 x k3e6`, `skip`."""
    runs = [(choice, len(list(group))) for choice, group in groupby(choices)]
    return tuple(f"{count} x {choice}" if count > 1 else choice for choice, count in runs)


def _pair(model: Model) -> Pair | None:
    """A model's predicted and measured latency; None for one that was not measured."""
    figures = model.latency_ms
    if figures.measured is None:
        return None
    return Pair(
        architecture=model.id,
        choices=tuple(model.architecture.get("choices", ())),
        predicted_ms=figures.predicted,
        low_ms=figures.low,
        high_ms=figures.high,
        measured_ms=figures.measured,
    )


def _by_kind(title: str, kept: bool, marks: tuple[Mark, ...]) -> list[Series]:
    kinds: dict[str, list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(mark.model.accuracy.kind, []).append(mark)
    return [Series(f"{title} ({kind} accuracy)", kept, tuple(members)) for kind, members in kinds.items()]
