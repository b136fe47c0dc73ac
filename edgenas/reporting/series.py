"""What the pictures draw: models under their numbers, and the series they belong to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from edgenas.storage.search_result import Model

Role = Literal["front", "dropped", "baseline"]
"""On the front, trained for it but dropped, or made by hand."""

CHOSEN = "chosen: learnt for the limit itself"
"""What the pictures call the ring around the one a gradient searcher has for the limit."""

Side = Literal["left", "center", "right"]
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A model under the number that it carries in the pictures and in the tables."""

    number: int
    model: Model
    role: Role = "front"

    @property
    def label(self) -> str:
        """Its name, or its id where it has none."""
        return self.model.name or self.model.id

    @property
    def has_accuracy(self) -> bool:
        """Whether there is an accuracy to draw: a baseline whose training failed has none."""
        return self.role != "baseline" or self.model.accuracies.validation is not None

    @property
    def has_scores(self) -> bool:
        """Whether its other metrics are known."""
        return bool(self.model.scores.validation or self.model.scores.test)


@dataclass(frozen=True, slots=True)
class Series:
    """Marks drawn alike: all of one role, all with one kind of accuracy."""

    title: str
    role: Role
    marks: tuple[Mark, ...]


class Label(NamedTuple):
    """A name beside its mark: how many lines above it, or below it where negative, and to which side it reaches."""

    mark: Mark
    lines: int
    side: Side

    @property
    def text(self) -> str:
        """Number and name."""
        return f"{self.mark.number} {self.mark.label}"


def numbered(role: Role, models: Iterable[Model], start: int) -> tuple[Mark, ...]:
    """Models of one role, numbered from `start`."""
    return tuple(Mark(number, model, role) for number, model in enumerate(models, start))


def by_kind(title: str, marks: Iterable[Mark], measure: str) -> list[Series]:
    """Marks of one role, apart by what kind of accuracy they have; `measure` says what an accuracy is."""
    kinds: dict[str, list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(mark.model.accuracy.kind, []).append(mark)
    return [
        Series(f"{title} ({kind} {measure})", members[0].role, tuple(members))
        for kind, members in kinds.items()
    ]


def labels(
    names: Sequence[Mark], others: Iterable[Mark], range_ms: Range, accuracy_range: Range
) -> tuple[Label, ...]:
    """Places for the names of marks: inside the picture, and where they cover the fewest marks and names.

    Args:
        names: the marks to name.
        others: the marks beside them.
        range_ms: the latency axis.
        accuracy_range: what the accuracy axis reaches over.
    """

    def place(mark: Mark) -> tuple[float, float]:
        return (
            _share(mark.model.latency_ms.predicted, range_ms),
            _share(mark.model.accuracy.value, accuracy_range),
        )

    taken = [_Box.around(*place(mark), _DISC_WIDTH, _DISC_HEIGHT) for mark in (*names, *others)]
    found = []
    for mark in sorted(names, key=lambda mark: mark.model.accuracy.value):
        at, width = place(mark), _LETTER_WIDTH * (len(mark.label) + 3)
        boxes = {(lines, side): _text_box(*at, width, lines, side) for lines, side in _PLACES}
        best = min(_PLACES, key=lambda each: boxes[each].cost(taken))
        taken.append(boxes[best])
        found.append(Label(mark, *best))
    return tuple(found)


# As shares of the picture's width and height; the picture and the chart are about alike.
_DISC_WIDTH, _DISC_HEIGHT = 0.03, 0.05
_LETTER_WIDTH, _TEXT_HEIGHT = 0.0116, 0.045
_SIDES: tuple[Side, ...] = ("center", "right", "left")
_PLACES = tuple((lines, side) for away in ((1, -1), (-2, 2), (-3,)) for side in _SIDES for lines in away)


class _Box(NamedTuple):
    """A rectangle, in shares of the picture."""

    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def around(cls, x: float, y: float, width: float, height: float) -> "_Box":
        return cls(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    def cost(self, taken: Iterable["_Box"]) -> int:
        """How many others it covers; leaving the picture is worse than any number."""
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
