"""Accuracies looked up in a published table, where networks of a space have been trained already."""

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from edgenas.accuracy.evaluator import AccuracyKind, Evaluator
from edgenas.errors import InputError
from edgenas.space import Architecture, ArchitectureSpace
from edgenas.space.benchmark_table import Column, figures_from_csv

ACCURACY = Column("accuracy_percent", lambda percent: 0 <= percent <= 100, "use a number from 0 to 100")


class TabularEvaluator(Evaluator):
    """Test accuracy by architecture; made by `evaluator_from_csv`.

    Args:
        space: whose architectures the table has.
        accuracies: fractions 0..1.
        path: where they are from, for messages.
    """

    kind: AccuracyKind = "test"

    def __init__(
        self, space: ArchitectureSpace, accuracies: Mapping[Architecture, float], path: Path
    ) -> None:
        self._space = space
        self._accuracies = dict(accuracies)
        self._path = path

    @override
    def evaluate(self, architecture: Architecture, rival: float | None = None) -> float:
        """Look it up; there is nothing to stop early for a `rival`.

        Raises:
            InputError: the table lacks it.
        """
        if architecture not in self._accuracies:
            raise InputError(
                f"{self._path}: has no row for {self._space.text(architecture)}",
                f"use a table of all of {self._space.name}",
            )
        return self._accuracies[architecture]


def evaluator_from_csv(path: Path, space: ArchitectureSpace) -> TabularEvaluator:
    """Read a table with the columns `arch` and `accuracy_percent`; see `space.published.figures_from_csv`.

    Where several rows are one network, trained more than once, it gets their mean.

    Raises:
        FileFormatError: a file that is missing, too large or no such table; names the row, the header being row 1.
    """
    percents = figures_from_csv(path, space, ACCURACY)
    return TabularEvaluator(space, {a: percent / 100 for a, percent in percents.items()}, path)
