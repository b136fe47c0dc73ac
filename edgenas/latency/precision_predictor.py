"""Predicted latency where the precision is a variable: a predictor for each."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgenas.device import Provenance
from edgenas.latency.latency import Latency
from edgenas.latency.network_predictor import ArchitecturePredictor, NetworkPredictor, weakest
from edgenas.space import Architecture, NetworkSpace, PrecisionSpace
from edgenas.vocabulary import Precision


def by_precision(
    networks: NetworkSpace, precisions: Sequence[Precision], make: Callable[[Precision], NetworkPredictor]
) -> ArchitecturePredictor:
    """The predictor of networks in one precision or in several, made from one for each."""
    parts = {precision: make(precision) for precision in precisions}
    if len(parts) == 1:
        return parts[precisions[0]]
    return PrecisionPredictor(PrecisionSpace(networks, precisions), parts)


class PrecisionPredictor(ArchitecturePredictor):
    """See `ArchitecturePredictor`.

    Args:
        space: whose architectures are predicted.
        parts: a predictor of its networks for each precision, in the order of the space, on the same device.
    """

    def __init__(self, space: PrecisionSpace, parts: Mapping[Precision, NetworkPredictor]) -> None:
        assert space.precisions == tuple(parts)
        self._space = space
        self._parts = parts

    @property
    @override
    def space(self) -> PrecisionSpace:
        return self._space

    @property
    @override
    def parts(self) -> Mapping[Precision, NetworkPredictor]:
        return self._parts

    @property
    @override
    def interpolated(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(key for part in self._parts.values() for key in part.interpolated))

    @property
    @override
    def provenance(self) -> Provenance:
        return weakest({part.provenance for part in self._parts.values()})

    @property
    @override
    def table_checksum(self) -> str | None:
        found = [part.table_checksum for part in self._parts.values()]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest() if any(found) else None

    @override
    def predict(self, architecture: Architecture) -> Latency:
        precision, network = self._space.split(architecture)
        return self._parts[precision].predict(network)

    @override
    def predict_encoded(self, vectors: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._space.selected(vectors, [part.predict_encoded for part in self._parts.values()])

    @override
    def fastest(self) -> Architecture:
        return min(self._ends(lambda part: part.fastest()), key=self._predicted_ms)

    @override
    def slowest(self) -> Architecture:
        return max(self._ends(lambda part: part.slowest()), key=self._predicted_ms)

    def _ends(self, end: Callable[[NetworkPredictor], Architecture]) -> list[Architecture]:
        return [self._space.joined(precision, end(part)) for precision, part in self._parts.items()]

    def _predicted_ms(self, architecture: Architecture) -> float:
        return self.predict(architecture).predicted
