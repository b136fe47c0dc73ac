"""What is shown of one model: its blocks, its latency on a scale, and how it judges the test images."""

from collections.abc import Iterator
from dataclasses import dataclass

from edgenas.reporting.judged_images import Judged
from edgenas.reporting.layer_contributions import Panel
from edgenas.reporting.network_drawing import DrawnBlock
from edgenas.reporting.report_content import ReportContent
from edgenas.reporting.series import ModelEntry

MOST_CLASSES = 20
"""A confusion matrix of more is too small to read: then the most frequent mistakes are listed."""

_HEATS = 8
_ROOM = 1.06


@dataclass(frozen=True)
class Cell:
    """A count of a confusion matrix; `heat` is its share of the row, 0 to 8."""

    count: int
    heat: int
    right: bool


@dataclass(frozen=True)
class ModelDetails:
    """One model.

    Args:
        entry: the model with its number.
        limit_ms: latency limit of the run.
        blocks: what it is made of; empty if that is not known.
        judged: how its file judges test images; None if that is not known.
        classes: their names.
        panel: what its choices gain and cost; None if that is not known.
    """

    entry: ModelEntry
    limit_ms: float
    blocks: tuple[DrawnBlock, ...] = ()
    judged: Judged | None = None
    classes: tuple[str, ...] = ()
    panel: Panel | None = None

    @property
    def most_ms(self) -> float:
        """The largest latency of a block; 0 if none is known."""
        return max((block.latency_ms or 0.0 for block in self.blocks), default=0.0)

    @property
    def constant_ms(self) -> float:
        """Predicted latency that is of no block."""
        return self.entry.model.latency_ms.predicted - sum(block.latency_ms or 0.0 for block in self.blocks)

    def place(self, latency_ms: float) -> float:
        """Place of a latency on the model's scale from 0, in percent of its width."""
        latency = self.entry.model.latency_ms
        end = _ROOM * max(latency.high, latency.measured or 0.0, self.limit_ms if self.shows_limit else 0.0)
        return round(100 * latency_ms / end, 2)

    @property
    def shows_limit(self) -> bool:
        """Whether the limit is near enough to be on the scale."""
        return self.limit_ms <= 2 * self.entry.model.latency_ms.high

    @property
    def confusion(self) -> Iterator[tuple[str, tuple[Cell, ...]]]:
        """Rows of the confusion matrix, with the name of their class."""
        assert self.judged is not None
        for i, (name, row) in enumerate(zip(self.classes, self.judged.matrix, strict=False)):
            total = max(1, sum(row))
            cells = (Cell(count, -(-_HEATS * count // total), i == j) for j, count in enumerate(row))
            yield name, tuple(cells)

    @property
    def has_matrix(self) -> bool:
        """Whether there are few enough classes for a matrix."""
        return len(self.classes) <= MOST_CLASSES

    def name_of(self, number: int) -> str:
        """The name of a class."""
        return self.classes[number] if number < len(self.classes) else str(number)


def details_of(report: ReportContent) -> tuple[ModelDetails, ...]:
    """The details of all models, in the order of their numbers."""
    panels = {panel.entry.number: panel for panel in report.layers.panels} if report.layers else {}
    judged = report.judged
    return tuple(
        ModelDetails(
            entry,
            report.result.constraint.max_latency_ms,
            report.blocks.get(entry.model.id, ()),
            judged.models.get(entry.model.id) if judged else None,
            judged.classes if judged else (),
            panels.get(entry.number),
        )
        for entry in report.entries
    )
