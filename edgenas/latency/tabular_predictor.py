"""Latencies looked up in a published table, where networks of a space have been timed already."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgenas.errors import InputError
from edgenas.space import Architecture, ArchitectureSpace
from edgenas.space.benchmark_table import Column, figures_from_csv
from edgenas.units import format_milliseconds

LATENCY = Column("latency_ms", lambda ms: 0 < ms < math.inf, "use a positive number of milliseconds")

MAX_ENCODINGS = 10**6
"""One latency is kept for every encoding of a space, 8 MB in all."""


class TabularPredictor:
    """Latency by architecture, infinite for those that are not in the table; made by `predictor_from_csv`.

    What a `search.problem.Problem` asks of latencies.

    Args:
        space: whose architectures the table has.
        latencies_ms: milliseconds; not empty.
        path: where they are from.

    Raises:
        InputError: a space of more than `MAX_ENCODINGS` encodings.
    """

    def __init__(
        self, space: ArchitectureSpace, latencies_ms: Mapping[Architecture, float], path: Path
    ) -> None:
        sizes = [len(choices) for choices in space.variables]
        if (encodings := math.prod(sizes)) > MAX_ENCODINGS:
            raise InputError(
                f"{path}: space {space.name} has {encodings:.3g} encodings, too many to look up",
                f"use a space of at most {MAX_ENCODINGS:,}",
            )
        self._path = path
        self._by_architecture = dict(latencies_ms)
        # An encoding's place is the number its digits write, each in the base of its variable.
        self._strides = np.array([math.prod(sizes[i + 1 :]) for i in range(len(sizes))], np.int64)
        self._by_place = np.full(encodings, np.inf)
        vectors = np.array([space.encode(architecture) for architecture in latencies_ms])
        self._by_place[vectors @ self._strides] = list(latencies_ms.values())
        self._fastest = min(latencies_ms, key=latencies_ms.__getitem__)
        self._slowest = max(latencies_ms, key=latencies_ms.__getitem__)

    @property
    def name(self) -> str:
        """Name of the table's file."""
        return self._path.name

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Those the table knows, each once, in its order."""
        return tuple(self._by_architecture)

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,); infinite where unknown."""
        found: NDArray[np.float64] = self._by_place[vectors @ self._strides]
        return found

    def fastest(self) -> Architecture:
        """The architecture of least latency."""
        return self._fastest

    def slowest(self) -> Architecture:
        """The architecture of greatest latency that is known."""
        return self._slowest

    def text(self, architecture: Architecture) -> str:
        """Its latency for people."""
        latency_ms = self._by_architecture.get(architecture)
        return "an unknown time" if latency_ms is None else format_milliseconds(latency_ms)


def predictor_from_csv(path: Path, space: ArchitectureSpace) -> TabularPredictor:
    """Read a table with the columns `arch` and `latency_ms`; see `space.published.figures_from_csv`.

    Where several rows are one network, it gets their mean.

    Raises:
        FileFormatError: a file that is missing, too large or no such table; names the row, the header being row 1.
        InputError: a space of more than `MAX_ENCODINGS` encodings.
    """
    return TabularPredictor(space, figures_from_csv(path, space, LATENCY), path)
