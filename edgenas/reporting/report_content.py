"""The content of a report, shared by the HTML page and the PNG: both draw the same series on the same axes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgenas.accuracy.metrics import METRIC_NAMES
from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.profiling.validation import Validation
from edgenas.reporting.hypervolume_curve import HypervolumeCurve
from edgenas.reporting.judged_images import JudgedImages
from edgenas.reporting.layer_contributions import LayerContributions, Panel
from edgenas.reporting.network_drawing import DrawnBlock
from edgenas.reporting.predicted_vs_measured import (
    MARGIN,
    ROOM_FOR_INTERVALS,
    LatencyComparison,
    pair_from_model,
)
from edgenas.reporting.series import (
    Label,
    ModelEntry,
    Range,
    Series,
    numbered_entries,
    place_labels,
    series_by_kind,
)
from edgenas.reporting.shown_text import accuracy_text, figure_ms, interval_text
from edgenas.searchers.choice_contributions import FITTED_TO, Contribution
from edgenas.searchers.proxyless.curves import Curves
from edgenas.storage.search_result import Model, SearchResult
from edgenas.units import format_milliseconds

if TYPE_CHECKING:
    from edgenas.storage.run_config import RunConfig


# A limit further from the points than this share of their span is stated in text, not drawn.
_ROOM_FOR_LIMIT = 0.3
# Evaluated networks further from the models than this share of the models' span are left out of the first view: a
# front from 0.955 to 0.989 would be a flat line above networks that are not yet trained.
_ROOM_FOR_POINTS = 0.6
_ROOM_FOR_BASELINES = 3.0
_LEAST_SPAN = 0.01


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluated architecture; `accuracy` is None if the evaluation failed, for the given `reason`.

    `precision` is given where several are searched; `kernels` and `expansions` are those of its inverted residuals.
    """

    id: str
    choices: tuple[str, ...]
    accuracy: float | None
    kind: str
    latency: Latency
    resolution: int
    params: int
    macs: int
    reason: str = ""
    precision: str = ""
    kernels: tuple[int, ...] = ()
    expansions: tuple[int, ...] = ()


