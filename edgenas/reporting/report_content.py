"""What a report shows, before it is a picture or a page: both draw the same series over the same range."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from edgenas.accuracy.metrics import MEASURES
from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Validation
from edgenas.reporting.layer_contributions import LayersView, Panel
from edgenas.reporting.predicted_vs_measured import MARGIN, ROOM_FOR_INTERVALS, AgreementView, pair_of
from edgenas.reporting.series import Label, Mark, Series, by_kind, labels, numbered
from edgenas.searchers.choice_contributions import FITTED_TO, Contribution
from edgenas.searchers.proxyless.curves import Curves
from edgenas.storage.search_result import Model, SearchResult
from edgenas.units import format_milliseconds

if TYPE_CHECKING:
    from edgenas.storage.run_config import RunConfig


# A limit further from the points than this share of what they span is told, not drawn.
_ROOM_FOR_LIMIT = 0.3


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluated architecture; `accuracy` is None when its evaluation failed, `reason` then says why."""

    id: str
    choices: tuple[str, ...]
    accuracy: float | None
    kind: str
    latency: Latency
    params: int
    macs: int
    reason: str = ""


@dataclass(frozen=True)
class ReportView:
    """A run's result with everything the report shows beside it.

    Args:
        result: what was found.
        config: what was asked for.
        versions: of edgenas and what its results depend on.
        points: all evaluations, in the order they were made, failed ones included.
        validation: of the very predictions the run rests on, where there is one.
        contributions: what each layer's choice earns and costs, by the model's id.
        unexplained: why there are none; empty where there are.
        learning: how the gradient searcher learnt; None for every other one.
        expected: where latencies come from, for a run that has evaluated nothing yet.
    """

    result: SearchResult
    config: "RunConfig"
    versions: dict[str, str]
    points: tuple[Point, ...]
    validation: Validation | None = None
    contributions: Mapping[str, tuple[Contribution, ...]] = field(default_factory=dict)
    unexplained: str = ""
    learning: Curves | None = None
    expected: Provenance = Provenance.ESTIMATED

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
    def measure(self) -> str:
        """What an accuracy is by the run's metric: `accuracy`, `macro F1`."""
        return MEASURES[self.result.metric]

    @property
    def with_memory(self) -> bool:
        """Whether peak memory is one of the objectives."""
        return "peak-memory" in self.result.objectives

    @property
    def front(self) -> tuple[Mark, ...]:
        """The front, numbered from 1."""
        return numbered("front", self.result.front, 1)

    @property
    def dropped(self) -> tuple[Mark, ...]:
        """Models that were dropped, numbered on from the front."""
        return numbered("dropped", self.result.dropped, len(self.result.front) + 1)

    @property
    def baselines(self) -> tuple[Mark, ...]:
        """Networks made by hand, numbered on from what was dropped; one whose training failed has a note."""
        return numbered("baseline", self.result.baselines, len(self.models) + 1)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All of them, in the order of their numbers."""
        return (*self.front, *self.dropped, *self.baselines)

    @property
    def drawn(self) -> tuple[Mark, ...]:
        """Those that have a place in the picture."""
        return tuple(mark for mark in self.marks if mark.has_accuracy)

    @property
    def chosen(self) -> Mark | None:
        """What a gradient searcher has for the limit itself; None where that is not known, or not among the marks."""
        return next((mark for mark in self.marks if mark.model.id == self.result.chosen), None)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Names in the picture."""
        named = [mark for mark in self.drawn if mark.role == "baseline"]
        others = [mark for mark in self.drawn if mark.role != "baseline"]
        values = [mark.model.accuracy.value for mark in self.drawn]
        values += [point.accuracy for point in self.evaluated if point.accuracy is not None]
        ends = (min(values), max(values)) if named else (0.0, 1.0)
        room = max(MARGIN * (ends[1] - ends[0]), 0.01)
        return labels(named, others, self.latency_range_ms, (ends[0] - room, ends[1] + room))

    @property
    def models(self) -> tuple[Model, ...]:
        """The front and what was dropped, in the order of their numbers."""
        return (*self.result.front, *self.result.dropped)

    @property
    def measured(self) -> tuple[tuple[Model, float], ...]:
        """Models in the picture that were measured on the device, with the milliseconds they took."""
        figures = ((mark.model, mark.model.latency_ms.measured) for mark in self.drawn)
        return tuple((model, measured) for model, measured in figures if measured is not None)

    @property
    def agreement(self) -> AgreementView | None:
        """Predicted against measured latencies; None where nothing was measured."""
        marks = tuple(mark for mark in self.marks if pair_of(mark.model))
        return AgreementView(self.validation, marks) if self.validation or marks else None

    @property
    def layers(self) -> LayersView | None:
        """What each layer's choice earns and costs; None where that is not known."""
        found = ((mark, self.contributions.get(mark.model.id, ())) for mark in (*self.front, *self.dropped))
        panels = tuple(Panel(mark, rows) for mark, rows in found if rows)
        return LayersView(panels) if panels else None

    @property
    def fitted_to(self) -> int:
        """How many evaluations contributions were learnt from."""
        return min(len(self.evaluated), FITTED_TO)

    @property
    def evaluated_kinds(self) -> str:
        """What the accuracies of the evaluated points are, such as `supernet`."""
        return " or ".join(dict.fromkeys(point.kind for point in self.evaluated))

    @property
    def series(self) -> tuple[Series, ...]:
        """The models as they are drawn, the front first."""
        made = [mark for mark in self.drawn if mark.role == "baseline"]
        return (
            *by_kind("front so far, untrained" if self.interrupted else "front", self.front, self.measure),
            *by_kind("dropped", self.dropped, self.measure),
            *by_kind("made by hand", made, self.measure),
        )

    @property
    def points_title(self) -> str:
        """Legend of the evaluated points, with the kind of their accuracy."""
        return f"evaluated ({self.evaluated_kinds} {self.measure})"

    @property
    def steps_title(self) -> str:
        """Legend of the line through the non-dominated points."""
        kinds = dict.fromkeys(point.kind for point in self.non_dominated)
        return f"non-dominated ({' or '.join(kinds)} {self.measure})"

    @property
    def non_dominated(self) -> tuple[Point, ...]:
        """Evaluated points within the limit that no other one beats, fastest first."""
        limit_ms = self.result.constraint.max_latency_ms
        result: list[Point] = []
        best = -1.0
        for point in sorted(self.evaluated, key=lambda p: (p.latency.predicted, -(p.accuracy or 0.0))):
            if point.latency.predicted <= limit_ms and point.accuracy is not None and point.accuracy > best:
                result.append(point)
                best = point.accuracy
        return tuple(result)

    @property
    def provenances(self) -> tuple[Provenance, ...]:
        """Where the predicted latencies come from."""
        found = [point.latency.provenance for point in self.points] + [
            mark.model.provenance for mark in self.marks
        ]
        return tuple(dict.fromkeys(found or [self.expected]))

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
        figures = [mark.model.latency_ms for mark in self.drawn]
        shown = [point.latency.predicted for point in self.evaluated] + [f.predicted for f in figures]
        shown += [measured_ms for _, measured_ms in self.measured]
        limit_ms = self.result.constraint.max_latency_ms
        if not shown:
            return 0.0, limit_ms * (1 + MARGIN)
        least, most = min(shown), max(shown)
        span = max(most - least, 0.1 * most)
        room = ROOM_FOR_INTERVALS * span
        low = max(min([least, *(f.low for f in figures)]), least - room)
        high = min(max([most, *(f.high for f in figures)]), most + room)
        if limit_ms <= high + _ROOM_FOR_LIMIT * span:
            low, high = min(low, limit_ms), max(high, limit_ms)
        return max(0.0, low - MARGIN * span), high + MARGIN * span

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
        known = [point.latency for point in self.points] + [model.latency_ms for model in self.models]
        low = min(each.low / each.predicted for each in known)
        high = max(each.high / each.predicted for each in known)
        return f"{figure_ms(latency_ms)} ms {interval_text(low * latency_ms, high * latency_ms)}"


def percent(share: float) -> str:
    """A share with one decimal where it is small: `97 %`, `1.2 %`, `100 %`."""
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.1f} %"


def accuracy_text(value: float | None) -> str:
    """An accuracy as a fraction; a dash where there is none."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


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
