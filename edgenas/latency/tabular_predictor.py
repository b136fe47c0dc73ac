"""Latencies looked up in a published table of a space's networks."""

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
"""Limits the lookup table, which has an entry for every encoding, to 8 MB."""


class TabularPredictor:
    """Latency by architecture, infinite for those not in the table; made by `predictor_from_csv`.

    Has the interface that `searchers.problem.Problem` needs.

    Args:
        space: of the table's architectures.
        latencies_ms: milliseconds; not empty.
        path: the table's file.

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
        # An encoding's index is its value as a mixed-radix number.
        self._strides = np.array([math.prod(sizes[i + 1 :]) for i in range(len(sizes))], np.int64)
        self._by_index = np.full(encodings, np.inf)
        vectors = np.array([space.encode(architecture) for architecture in latencies_ms])
        self._by_index[vectors @ self._strides] = list(latencies_ms.values())
        self._fastest = min(latencies_ms, key=latencies_ms.__getitem__)
        self._slowest = max(latencies_ms, key=latencies_ms.__getitem__)

    @property
    def name(self) -> str:
        """Name of the table's file."""
        return self._path.name

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Architectures of the table, each once, in its order."""
        return tuple(self._by_architecture)

    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        """Milliseconds of canonical integer encodings, shape (n, variables) to (n,); infinite where unknown."""
        found: NDArray[np.float64] = self._by_index[vectors @ self._strides]
        return found

    def fastest(self) -> Architecture:
        """The architecture of least latency."""
        return self._fastest

    def slowest(self) -> Architecture:
        """The architecture of greatest latency in the table."""
        return self._slowest

    def text(self, architecture: Architecture) -> str:
        """The latency for people."""
        latency_ms = self._by_architecture.get(architecture)
        return "an unknown time" if latency_ms is None else format_milliseconds(latency_ms)


def predictor_from_csv(path: Path, space: ArchitectureSpace) -> TabularPredictor:
    """Read a table with the columns `arch` and `latency_ms`; see `space.benchmark_table.figures_from_csv`.

    A network with several rows gets their mean.

    Raises:
        FileFormatError: the file is missing, too large or not such a table; names the row, counting the header as 1.
        InputError: a space of more than `MAX_ENCODINGS` encodings.
    """
    return TabularPredictor(space, figures_from_csv(path, space, LATENCY), path)