@dataclass(frozen=True)
class ReportContent:
    """A run's result with everything else the report shows.

    Args:
        result: the run's result.
        config: the run's configuration.
        versions: of edgenas and the packages its results depend on.
        points: all evaluations in order, failed ones included.
        validations: of the latency tables the run used, as far as they were validated.
        contributions: what each layer's choice gains and costs, by model id.
        no_contributions_reason: why `contributions` is empty, if it is.
        learning: curves of a gradient search; None for other searchers.
        expected_provenance: provenance of latencies, for a run without evaluations.
        blocks: what each model is made of, by its id.
        judged: what the exported files make of the test images; None if that is not known.
        progress: of the search; None if it has hardly begun, or had more objectives than accuracy and latency.
        conditions: of latency tables, as rows of name and text.
    """

    result: SearchResult
    config: "RunConfig"
    versions: dict[str, str]
    points: tuple[Point, ...]
    validations: tuple[Validation, ...] = ()
    contributions: Mapping[str, tuple[Contribution, ...]] = field(default_factory=dict)
    no_contributions_reason: str = ""
    learning: Curves | None = None
    expected_provenance: Provenance = Provenance.ESTIMATED
    blocks: Mapping[str, tuple[DrawnBlock, ...]] = field(default_factory=dict)
    judged: JudgedImages | None = None
    progress: HypervolumeCurve | None = None
    conditions: tuple[tuple[str, str], ...] = ()

    @property
    def data_name(self) -> str:
        """Name of the data set, or of its folder."""
        return Path(self.result.data).name

    @property
    def interrupted(self) -> bool:
        """Whether the search has not finished, which leaves its front untrained."""
        return self.result.status == "interrupted"

    @property
    def evaluated(self) -> tuple[Point, ...]:
        """Points that have an accuracy."""
        return tuple(point for point in self.points if point.accuracy is not None)

    @property
    def has_networks(self) -> bool:
        """Whether there is anything to show of the search: a network that was evaluated, or a model."""
        return bool(self.evaluated or self.entries)

    @property
    def failed(self) -> tuple[Point, ...]:
        """Points whose evaluation failed."""
        return tuple(point for point in self.points if point.accuracy is None)

    @property
    def best(self) -> Model | None:
        """The most accurate model of the front, the faster one of a tie; None for an empty front."""
        return max(self.result.front, key=lambda model: model.accuracy.value, default=None)

    @property
    def metric_name(self) -> str:
        """Name of the run's metric: `accuracy`, `macro F1`."""
        return METRIC_NAMES[self.result.metric]

    @property
    def has_memory(self) -> bool:
        """Whether peak memory is one of the objectives."""
        return "peak-memory" in self.result.objectives

    @property
    def front(self) -> tuple[ModelEntry, ...]:
        """The front, numbered from 1."""
        return numbered_entries("front", self.result.front, 1)

    @property
    def dropped(self) -> tuple[ModelEntry, ...]:
        """Dropped models; numbering continues from the front."""
        return numbered_entries("dropped", self.result.dropped, len(self.result.front) + 1)

    @property
    def baselines(self) -> tuple[ModelEntry, ...]:
        """Hand-designed networks; numbering continues from `dropped`. A failed training leaves a note."""
        return numbered_entries("baseline", self.result.baselines, len(self.models) + 1)

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Front, dropped models and baselines, in the order of their numbers."""
        return (*self.front, *self.dropped, *self.baselines)

    @property
    def drawn(self) -> tuple[ModelEntry, ...]:
        """The entries that have an accuracy to plot."""
        return tuple(entry for entry in self.entries if entry.has_accuracy)

    @property
    def chosen(self) -> ModelEntry | None:
        """The model a gradient searcher learnt for the latency limit itself; None if unknown or not listed."""
        return next((entry for entry in self.entries if entry.model.id == self.result.chosen), None)

    @property
    def labels(self) -> tuple[Label, ...]:
        """Names of the baselines, placed in the chart."""
        low, high = self.accuracy_range
        seen = [entry for entry in self.drawn if low <= entry.model.accuracy.value <= high]
        named = [entry for entry in seen if entry.role == "baseline"]
        others = [entry for entry in seen if entry.role != "baseline"]
        return place_labels(named, others, self.latency_range_ms, (low, high))

    @property
    def models(self) -> tuple[Model, ...]:
        """Front and dropped models, in the order of their numbers."""
        return (*self.result.front, *self.result.dropped)

    @property
    def measured(self) -> tuple[tuple[Model, float], ...]:
        """Plotted models that were measured on the device, with their latency in milliseconds."""
        figures = ((entry.model, entry.model.latency_ms.measured) for entry in self.drawn)
        return tuple((model, measured) for model, measured in figures if measured is not None)

    @property
    def latency_comparison(self) -> LatencyComparison | None:
        """Predicted against measured latencies; None where nothing was measured."""
        entries = tuple(entry for entry in self.entries if pair_from_model(entry.model))
        return LatencyComparison(self.validations, entries) if self.validations or entries else None

    @property
    def layers(self) -> LayerContributions | None:
        """What each layer's choice gains and costs; None where there are no contributions."""
        found = (
            (entry, self.contributions.get(entry.model.id, ())) for entry in (*self.front, *self.dropped)
        )
        panels = tuple(Panel(entry, rows) for entry, rows in found if rows)
        return LayerContributions(panels) if panels else None

    @property
    def fitted_to(self) -> int:
        """How many evaluations the contributions were fitted to."""
        return min(len(self.evaluated), FITTED_TO)

    @property
    def evaluated_kinds(self) -> str:
        """Kinds of the evaluated points' accuracies, such as `supernet`."""
        return " or ".join(dict.fromkeys(point.kind for point in self.evaluated))

    @property
    def series(self) -> tuple[Series, ...]:
        """The models grouped as they are drawn, the front first."""
        made = [entry for entry in self.drawn if entry.role == "baseline"]
        return (
            *series_by_kind(
                "front so far, untrained" if self.interrupted else "front", self.front, self.metric_name
            ),
            *series_by_kind("dropped", self.dropped, self.metric_name),
            *series_by_kind("hand-designed", made, self.metric_name),
        )

    @property
    def points_title(self) -> str:
        """Legend of the evaluated points, with the kind of their accuracy."""
        return f"evaluated ({self.evaluated_kinds} {self.metric_name})"

    @property
    def steps_title(self) -> str:
        """Legend of the line through the non-dominated points."""
        kinds = dict.fromkeys(point.kind for point in self.non_dominated)
        return f"non-dominated ({' or '.join(kinds)} {self.metric_name})"

    @property
    def non_dominated(self) -> tuple[Point, ...]:
        """Evaluated points within the limit that no other dominates, fastest first."""
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
        """Provenances of the predicted latencies."""
        found = [point.latency.provenance for point in self.points]
        found += [entry.model.provenance for entry in self.entries]
        return tuple(dict.fromkeys(found or [self.expected_provenance]))

    @property
    def basis(self) -> str:
        """The provenances in words, such as `from measured blocks`."""
        return " or ".join(provenance.basis for provenance in self.provenances)

    @property
    def latency_title(self) -> str:
        """Title of the latency axis, without the device."""
        return f"predicted latency, ms ({self.basis})"

    @property
    def latency_range_ms(self) -> tuple[float, float]:
        """Range of the latency axis: all points and entries; intervals and limit as far as there is room."""
        figures = [entry.model.latency_ms for entry in self.drawn]
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
    def accuracy_range(self) -> Range:
        """Range of the accuracy axis: all models, however close; others as far as models stay apart."""
        models = [entry.model.accuracy.value for entry in self.drawn if entry.role != "baseline"]
        if not models:
            return self.whole_accuracy_range
        low, high = min(models), max(models)
        span = max(high - low, _LEAST_SPAN)
        values = [
            *_near(self._evaluated_accuracies, low, high, _ROOM_FOR_POINTS * span),
            *_near(
                [entry.model.accuracy.value for entry in self.drawn], low, high, _ROOM_FOR_BASELINES * span
            ),
        ]
        return padded(min(values), max(values))

    @property
    def outside_note(self) -> str:
        """Text for models that lie outside the chart; empty if there are none."""
        low, high = self.accuracy_range
        found = [entry for entry in self.drawn if not low <= entry.model.accuracy.value <= high]
        named = (
            f"{entry.number} {entry.label} ({accuracy_text(entry.model.accuracy.value)})" for entry in found
        )
        return f"beyond this chart: {', '.join(named)}" if found else ""

    @property
    def whole_accuracy_range(self) -> Range:
        """Range that holds all models and all evaluated networks."""
        values = [*self._evaluated_accuracies, *(entry.model.accuracy.value for entry in self.drawn)]
        return padded(min(values), max(values)) if values else (0.0, 1.0)

    @property
    def _evaluated_accuracies(self) -> list[float]:
        return [point.accuracy for point in self.points if point.accuracy is not None]

    @property
    def limit_note(self) -> str:
        """Text for a limit that lies outside the chart; empty if the limit can be drawn."""
        constraint = self.result.constraint
        low, high = self.latency_range_ms
        if low <= constraint.max_latency_ms <= high:
            return ""
        where = "beyond this chart" if constraint.binding else "beyond the slowest network"
        return f"limit {format_milliseconds(constraint.max_latency_ms)}: {where}"

    def predicted_text(self, latency_ms: float) -> str:
        """A predicted latency that has no interval, with the widest relative one of points and models (not empty)."""
        known = [point.latency for point in self.points] + [model.latency_ms for model in self.models]
        low = min(each.low / each.predicted for each in known)
        high = max(each.high / each.predicted for each in known)
        return f"{figure_ms(latency_ms)} ms {interval_text(low * latency_ms, high * latency_ms)}"


def _near(values: Iterable[float], low: float, high: float, room: float) -> list[float]:
    """The values that are no further than `room` from a range."""
    return [value for value in values if low - room <= value <= high + room]


def padded(low: float, high: float) -> Range:
    """An axis of accuracies around some, within 0 and 1."""
    room = max(MARGIN * (high - low), (_LEAST_SPAN - (high - low)) / 2)
    return max(0.0, low - room), min(1.0, high + room)
