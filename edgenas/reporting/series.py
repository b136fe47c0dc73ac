"""Numbered models, the series they are drawn in, and where their labels go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from edgenas.storage.search_result import Model

Role = Literal["front", "dropped", "baseline"]
"""On the front, trained for it but dropped, or designed by hand."""

CHOSEN = "chosen: learnt for the limit itself"
"""Legend of the ring around the model a gradient searcher learnt for the limit."""

Side = Literal["left", "center", "right"]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model with the number it has in charts and tables."""

    number: int
    model: Model
    role: Role = "front"

    @property
    def label(self) -> str:
        """The model's name, or its id if it has none."""
        return self.model.name or self.model.id

    @property
    def has_accuracy(self) -> bool:
        """Whether it has an accuracy to plot: a baseline whose training failed has none."""
        return self.role != "baseline" or self.model.accuracies.validation is not None

    @property
    def has_scores(self) -> bool:
        """Whether its other metrics were recorded."""
        return bool(self.model.scores.validation or self.model.scores.test)


@dataclass(frozen=True, slots=True)
class Series:
    """Models drawn alike: one role, one kind of accuracy."""

    title: str
    role: Role
    entries: tuple[ModelEntry, ...]


class Label(NamedTuple):
    """A model's name in the chart: lines above its marker (negative: below), and the side it extends to."""

    entry: ModelEntry
    lines: int
    side: Side

    @property
    def text(self) -> str:
        """Number and name."""
        return f"{self.entry.number} {self.entry.label}"


def numbered_entries(role: Role, models: Iterable[Model], start: int) -> tuple[ModelEntry, ...]:
    """Models of one role, numbered_entries from `start`."""
    return tuple(ModelEntry(number, model, role) for number, model in enumerate(models, start))


def series_by_kind(title: str, entries: Iterable[ModelEntry], metric_name: str) -> list[Series]:
    """Group models of one role by the kind of their accuracy."""
    kinds: dict[str, list[ModelEntry]] = {}
    for entry in entries:
        kinds.setdefault(entry.model.accuracy.kind, []).append(entry)
    return [
        Series(f"{title} ({kind} {metric_name})", members[0].role, tuple(members))
        for kind, members in kinds.items()
    ]


def place_labels(
    names: Sequence[ModelEntry], others: Iterable[ModelEntry], range_ms: Range, accuracy_range: Range
) -> tuple[Label, ...]:
    """Place the names of models inside the chart, where they overlap the fewest markers and names.

    Args:
        names: the models to label.
        others: the other models in the chart.
        range_ms: range of the latency axis.
        accuracy_range: range of the accuracy axis.
    """

    def place(entry: ModelEntry) -> tuple[float, float]:
        return (
            _share(entry.model.latency_ms.predicted, range_ms),
            _share(entry.model.accuracy.value, accuracy_range),
        )

    taken = [_Box.around(*place(entry), _DISC_WIDTH, _DISC_HEIGHT) for entry in (*names, *others)]
    found = []
    for entry in sorted(names, key=lambda entry: entry.model.accuracy.value):
        at, width = place(entry), _LETTER_WIDTH * (len(entry.label) + 3)
        boxes = {(lines, side): _text_box(*at, width, lines, side) for lines, side in _PLACES}
        best = min(_PLACES, key=lambda each: boxes[each].cost(taken))
        taken.append(boxes[best])
        found.append(Label(entry, *best))
    return tuple(found)


# As shares of the chart's width and height, which PNG and HTML roughly have in common.
_DISC_WIDTH, _DISC_HEIGHT = 0.03, 0.05
_LETTER_WIDTH, _TEXT_HEIGHT = 0.0116, 0.045
_SIDES: tuple[Side, ...] = ("center", "right", "left")
_PLACES = tuple((lines, side) for away in ((1, -1), (-2, 2), (-3,)) for side in _SIDES for lines in away)


class _Box(NamedTuple):
    """A rectangle, in shares of the chart."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> "_Box":
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def cost(self, taken: Iterable["_Box"]) -> int:
        """How many others it overlaps; leaving the chart is worse than any overlap."""
        covered = sum(
            self.left < other.right and other.left < self.right
            and self.bottom < other.top and other.bottom < self.top
            for other in taken
        )  # fmt: skip
        inside = min(self.left, self.bottom) > 0 and max(self.right, self.top) < 1
        return covered + (0 if inside else 1000)


def _text_box(x: float, y: float, width: float, lines: int, side: Side) -> _Box:
    centre = {"left": x - width / 2, "center": x, "right": x + width / 2}[side]
    away = _DISC_HEIGHT / 2 + (abs(lines) - 0.5) * _TEXT_HEIGHT + 0.005
    return _Box.around(centre, y + away if lines > 0 else y - away, width, _TEXT_HEIGHT)


def _share(value: float, ends: Range) -> float:
    return (value - ends[0]) / (ends[1] - ends[0])
