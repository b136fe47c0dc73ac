"""Accuracies from a published table of trained networks."""

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
        space: the space of the architectures.
        accuracies: fractions 0..1.
        path: the table's file, for error messages.
    """

    kind: AccuracyKind = "test"

    def __init__(
        self, space: ArchitectureSpace, accuracies: Mapping[Architecture, float], path: Path
    ) -> None:
        self._space = space
        self._accuracies = dict(accuracies)
        self._path = path

    @override
    def evaluate(self, architecture: Architecture, to_beat: float | None = None) -> float:
        """Look up an architecture; `to_beat` is ignored.

        Raises:
            InputError: the table has no row for it.
        """
        if architecture not in self._accuracies:
            raise InputError(
                f"{self._path}: has no row for {self._space.text(architecture)}",
                f"use a table of all of {self._space.name}",
            )
        return self._accuracies[architecture]


def evaluator_from_csv(path: Path, space: ArchitectureSpace) -> TabularEvaluator:
    """Read a table with the columns `arch` and `accuracy_percent`; see `figures_from_csv`.

    A network with several rows gets their mean.

    Raises:
        FileFormatError: the file is missing, too large or not such a table; names the row, counting the header as 1.
    """
    percents = figures_from_csv(path, space, ACCURACY)
    return TabularEvaluator(space, {a: percent / 100 for a, percent in percents.items()}, path)
